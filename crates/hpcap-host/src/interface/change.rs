//! Changes of an interface that the kernel itself makes: state, MTU, promiscuous mode, name, addresses.

use std::net::IpAddr;

use hpcap_base::error::Context;
use hpcap_base::{Error, Kind, Result};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Interface;
use super::request::{Refusal, change, list};

/// An IP address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpAddress {
    /// The address.
    pub ip: IpAddr,
    /// The number of bits that the addresses of its network share.
    pub prefix: u8,
    /// Whether it is valid beyond this link.
    pub is_global: bool,
}

impl Interface {
    /// Returns whether an administrator has switched promiscuous mode on. Captures that ask for it
    /// themselves do not count.
    #[must_use]
    pub fn is_promiscuous(&self) -> bool {
        self.flags & libc::IFF_PROMISC as u32 != 0
    }

    /// Returns whether the other end of the link, or the cable, answers.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        const IFF_LOWER_UP: u32 = 1 << 16;
        self.flags & IFF_LOWER_UP != 0
    }

    /// Sets the interface up or down.
    ///
    /// # Errors
    /// [`Kind::Permission`] without CAP_NET_ADMIN, and errors of the driver.
    pub fn set_up(&self, up: bool) -> Result<()> {
        let word = if up { "up" } else { "down" };
        self.set_flag(LinkFlags::Up, up)
            .map_err(|refusal| refusal.because(format!("set {} {word}", self.name)))
    }

    /// Switches promiscuous mode on or off.
    ///
    /// # Errors
    /// As [`set_up`](Self::set_up).
    pub fn set_promiscuous(&self, on: bool) -> Result<()> {
        let tried = || format!("set promiscuous mode of {}", self.name);
        self.set_flag(LinkFlags::Promisc, on)
            .map_err(|refusal| refusal.because(tried()))
    }

    fn set_flag(&self, flag: LinkFlags, on: bool) -> std::result::Result<(), Refusal> {
        let mut link = LinkMessage::default();
        link.header.index = self.index;
        link.header.change_mask = flag;
        link.header.flags = if on { flag } else { LinkFlags::empty() };
        change(RouteNetlinkMessage::SetLink(link), 0)
    }

    /// Sets the MTU.
    ///
    /// # Errors
    /// As [`set_up`](Self::set_up), for an MTU that the driver refuses, too.
    pub fn set_mtu(&self, mtu: u32) -> Result<()> {
        self.set_attribute(LinkAttribute::Mtu(mtu), || {
            format!("set the MTU of {} to {mtu}", self.name)
        })
    }

    /// Gives the interface another name. Kernels before 6.2 rename only interfaces that are down.
    ///
    /// # Errors
    /// As [`set_up`](Self::set_up); the name may be in use.
    pub fn set_name(&self, name: &str) -> Result<()> {
        self.set_attribute(LinkAttribute::IfName(name.to_owned()), || {
            format!("rename {} to {name}", self.name)
        })
    }

    pub(super) fn set_attribute(
        &self,
        attribute: LinkAttribute,
        tried: impl Fn() -> String,
    ) -> Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = self.index;
        link.attributes.push(attribute);
        change(RouteNetlinkMessage::SetLink(link), 0).map_err(|refusal| refusal.because(tried()))
    }

    /// Returns the IP addresses of the interface.
    ///
    /// # Errors
    /// [`Kind::Io`] when the kernel does not answer.
    pub fn addresses(&self) -> Result<Vec<IpAddress>> {
        let asked = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let all = list(&asked).context(|| format!("list the addresses of {}", self.name))?;
        let mine = all.into_iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewAddress(found) if found.header.index == self.index => {
                address_of(&found)
            }
            _ => None,
        });
        Ok(mine.collect())
    }

    /// Adds an IP address, or does nothing if the interface has it.
    ///
    /// # Errors
    /// As [`set_up`](Self::set_up).
    pub fn add_address(&self, ip: IpAddr, prefix: u8) -> Result<()> {
        let message = RouteNetlinkMessage::NewAddress(self.address_message(ip, prefix));
        match change(message, NLM_F_CREATE | NLM_F_EXCL) {
            Err(refusal) if refusal.errno() == Some(libc::EEXIST) => Ok(()),
            other => other.map_err(|refusal| {
                refusal.because(format!("add the address {ip}/{prefix} to {}", self.name))
            }),
        }
    }

    /// Removes an IP address, or does nothing if the interface does not have it.
    ///
    /// # Errors
    /// As [`set_up`](Self::set_up).
    pub fn remove_address(&self, ip: IpAddr, prefix: u8) -> Result<()> {
        let message = RouteNetlinkMessage::DelAddress(self.address_message(ip, prefix));
        match change(message, 0) {
            Err(refusal) if refusal.errno() == Some(libc::EADDRNOTAVAIL) => Ok(()),
            other => other.map_err(|refusal| {
                refusal.because(format!(
                    "remove the address {ip}/{prefix} from {}",
                    self.name
                ))
            }),
        }
    }

    fn address_message(&self, ip: IpAddr, prefix: u8) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = self.index;
        message.header.prefix_len = prefix;
        message.header.family = match ip {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        };
        message.attributes.push(AddressAttribute::Local(ip));
        message.attributes.push(AddressAttribute::Address(ip));
        // As `ip address add` does, so that old programs know the broadcast address.
        if let IpAddr::V4(ip) = ip
            && prefix < 31
        {
            let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            let broadcast = (ip.to_bits() | hosts).into();
            message
                .attributes
                .push(AddressAttribute::Broadcast(broadcast));
        }
        message
    }

    /// Finds the interface called `name` to change it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] with the names that exist, and for `any`, which stands for all interfaces.
    pub fn to_change(name: &str) -> Result<Self> {
        let found = Self::required(name)?;
        match found.is_any() {
            true => Err(Error::new(
                Kind::NotFound,
                "find the network interface \"any\"",
                "it stands for all interfaces, which are not changed together",
            )),
            false => Ok(found),
        }
    }
}

