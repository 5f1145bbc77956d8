//! The queueing disciplines of interfaces: where frames wait before they are sent, and where some are dropped.

use hpcap_base::Result;
use hpcap_base::error::Context;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcMessage, TcStats2};
use serde::Serialize;

use super::request;

/// A queueing discipline, as `tc -s qdisc` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct QueueingDiscipline {
    /// Number of its interface.
    pub interface: u32,
    /// Its name, such as `fq_codel`.
    pub kind: String,
    /// Bytes that it has sent.
    pub bytes: u64,
    /// Frames that it has sent.
    pub frames: u32,
    /// Frames that it has dropped.
    pub drops: u32,
    /// Frames that it held back because of a limit of rate.
    pub overlimits: u32,
    /// Frames that a busy driver gave back.
    pub requeues: u32,
    /// Frames that wait now.
    pub waiting: u32,
}

impl QueueingDiscipline {
    /// Returns every queueing discipline of this network namespace.
    ///
    /// # Errors
    /// [`hpcap_base::Kind::Io`] when the kernel does not answer.
    pub fn all() -> Result<Vec<Self>> {
        let query = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
        let answers =
            request::list(&query).context(|| "ask the kernel about queueing disciplines")?;
        Ok(answers.into_iter().filter_map(read).collect())
    }
}

fn read(message: RouteNetlinkMessage) -> Option<QueueingDiscipline> {
    let RouteNetlinkMessage::NewQueueDiscipline(message) = message else {
        return None;
    };
    let mut found = QueueingDiscipline {
        interface: u32::try_from(message.header.index).ok()?,
        ..QueueingDiscipline::default()
    };
    for attribute in message.attributes {
        match attribute {
            TcAttribute::Kind(kind) => found.kind = kind,
            TcAttribute::Stats2(all) => {
                for stats in all {
                    match stats {
                        TcStats2::Basic(basic) => {
                            (found.bytes, found.frames) = (basic.bytes, basic.packets);
                        }
                        TcStats2::Queue(queue) => {
                            found.drops = queue.drops;
                            found.overlimits = queue.overlimits;
                            found.requeues = queue.requeues;
                            found.waiting = queue.qlen;
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::Neighbour;

    #[test]
    fn disciplines_have_names() {
        for discipline in QueueingDiscipline::all().unwrap() {
            assert!(!discipline.kind.is_empty(), "{discipline:?}");
            assert!(discipline.interface > 0, "{discipline:?}");
        }
    }

    #[test]
    fn neighbours_have_addresses() {
        for neighbour in Neighbour::all().unwrap() {
            assert!(!neighbour.address.is_empty(), "{neighbour:?}");
        }
    }
}
