//! Network interfaces: which exist, their state, their losses, and the settings of their drivers.
//!
//! An [`Interface`] is what the kernel said about it at one moment; a program that watches an interface asks again. Speeds
//! are bits per second, lengths are bytes.
//!
//! ```
//! use hpcap_host::Interface;
//!
//! # fn main() -> hpcap_base::Result<()> {
//! for interface in Interface::all()? {
//!     let state = if interface.is_running() { "running" } else { "not running" };
//!     println!("{}: {state}", interface.name);
//! }
//! // The error names the interfaces that there are.
//! let error = Interface::required("no-such-if").unwrap_err();
//! assert!(error.to_string().contains("no-such-if"));
//! # Ok(())
//! # }
//! ```

mod change;
mod channels;
mod coalescing;
mod driver_settings;
mod ethtool;
mod ethtool_command;
mod link;
mod link_modes;
mod mirror;
mod neighbours;
mod netlink;
mod queueing;
mod receive_hash;
mod request;
mod statistics;
pub mod timestamps;
mod virtual_functions;

use std::fmt::Write;

use hpcap_base::error::Context;
use hpcap_base::nic::InterfaceCounters;
use hpcap_base::{Error, Kind, Result, visible};
use netlink::Which;

pub use change::IpAddress;
pub use channels::Channels;
pub use coalescing::Coalescing;
pub use driver_settings::{Feature, SpeedSetting};
pub use ethtool::{Driver, Offloads, Pause, RingLengths};
pub use link::Link;
pub use mirror::{Direction, Mirror};
pub use neighbours::Neighbour;
pub use queueing::QueueingDiscipline;
pub use receive_hash::{FlowKind, HashFields, ReceiveHash};
pub use statistics::{FeatureState, Statistic};
pub use virtual_functions::VirtualFunction;

/// A network interface, in the state in which the kernel reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its number, which the kernel gives to no other interface of the namespace.
    pub index: u32,
    /// `ARPHRD_*` value: the kind of header that its frames start with.
    pub hardware: u16,
    /// `IFF_*` bits.
    flags: u32,
    /// Longest payload in bytes, which is a frame without its Ethernet header.
    pub mtu: u32,
    /// Its counters of frames and bytes.
    pub counters: InterfaceCounters,
    /// Its alternative names (`ip link property add dev IF altname NAME`).
    pub other_names: Vec<String>,
    /// Index of the bridge, bond or similar that it is a port of.
    pub controller: Option<u32>,
    /// Index of the interface that it stands on, such as that below a VLAN, or of the other end of
    /// a veth pair.
    pub lower: Option<u32>,
    /// The network namespace of [`lower`](Self::lower), by the number that this namespace has for it; `None` if it is
    /// this one. A number below 0 stands for a namespace that has none.
    pub lower_namespace: Option<i32>,
    /// Kernel-wide number of the XDP program that is attached to it.
    pub xdp_program: Option<u32>,
}

/// The name of all interfaces together, as in tcpdump.
const ANY: &str = "any";

/// Queries interfaces of this thread's network namespace.
fn query(which: Which<'_>) -> Result<Vec<Interface>> {
    netlink::query(which).context(|| "ask the kernel about network interfaces")
}

impl Interface {
    /// Returns every interface of this network namespace.
    ///
    /// # Errors
    /// [`Kind::Io`] when the kernel does not answer.
    pub fn all() -> Result<Vec<Self>> {
        query(Which::All)
    }