fn address_of(message: &AddressMessage) -> Option<IpAddress> {
    // On links between two hosts, `Address` is the other end.
    let find = |local: bool| {
        message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Local(ip) if local => Some(*ip),
            AddressAttribute::Address(ip) if !local => Some(*ip),
            _ => None,
        })
    };
    Some(IpAddress {
        ip: find(true).or_else(|| find(false))?,
        prefix: message.header.prefix_len,
        is_global: message.header.scope == AddressScope::Universe,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::network::{create_veth_pair, in_namespace};

    fn veth() -> Interface {
        create_veth_pair("a0", "b0", 1500);
        Interface::to_change("a0").unwrap()
    }

    fn again(interface: &Interface) -> Interface {
        Interface::by_index(interface.index).unwrap().unwrap()
    }

    #[test]
    fn properties_of_a_link_change() {
        in_namespace(|| {
            let a = veth();
            a.set_mtu(9000).unwrap();
            a.set_promiscuous(true).unwrap();
            assert_eq!(again(&a).mtu, 9000);
            assert!(again(&a).is_promiscuous());
            assert!(again(&a).is_up() && again(&a).has_carrier());
            a.set_up(false).unwrap();
            assert!(!again(&a).is_up());
            a.set_name("renamed0").unwrap();
            assert_eq!(again(&a).name, "renamed0");
            a.set_promiscuous(false).unwrap();
            assert!(!again(&a).is_promiscuous());
        });
    }

    #[test]
    fn refused_mtu_has_a_reason() {
        in_namespace(|| {
            let error = veth().set_mtu(40).unwrap_err().to_string();
            assert!(error.contains("set the MTU of a0 to 40"), "{error}");
            assert!(
                error.contains("the kernel says: mtu less than device minimum"),
                "{error}"
            );
        });
    }

    #[test]
    fn addresses_come_and_go() {
        in_namespace(|| {
            let a = veth();
            let ip: IpAddr = "192.0.2.7".parse().unwrap();
            for _ in 0..2 {
                a.add_address(ip, 24).unwrap();
            }
            let expected = IpAddress {
                ip,
                prefix: 24,
                is_global: true,
            };
            assert_eq!(a.addresses().unwrap(), [expected]);
            let shown = testkit::network::ip("-4 address show a0");
            assert!(shown.contains("brd 192.0.2.255"), "{shown}");
            for _ in 0..2 {
                a.remove_address(ip, 24).unwrap();
            }
            assert!(a.addresses().unwrap().is_empty());
        });
    }

    #[test]
    fn all_interfaces_are_not_changed_together() {
        assert!(Interface::to_change("any").is_err());
    }
}
