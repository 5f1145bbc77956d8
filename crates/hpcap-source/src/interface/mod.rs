//! Network interfaces: which there are, in what state, and what they have lost.

mod netlink;
pub(crate) mod timestamps;

use std::fmt::Write;
use std::os::fd::AsRawFd;

use hpcap::error::Context;
use hpcap::pcapfile::LINK_TYPE_ETHERNET;
use hpcap::units::Rate;
use hpcap::{Error, Kind, Result, visible};
use netlink::Which;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::{InterfaceName, SourceEvent};

/// A network interface, as it was when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, `eth0`.
    pub name: String,
    /// Its number, never given to another one of the same namespace.
    pub index: u32,
    /// `ARPHRD_*`: what its frames start with.
    pub hardware: u16,
    /// `IFF_*`.
    flags: u32,
    /// The longest payload, in bytes: a frame without its Ethernet header.
    pub mtu: u32,
    /// Frames received damaged.
    pub rx_errors: u64,
    /// Frames for which the NIC found no room.
    pub rx_missed: u64,
    /// Its alternative names (`ip link property add dev IF altname NAME`).
    pub other_names: Vec<String>,
}

/// What a capture of an interface gives, by its hardware type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// LINKTYPE_ value.
    pub(crate) link_type: u32,
    /// Every frame that it sends to itself is received, too.
    pub(crate) loops: bool,
}

impl Link {
    /// Whether frames of different kinds come together, each behind a header that says of which
    /// it is.
    pub(crate) fn is_cooked(self) -> bool {
        self.link_type == LINKTYPE_LINUX_SLL2
    }

    /// Whether frames start with two MAC addresses, as Ethernet's do.
    pub(crate) fn has_addresses(self) -> bool {
        self.link_type == LINK_TYPE_ETHERNET
    }
}

const LINKTYPE_RAW: u32 = 101;
const LINKTYPE_LINUX_SLL2: u32 = 276;

/// What all interfaces together are called, as in tcpdump.
const ANY: &str = "any";

/// Asks for interfaces of the namespace of this thread.
fn ask(which: Which<'_>) -> Result<Vec<Interface>> {
    netlink::ask(which).context(|| "ask the kernel about network interfaces")
}

impl Interface {
    /// Every interface of this network namespace.
    ///
    /// # Errors
    /// [`Kind::Io`] when the kernel does not say.
    pub fn all() -> Result<Vec<Self>> {
        ask(Which::All)
    }

