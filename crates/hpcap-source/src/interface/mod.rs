//! Network interfaces: which exist, their state, and their losses.

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
    /// Number of frames that arrived damaged.
    pub rx_errors: u64,
    /// Number of frames for which the NIC had no room.
    pub rx_missed: u64,
    /// Its alternative names (`ip link property add dev IF altname NAME`).
    pub other_names: Vec<String>,
}

/// Properties of the frames that a capture of an interface yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// LINKTYPE_ value of the frames.
    pub(crate) link_type: u32,
    /// Whether the interface receives every frame that it sends.
    pub(crate) loops: bool,
}

impl Link {
    /// Returns whether frames of different interfaces are mixed, each behind a header that names
    /// its interface.
    pub(crate) fn is_cooked(self) -> bool {
        self.link_type == LINKTYPE_LINUX_SLL2
    }

    /// Returns whether frames start with two MAC addresses, as on Ethernet.
    pub(crate) fn has_addresses(self) -> bool {
        self.link_type == LINK_TYPE_ETHERNET
    }
}

const LINKTYPE_RAW: u32 = 101;
const LINKTYPE_LINUX_SLL2: u32 = 276;

/// The name of all interfaces together, as in tcpdump.
const ANY: &str = "any";

/// Queries interfaces of this thread's network namespace.
fn ask(which: Which<'_>) -> Result<Vec<Interface>> {
    netlink::ask(which).context(|| "ask the kernel about network interfaces")
}

impl Interface {
    /// Returns every interface of this network namespace.
    ///
    /// # Errors
    /// [`Kind::Io`] when the kernel does not answer.
    pub fn all() -> Result<Vec<Self>> {
        ask(Which::All)
    }

    /// Finds the interface called `name`, by its name or by an alternative name.
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

    /// Returns whether `name` is its name or one of its alternative names.
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
            rx_errors: 0,
            rx_missed: 0,
            other_names: Vec::new(),
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
        Ok(ask(Which::Index(index))?.into_iter().next())
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

    /// Returns the speed of its link; `None` if it has no link or its driver does not report the
    /// speed.
    #[must_use]
    pub fn link_speed(&self) -> Option<Rate> {
        let mut settings = EthtoolSettings {
            command: ETHTOOL_GSET,
            ..EthtoolSettings::default()
        };
        // SAFETY: the structure is the one that belongs to the command in its first field.
        unsafe { self.ioctl(libc::SIOCETHTOOL, &mut settings) }.ok()?;
        let megabits = u64::from(settings.speed_high) << 16 | u64::from(settings.speed_low);
        // The kernel reports 2^32-1, or 2^16-1 in old drivers, for an unknown speed.
        let known = ![0, u64::from(u16::MAX), u64::from(u32::MAX)].contains(&megabits);
        known.then_some(Rate::BitsPerSecond(megabits * 1_000_000))
    }

    /// Returns whether a device on a bus is behind it, rather than a program or another interface.
    ///
    /// The driver answers this, because sysfs may show another network namespace, with another
    /// interface of this name.
    #[must_use]
    pub fn is_hardware(&self) -> bool {
        let mut driver = EthtoolDriver {
            command: ETHTOOL_GDRVINFO,
            names: [[0; 32]; 5],
            numbers: [0; 8],
        };
        // SAFETY: the structure is the one that belongs to the command in its first field.
        let told = unsafe { self.ioctl(libc::SIOCETHTOOL, &mut driver) };
        // An address on a bus has a colon or a dash: 0000:01:00.0, usb-0000:00:14.0-1.
        told.is_ok() && driver.names[BUS].iter().any(|c| [b':', b'-'].contains(c))
    }

    /// Returns whether an administrator has set it up (`ip link set IF up`).
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP as u32 != 0
    }

    /// Returns whether it can carry frames, such as over a cable that is connected at both ends.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.flags & libc::IFF_RUNNING as u32 != 0
    }

    /// Returns a warning if the interface merges received frames of a connection into larger ones,
    /// because a capture sees only the larger frames.
    pub(crate) fn merges_frames(&self) -> Option<SourceEvent> {
        let is_set = |command, flag| self.ethtool(command).is_some_and(|v| v & flag != 0);
        let gro = is_set(ETHTOOL_GGRO, 1);
        let lro = is_set(ETHTOOL_GFLAGS, ETH_FLAG_LRO);
        // The loopback interface is exempt: it has no traffic of other hosts.
        let merges = self.hardware == libc::ARPHRD_ETHER && (gro || lro);
        merges.then(|| SourceEvent::FramesMerged {
            interface: InterfaceName::new(&self.name),
            gro,
            lro,
        })
    }

    /// Sends an ethtool command whose answer is a single number; `None` without an answer.
    fn ethtool(&self, command: u32) -> Option<u32> {
        let mut value = EthtoolValue { command, data: 0 };
        // SAFETY: the structure is that of the command in its first field.
        unsafe { self.ioctl(libc::SIOCETHTOOL, &mut value) }.ok()?;
        Some(value.data)
    }

    /// Queries or changes this interface with an ioctl whose data is `data`.
    ///
    /// # Safety
    /// `T` must be the structure that the kernel reads and writes for `number`, and for the command
    /// in `data` if `number` has several commands.
    unsafe fn ioctl<T>(&self, number: libc::c_ulong, data: &mut T) -> std::io::Result<()> {
        // SAFETY: zero is a valid value of every field of an `ifreq`.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last byte stays zero, because the kernel's names are shorter than the field.
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
        // SAFETY: the request points to `data`, which has the structure that the kernel expects for
        // `number`, as the caller promises; both outlive the call.
        match unsafe { libc::ioctl(socket.as_raw_fd(), number as _, &raw mut request) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    /// Returns the link type of its frames, as a LINKTYPE_ value: 1 for Ethernet, 101 for IP.
    ///
    /// # Errors
    /// [`Kind::Format`] for any other hardware, with its name.
    pub fn link_type(&self) -> Result<u32> {
        Ok(self.link()?.link_type)
    }

    /// Returns the properties of its frames.
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
    /// Names of the driver, its version, the firmware, the bus address, and the expansion ROM.
    names: [[u8; 32]; 5],
    numbers: [u32; 8],
}

const _: () = assert!(size_of::<EthtoolDriver>() == 196);

/// Index of the bus address in [`EthtoolDriver::names`].
const BUS: usize = 3;

const ETHTOOL_GSET: u32 = 0x01;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GGRO: u32 = 0x2b;
const ETH_FLAG_LRO: u32 = 1 << 15;

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
