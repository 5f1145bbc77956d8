//! Port mirroring by the kernel: copies of an interface's frames go out of another one, as on a switch.
//!
//! A mirror is a filter for every frame (`matchall`, or `u32` where the kernel has no other) with the action `mirred` at the hooks of the queueing discipline `clsact`,
//! which `tc filter show dev IF ingress` shows.

use hpcap_base::error::Context;
use hpcap_base::{Error, Kind, Result};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionMirrorOption, TcActionOption, TcActionType, TcAttribute,
    TcFilterMatchAllOption, TcFilterU32Option, TcHandle, TcMessage, TcMirror, TcMirrorActionType,
    TcOption, TcU32Key, TcU32Selector, TcU32SelectorFlags,
};

use super::Interface;
use super::request::{change, list};

/// The priorities of filters that [`Interface::add_mirror`] makes. Other programs leave them alone.
const PRIORITIES: std::ops::Range<u16> = 26_704..26_704 + 64;
/// `ETH_P_ALL`: frames of every protocol.
const ALL_PROTOCOLS: u16 = 3;

/// Which frames of an interface are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Frames that the interface receives.
    In,
    /// Frames that the interface sends.
    Out,
}

/// A mirror of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirror {
    /// Which frames are copied.
    pub direction: Direction,
    /// The number of the interface that sends the copies.
    pub to: u32,
    /// The priority among the filters of the interface.
    pub priority: u16,
}

impl Mirror {
    /// Whether [`Interface::add_mirror`] made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        PRIORITIES.contains(&self.priority)
    }
}

fn hook(direction: Direction) -> TcHandle {
    let minor = match direction {
        Direction::In => TcHandle::MIN_INGRESS,
        Direction::Out => TcHandle::MIN_EGRESS,
    };
    TcHandle {
        major: u16::MAX,
        minor,
    }
}

impl Interface {
    fn tc_message(&self) -> TcMessage {
        TcMessage::with_index(self.index.cast_signed())
    }

    fn filter_message(&self, direction: Direction, priority: u16) -> TcMessage {
        let mut message = self.tc_message();
        message.header.parent = hook(direction);
        message.header.info = u32::from(priority) << 16 | u32::from(ALL_PROTOCOLS.to_be());
        message
    }

    fn clsact_message(&self) -> TcMessage {
        let mut message = self.tc_message();
        message.header.handle = TcHandle {
            major: u16::MAX,
            minor: 0,
        };
        message.header.parent = TcHandle::CLSACT;
        let kind = TcAttribute::Kind("clsact".to_owned());
        message.attributes.push(kind);
        message
    }

    /// Returns the mirrors of the interface.
    ///
    /// # Errors
    /// [`Kind::Io`] when the kernel does not answer.
    pub fn mirrors(&self) -> Result<Vec<Mirror>> {
        let mut found = Vec::new();
        for direction in [Direction::In, Direction::Out] {
            for message in self.filters(direction)? {
                found.extend(mirror_of(&message, direction));
            }
        }
        // The kernel lists a filter once for its protocol and once by itself.
        found.dedup();
        Ok(found)
    }

    fn filters(&self, direction: Direction) -> Result<Vec<TcMessage>> {
        let mut message = self.tc_message();
        message.header.parent = hook(direction);
        let asked = RouteNetlinkMessage::GetTrafficFilter(message);
        let all = list(&asked).context(|| format!("list the mirrors of {}", self.name))?;
        let filters = all.into_iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewTrafficFilter(found)
                if found.header.index == self.index.cast_signed() =>
            {
                Some(found)
            }
            _ => None,
        });
        Ok(filters.collect())
    }

    /// Sends copies of the interface's frames out of `to`.
    ///
    /// # Errors
    /// [`Kind::Busy`] if there are too many mirrors; [`Kind::Permission`] without CAP_NET_ADMIN; errors of
    /// kernels without `clsact`, `matchall` or `mirred`.
    pub fn add_mirror(&self, direction: Direction, to: &Self) -> Result<()> {
        let tried = || format!("mirror {} to {}", self.name, to.name);
        let qdisc = RouteNetlinkMessage::NewQueueDiscipline(self.clsact_message());
        match change(qdisc, NLM_F_CREATE | NLM_F_EXCL) {
            Err(refusal) if refusal.errno() == Some(libc::EEXIST) => {}
            other => other.map_err(|refusal| refusal.because(tried()))?,
        }
        let taken: Vec<u16> = self
            .mirrors()?
            .iter()
            .filter(|mirror| mirror.direction == direction)
            .map(|mirror| mirror.priority)
            .collect();
        let priority = PRIORITIES.clone().find(|n| !taken.contains(n));
        let priority = priority.ok_or_else(|| {
            Error::new(Kind::Busy, tried(), "the interface has 64 mirrors")
                .advise("delete one of them: hpcapctl mirror delete FROM TO")
        })?;
        let mut mirred = TcMirror::default();
        mirred.generic.action = TcActionType::Pipe;
        mirred.eaction = TcMirrorActionType::EgressMirror;
        mirred.ifindex = to.index;
        let parameters = TcActionOption::Mirror(TcActionMirrorOption::Parms(mirred));
        let mut action = TcAction::default();
        action.tab = 1;
        action.attributes = vec![
            TcActionAttribute::Kind("mirred".to_owned()),
            TcActionAttribute::Options(vec![parameters]),
        ];
        let add = |(kind, options): (&str, Vec<TcOption>)| {
            let mut message = self.filter_message(direction, priority);
            message.attributes = vec![
                TcAttribute::Kind(kind.to_owned()),
                TcAttribute::Options(options),
            ];
            let filter = RouteNetlinkMessage::NewTrafficFilter(message);
            change(filter, NLM_F_CREATE | NLM_F_EXCL)
        };
        let added = match add(match_all(action.clone())) {
            // Kernels for small machines leave it out.
            Err(refusal) if refusal.errno() == Some(libc::ENOENT) => {
                add(match_nothing_particular(action))
            }
            other => other,
        };
        added.map_err(|refusal| {
            self.remove_clsact_if_empty();
            refusal.because(tried())
        })
    }

    /// Removes the queueing discipline if it has no filter. An empty one does nothing.
    fn remove_clsact_if_empty(&self) {
        let is_empty = |direction| self.filters(direction).is_ok_and(|all| all.is_empty());
        if is_empty(Direction::In) && is_empty(Direction::Out) {
            let qdisc = RouteNetlinkMessage::DelQueueDiscipline(self.clsact_message());
            let _ = change(qdisc, 0);
        }
    }

    /// Deletes a mirror, and the queueing discipline if nothing else needs it.
    ///
    /// # Errors
    /// As [`add_mirror`](Self::add_mirror).
    pub fn remove_mirror(&self, mirror: &Mirror) -> Result<()> {
        let tried = || format!("delete a mirror of {}", self.name);
        // Without a kind and a handle, the kernel deletes every filter of this priority.
        let message = self.filter_message(mirror.direction, mirror.priority);
        change(RouteNetlinkMessage::DelTrafficFilter(message), 0)
            .map_err(|refusal| refusal.because(tried()))?;
        self.remove_clsact_if_empty();
        Ok(())
    }
}