    /// The interface called `name`, which may be one of its other names; `None` when there is
    /// none.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn by_name(name: &str) -> Result<Option<Self>> {
        let found = ask(Which::Name(name))?.into_iter().find(|i| i.name == name);
        match found {
            Some(interface) => Ok(Some(interface)),
            None => Ok(Self::all()?.into_iter().find(|i| i.is_called(name))),
        }
    }

    /// Whether `name` is its name, or one of its other names.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.other_names.iter().any(|other| other == name)
    }

    /// All interfaces of this network namespace together, as the kernel gives their frames.
    #[must_use]
    pub fn any() -> Self {
        Self {
            name: ANY.to_owned(),
            index: 0,
            hardware: libc::ARPHRD_VOID,
            flags: (libc::IFF_UP | libc::IFF_RUNNING) as u32,
            mtu: 0,
            rx_errors: 0,
            rx_missed: 0,
            other_names: Vec::new(),
        }
    }

    /// Whether it is [`Interface::any`].
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.index == 0
    }

    /// The interface numbered `index`, whatever it is called by now.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn by_index(index: u32) -> Result<Option<Self>> {
        Ok(ask(Which::Index(index))?.into_iter().next())
    }

    /// The interface called `name`, which must exist.
    ///
    /// # Errors
    /// [`Kind::NotFound`], naming those that exist; otherwise as [`all`](Self::all).
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

    /// Every interface of this network namespace for people to choose from: a line each with its
    /// name, state, speed, hardware type where it cannot be captured.
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

    /// The speed of its link; `None` where it has none, or does not tell.
    #[must_use]
    pub fn link_speed(&self) -> Option<Rate> {
        let mut settings = EthtoolSettings {
            command: ETHTOOL_GSET,
            ..EthtoolSettings::default()
        };
        // SAFETY: the structure is that of the command in its first field.
        unsafe { self.ioctl(libc::SIOCETHTOOL, &mut settings) }.ok()?;
        let megabits = u64::from(settings.speed_high) << 16 | u64::from(settings.speed_low);
        // The kernel says 2^32-1, or in old drivers 2^16-1, for "unknown".
        let known = ![0, u64::from(u16::MAX), u64::from(u32::MAX)].contains(&megabits);
        known.then_some(Rate::BitsPerSecond(megabits * 1_000_000))
    }

    /// Whether there is a device on a bus behind it, and not a program or another interface.
    ///
    /// Asked of the driver: sysfs may show another network namespace, with another interface of
    /// this name.
    #[must_use]
    pub fn is_hardware(&self) -> bool {
        let mut driver = EthtoolDriver {
            command: ETHTOOL_GDRVINFO,
            names: [[0; 32]; 5],
            numbers: [0; 8],
        };
        // SAFETY: the structure is that of the command in its first field.
        let told = unsafe { self.ioctl(libc::SIOCETHTOOL, &mut driver) };
        // An address on a bus has a colon or a dash: 0000:01:00.0, usb-0000:00:14.0-1.
        told.is_ok() && driver.names[BUS].iter().any(|c| [b':', b'-'].contains(c))
    }

    /// Whether somebody has set it up (`ip link set IF up`).
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP as u32 != 0
    }

    /// Whether it can carry frames: a cable with somebody at the other end.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.flags & libc::IFF_RUNNING as u32 != 0
    }

    /// A warning when the interface joins frames of a connection to larger ones on receipt: a
    /// capture sees only those.
    pub(crate) fn merges_frames(&self) -> Option<SourceEvent> {
        let is_set = |command, flag| self.ethtool(command).is_some_and(|v| v & flag != 0);
        let gro = is_set(ETHTOOL_GGRO, 1);
        let lro = is_set(ETHTOOL_GFLAGS, ETH_FLAG_LRO);
        // Loopback has no traffic of others.
        let merges = self.hardware == libc::ARPHRD_ETHER && (gro || lro);
        merges.then(|| SourceEvent::FramesMerged {
            interface: InterfaceName::new(&self.name),
            gro,
            lro,
        })
    }

    /// The answer to a question of ethtool's that is a single number; `None` without one.
    fn ethtool(&self, command: u32) -> Option<u32> {
        let mut value = EthtoolValue { command, data: 0 };
        // SAFETY: the structure is that of the command in its first field.
        unsafe { self.ioctl(libc::SIOCETHTOOL, &mut value) }.ok()?;
        Some(value.data)
    }

    /// Asks the kernel about this interface, or changes it, with an ioctl whose data is `data`.
    ///
    /// # Safety
    /// `T` is the structure that the kernel reads and writes for `number`, and for the command in
    /// `data` where `number` has several.
    unsafe fn ioctl<T>(&self, number: libc::c_ulong, data: &mut T) -> std::io::Result<()> {
        // SAFETY: zero is a valid value of every field of an `ifreq`.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last byte stays zero: kernel names are shorter than the field.
        for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1]
            .iter_mut()
            .zip(self.name.bytes())
        {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_data = std::ptr::from_mut(data).cast();
        let socket = socket(
            AddressFamily::Inet,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        // SAFETY: the request points to `data`, which is what the kernel expects for `number`, as
        // the caller promises; both outlive the call.
        match unsafe { libc::ioctl(socket.as_raw_fd(), number as _, &raw mut request) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    /// What its frames start with, as a LINKTYPE_ value: 1 for Ethernet, 101 for IP.
    ///
    /// # Errors
    /// [`Kind::Format`] for anything else, naming it.
    pub fn link_type(&self) -> Result<u32> {
        Ok(self.link()?.link_type)
    }

    /// What its frames are.
    pub(crate) fn link(&self) -> Result<Link> {
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
            // Tunnels whose frames start with the IP header.
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

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// `struct ethtool_cmd` of `linux/ethtool.h`.
#[derive(Default)]
#[repr(C)]
struct EthtoolSettings {
    command: u32,
    supported: u32,
    advertised: u32,
    speed_low: u16,
    duplex: u8,
    port: u8,
    rest_of_link: [u32; 3],
    speed_high: u16,
    crossover: [u8; 2],
    partner: u32,
    reserved: [u32; 2],
}

const _: () = assert!(size_of::<EthtoolSettings>() == 44);

/// `struct ethtool_drvinfo` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolDriver {
    command: u32,
    /// Driver, version, firmware, bus, expansion ROM.
    names: [[u8; 32]; 5],
    numbers: [u32; 8],
}

const _: () = assert!(size_of::<EthtoolDriver>() == 196);

/// The address on the bus, of [`EthtoolDriver::names`].
const BUS: usize = 3;

const ETHTOOL_GSET: u32 = 0x01;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GGRO: u32 = 0x2b;
const ETH_FLAG_LRO: u32 = 1 << 15;

/// What is known of a hardware type, for people.
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
    fn loopback_is_there_and_is_like_ethernet() {
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
        assert_eq!(
            Interface::by_index(lo.index).unwrap().map(|i| i.name),
            Some("lo".into())
        );
        assert!(lo.mtu >= 1280);
    }

    #[test]
    fn an_unknown_name_lists_those_that_exist() {
        let error = Interface::required("no-such-if").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        for interface in Interface::all().unwrap() {
            assert!(error.to_string().contains(&interface.name), "{error}");
        }
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

    #[test]
    fn other_hardware_is_refused_by_name() {
        let mut interface = Interface {
            name: "can0".into(),
            index: 1,
            hardware: libc::ARPHRD_CAN,
            flags: 0,
            mtu: 16,
            rx_errors: 0,
            rx_missed: 0,
            other_names: Vec::new(),
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
