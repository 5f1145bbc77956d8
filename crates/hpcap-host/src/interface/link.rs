//! What the frames of an interface look like to a capture.

use hpcap_base::LINK_TYPE_ETHERNET;
use hpcap_base::{Error, Kind, Result};

use super::Interface;

/// Properties of the frames that a capture of an interface yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// LINKTYPE_ value of the frames.
    pub link_type: u32,
    /// Whether the interface receives every frame that it sends.
    pub loops: bool,
}

impl Link {
    /// Returns whether frames of different interfaces are mixed, each behind a header that names
    /// its interface.
    #[must_use]
    pub fn is_cooked(self) -> bool {
        self.link_type == LINKTYPE_LINUX_SLL2
    }

    /// Returns whether frames start with two MAC addresses, as on Ethernet.
    #[must_use]
    pub fn has_addresses(self) -> bool {
        self.link_type == LINK_TYPE_ETHERNET
    }
}

const LINKTYPE_RAW: u32 = 101;
const LINKTYPE_LINUX_SLL2: u32 = 276;

impl Interface {
    /// Returns the link type of the interface's frames, as a LINKTYPE_ value: 1 for Ethernet, 101 for IP.
    ///
    /// # Errors
    /// [`Kind::Format`] for any other hardware, with its name.
    pub fn link_type(&self) -> Result<u32> {
        Ok(self.link()?.link_type)
    }

    /// Returns the properties of the interface's frames.
    ///
    /// # Errors
    /// As [`link_type`](Self::link_type).
    pub fn link(&self) -> Result<Link> {
        if self.is_any() {
            return Ok(Link {
                link_type: LINKTYPE_LINUX_SLL2,
                loops: false,
            });
        }
        match self.hardware {
            libc::ARPHRD_ETHER => Ok(Link {
                link_type: LINK_TYPE_ETHERNET,
                loops: false,
            }),
            libc::ARPHRD_LOOPBACK => Ok(Link {
                link_type: LINK_TYPE_ETHERNET,
                loops: true,
            }),
            // Frames of these tunnels start with the IP header.
            libc::ARPHRD_NONE | libc::ARPHRD_PPP => Ok(Link {
                link_type: LINKTYPE_RAW,
                loops: false,
            }),
            other => Err(Error::new(
                Kind::Format,
                format!("capture {}", self.name),
                format!(
                    "its frames are {}, neither Ethernet nor IP",
                    hardware_name(other)
                ),
            )
            .advise("capture the Ethernet interface underneath, or one that this one leads to")),
        }
    }
}

/// Returns the name of a hardware type, for people.
fn hardware_name(hardware: u16) -> String {
    let name = match hardware {
        libc::ARPHRD_INFINIBAND => "InfiniBand",
        libc::ARPHRD_IEEE80211_RADIOTAP => "802.11 with a radiotap header",
        libc::ARPHRD_IEEE80211 | libc::ARPHRD_IEEE80211_PRISM => "802.11",
        libc::ARPHRD_CAN => "CAN",
        libc::ARPHRD_TUNNEL | libc::ARPHRD_TUNNEL6 | libc::ARPHRD_SIT | libc::ARPHRD_IPGRE => {
            "those of an IP tunnel"
        }
        824 => "netlink messages",
        _ => "of a type unknown here",
    };
    format!("{name} (ARPHRD {hardware})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_like_ethernet() {
        let Some(lo) = Interface::by_name("lo").unwrap() else {
            println!("skipped: there is no loopback interface here");
            return;
        };
        assert_eq!(
            lo.link().unwrap(),
            Link {
                link_type: 1,
                loops: true
            }
        );
    }

    #[test]
    fn other_hardware_is_refused_by_name() {
        let mut interface = Interface {
            name: "can0".into(),
            index: 1,
            hardware: libc::ARPHRD_CAN,
            ..Interface::any()
        };
        let error = interface.link().unwrap_err().to_string();
        assert!(
            error.contains("can0") && error.contains("CAN (ARPHRD 280)"),
            "{error}"
        );
        interface.hardware = libc::ARPHRD_NONE;
        assert_eq!(interface.link().unwrap().link_type, 101);
    }
}