/// A filter that every frame passes.
fn match_all(action: TcAction) -> (&'static str, Vec<TcOption>) {
    let all = TcOption::MatchAll(TcFilterMatchAllOption::Action(vec![action]));
    ("matchall", vec![all])
}

/// The same filter for kernels without `matchall`: a comparison of no bits, which every frame passes.
fn match_nothing_particular(action: TcAction) -> (&'static str, Vec<TcOption>) {
    let mut selector = TcU32Selector::default();
    selector.flags = TcU32SelectorFlags::Terminal;
    selector.nkeys = 1;
    selector.keys = vec![TcU32Key::default()];
    let options = vec![
        TcOption::U32(TcFilterU32Option::Selector(selector)),
        TcOption::U32(TcFilterU32Option::Action(vec![action])),
    ];
    ("u32", options)
}

/// Returns the mirror that a filter is; `None` for other filters.
fn mirror_of(filter: &TcMessage, direction: Direction) -> Option<Mirror> {
    let options = filter.attributes.iter().find_map(|a| match a {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    })?;
    let actions = options.iter().find_map(|option| match option {
        TcOption::MatchAll(TcFilterMatchAllOption::Action(actions))
        | TcOption::U32(TcFilterU32Option::Action(actions)) => Some(actions),
        _ => None,
    })?;
    let options = actions.iter().flat_map(|action| &action.attributes);
    let mut options = options.filter_map(|attribute| match attribute {
        TcActionAttribute::Options(options) => Some(options),
        _ => None,
    });
    let to = options.find_map(|options| {
        options.iter().find_map(|option| match option {
            TcActionOption::Mirror(TcActionMirrorOption::Parms(parameters))
                if parameters.eaction == TcMirrorActionType::EgressMirror =>
            {
                Some(parameters.ifindex)
            }
            _ => None,
        })
    })?;
    Some(Mirror {
        direction,
        to,
        priority: u16::try_from(filter.header.info >> 16).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::network::{create_veth_pair, in_namespace, ip};

    #[test]
    fn mirrors_come_and_go() {
        in_namespace(|| {
            create_veth_pair("a0", "b0", 1500);
            create_veth_pair("c0", "d0", 1500);
            let find = |name| Interface::to_change(name).unwrap();
            let (a, c, d) = (find("a0"), find("c0"), find("d0"));
            for to in [&c, &d] {
                a.add_mirror(Direction::In, to).unwrap();
            }
            a.add_mirror(Direction::Out, &c).unwrap();
            let mirrors = a.mirrors().unwrap();
            let pairs: Vec<_> = mirrors.iter().map(|m| (m.direction, m.to)).collect();
            assert_eq!(
                pairs,
                [
                    (Direction::In, c.index),
                    (Direction::In, d.index),
                    (Direction::Out, c.index)
                ]
            );
            assert!(mirrors.iter().all(Mirror::is_ours));
            assert!(c.mirrors().unwrap().is_empty());
            for mirror in &mirrors {
                a.remove_mirror(mirror).unwrap();
            }
            assert!(a.mirrors().unwrap().is_empty());
            assert!(!ip("link show a0").contains("clsact"));
        });
    }
}