    /// Finds the interface called `name`, by its name or by an alternative name.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn by_name(name: &str) -> Result<Option<Self>> {
        let found = query(Which::Name(name))?
            .into_iter()
            .find(|i| i.name == name);
        match found {
            Some(interface) => Ok(Some(interface)),
            None => Ok(Self::all()?.into_iter().find(|i| i.is_called(name))),
        }
    }

    /// Returns whether `name` is the interface's name or one of its alternative names.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.other_names.iter().any(|other| other == name)
    }

    /// Returns the pseudo-interface that stands for all interfaces of this network namespace.
    #[must_use]
    pub fn any() -> Self {
        Self {
            name: ANY.to_owned(),
            index: 0,
            hardware: libc::ARPHRD_VOID,
            flags: (libc::IFF_UP | libc::IFF_RUNNING) as u32,
            mtu: 0,
            counters: InterfaceCounters::default(),
            other_names: Vec::new(),
            controller: None,
            lower: None,
            lower_namespace: None,
            xdp_program: None,
        }
    }

    /// Returns whether this is [`Interface::any`].
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.index == 0
    }

    /// Finds the interface numbered `index`, whatever its name is by now.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn by_index(index: u32) -> Result<Option<Self>> {
        Ok(query(Which::Index(index))?.into_iter().next())
    }

    /// Finds the interface [`lower`](Self::lower), also in another network namespace. `None` if there is none.
    ///
    /// # Errors
    /// [`Kind::Permission`] for a namespace that this process may not administer; otherwise as [`all`](Self::all).
    pub fn find_lower(&self) -> Result<Option<Self>> {
        let Some(index) = self.lower else {
            return Ok(None);
        };
        let which = match self.lower_namespace {
            None => Which::Index(index),
            Some(namespace) => Which::IndexIn(index, namespace),
        };
        Ok(query(which)?.into_iter().next())
    }

    /// Finds the interface called `name`, which must exist.
    ///
    /// # Errors
    /// [`Kind::NotFound`], with the names of the interfaces that exist; otherwise as
    /// [`all`](Self::all).
    pub fn required(name: &str) -> Result<Self> {
        let mut all = Self::all()?;
        let at = all.iter().position(|i| i.name == name);
        if let Some(at) = at.or_else(|| all.iter().position(|i| i.is_called(name))) {
            return Ok(all.swap_remove(at));
        }
        if name == ANY {
            return Ok(Self::any());
        }
        let mut names: Vec<_> = all.iter().map(|i| i.name.as_str()).collect();
        names.push(ANY);
        Err(Error::new(
            Kind::NotFound,
            format!("find the network interface {name:?}"),
            "there is none of that name",
        )
        .advise(format!("there are {}", names.join(", "))))
    }

    /// Lists every interface of this network namespace, one per line, with its name, state and
    /// speed, and its hardware type if it cannot be captured.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn list() -> Result<String> {
        let mut out = String::new();
        for interface in Self::all()? {
            let state = match (interface.is_up(), interface.is_running()) {
                (false, _) => "down",
                (true, false) => "up, no link",
                (true, true) => "up",
            };
            let _ = write!(out, "{:<16} {state}", visible(&interface.name));
            if !interface.other_names.is_empty() {
                let names = interface.other_names.join(", ");
                let _ = write!(out, ", also {}", visible(&names));
            }
            if let Some(rate) = interface.link_speed() {
                let _ = write!(out, ", {rate}");
            }
            if let Err(e) = interface.link() {
                let _ = write!(out, ", {}", e.why_and_advice().replace('\n', "; "));
            }
            out.push('\n');
        }
        let _ = writeln!(out, "{ANY:<16} all of them together");
        Ok(out)
    }

    /// Returns whether `other`, which is of this network namespace, is the interface [`lower`](Self::lower). An interface
    /// of another namespace may have the same number.
    #[must_use]
    pub fn leads_to(&self, other: &Self) -> bool {
        self.lower_namespace.is_none() && self.lower == Some(other.index)
    }

    /// Returns whether an administrator has set the interface up (`ip link set IF up`).
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP as u32 != 0
    }

    /// Returns whether the interface can carry frames, such as over a cable that is connected at both ends.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.flags & libc::IFF_RUNNING as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_by_its_number() {
        let Some(lo) = Interface::by_name("lo").unwrap() else {
            println!("skipped: there is no loopback interface here");
            return;
        };
        assert_eq!(
            Interface::by_index(lo.index).unwrap().map(|i| i.name),
            Some("lo".into())
        );
        assert!(lo.mtu >= 1280);
    }

    #[test]
    fn unknown_name_lists_the_existing_interfaces() {
        let error = Interface::required("no-such-if").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        for interface in Interface::all().unwrap() {
            assert!(error.to_string().contains(&interface.name), "{error}");
        }
    }

    #[test]
    fn interface_of_another_namespace_is_not_below() {
        let mut upper = Interface::any();
        (upper.index, upper.lower) = (7, Some(2));
        let mut lower = Interface::any();
        lower.index = 2;
        assert!(upper.leads_to(&lower) && !lower.leads_to(&upper));
        upper.lower_namespace = Some(0);
        assert!(!upper.leads_to(&lower));
    }

    #[test]
    fn loopback_is_no_hardware() {
        let lo = Interface::by_name("lo").unwrap();
        assert!(!lo.is_some_and(|lo| lo.is_hardware()));
    }

    #[test]
    fn list_has_every_interface() {
        let list = Interface::list().unwrap();
        for interface in Interface::all().unwrap() {
            let line = list
                .lines()
                .find(|l| l.split(' ').next() == Some(&interface.name));
            assert!(line.is_some(), "{}: {list}", interface.name);
        }
    }
}
