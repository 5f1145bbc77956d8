//! `auto:IF`: the frames that a network interface receives, through AF_XDP where that takes nothing
//! away from anybody, and through AF_PACKET everywhere else.
//!
//! ```
//! use hpcap_source::SourceSpec;
//! use hpcap_source::auto::AutoSpec;
//!
//! let spec = SourceSpec::Auto(AutoSpec::new("eth0"));
//! assert_eq!(spec.to_string(), "auto:eth0");
//! assert_eq!("auto:eth0".parse::<SourceSpec>().unwrap(), spec);
//! ```

use std::fmt;
use std::time::Duration;

use hpcap::{Kind, Result};
use hpcap_host::Interface;
use nix::errno::Errno;

use super::af_packet::{AfPacket, AfPacketSpec, Direction};
use super::af_xdp::{AfXdp, AfXdpSpec, Mode};
use super::options::{Options, escaped};
use super::{Description, Harvest, InterfaceName, Source, SourceEvent};

const FORM: &str = "auto:IF";

/// A capture of a network interface in the best way that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoSpec {
    /// The name of the interface.
    pub interface: String,
    /// `promisc=on|off`: whether to capture frames for other hosts, too; on by default.
    pub promiscuous: bool,
}

impl AutoSpec {
    /// Returns a capture of `interface` with the default options.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            promiscuous: true,
        }
    }

    /// Parses the text after `auto:`.
    ///
    /// # Errors
    /// [`Kind::Usage`], with the key, its value and the values that are allowed.
    pub fn parse(text: &str) -> Result<Self> {
        let (interface, mut o) = Options::split(FORM, text)?;
        o.require_interface(&interface)?;
        let mut spec = Self::new(interface);
        if let Some(on) = o.take_switch("promisc")? {
            spec.promiscuous = on;
        }
        o.finish(&["promisc"])?;
        Ok(spec)
    }
}

impl fmt::Display for AutoSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "auto:{}", escaped(&self.interface))?;
        if !self.promiscuous {
            f.write_str(",promisc=off")?;
        }
        Ok(())
    }
}

/// Why AF_XDP was not chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declined {
    /// It captures one interface, and all of them are wanted.
    Any,
    /// The frames of the interface are not Ethernet.
    NotEthernet,
    /// The interface takes VLAN tags out of frames, and only AF_PACKET can put them back.
    TagsStripped,
    /// This machine uses the interface itself, or another XDP program is attached to it.
    InUse,
    /// This process has not all the capabilities that it takes.
    Permission,
    /// This process may not have the memory that it takes.
    Memory,
    /// The driver or the kernel cannot; the error number, or 0.
    Unable(i32),
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("AF_XDP captures one interface only"),
            Self::NotEthernet => f.write_str("its frames are not Ethernet"),
            Self::TagsStripped => {
                f.write_str("it takes VLAN tags out of frames (ethtool -K IF rxvlan off)")
            }
            Self::InUse => {
                f.write_str("this machine uses it, or it has an XDP program (af_xdp:IF says which)")
            }
            Self::Permission => f.write_str("AF_XDP takes CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF"),
            Self::Memory => {
                f.write_str("AF_XDP takes more memory than is there or may be locked (ulimit -l)")
            }
            Self::Unable(0) => {
                f.write_str("AF_XDP does not work in its driver (af_xdp:IF,mode=native says why)")
            }
            Self::Unable(errno) => {
                write!(
                    f,
                    "AF_XDP does not work on it: {}",
                    Errno::from_raw(*errno).desc()
                )
            }
        }
    }
}

/// The source that was chosen, and the event that says so.
struct Chosen {
    source: Box<dyn Source>,
    event: Option<SourceEvent>,
}

/// Opens the interface of `spec` in the best way that works. A frame may wait for `delay`, where the kernel can let it wait.
///
/// # Errors
/// The errors of [`AfPacket::open`].
pub(crate) fn open(spec: &AutoSpec, delay: Duration) -> Result<Box<dyn Source>> {
    let interface = Interface::required(&spec.interface)?;
    let (source, declined): (Box<dyn Source>, _) = match open_af_xdp(spec, &interface) {
        Ok(source) => (Box::new(source), None),
        Err(declined) => {
            let mut af_packet = AfPacketSpec::new(&spec.interface);
            af_packet.promiscuous = spec.promiscuous;
            af_packet.direction = Direction::In;
            af_packet.delay = Some(delay);
            (Box::new(AfPacket::open(&af_packet)?), Some(declined))
        }
    };
    let event = SourceEvent::Chosen {
        interface: InterfaceName::new(&interface.name),
        declined,
    };
    Ok(Box::new(Chosen {
        source,
        event: Some(event),
    }))
}

/// Opens the interface through AF_XDP, unless that harms somebody or is no better.
fn open_af_xdp(spec: &AutoSpec, interface: &Interface) -> std::result::Result<AfXdp, Declined> {
    if interface.is_any() {
        return Err(Declined::Any);
    }
    if interface.offloads().strips_vlan {
        return Err(Declined::TagsStripped);
    }
    let mut af_xdp = AfXdpSpec::new(&spec.interface);
    af_xdp.promiscuous = spec.promiscuous;
    // Generic mode is no faster than AF_PACKET.
    af_xdp.mode = Mode::Native;
    AfXdp::open(&af_xdp).map_err(|e| match e.kind() {
        Kind::Permission => Declined::Permission,
        Kind::Busy => Declined::InUse,
        Kind::Format => Declined::NotEthernet,
        Kind::Full => Declined::Memory,
        _ => Declined::Unable(e.os_error().unwrap_or(0)),
    })
}

impl Source for Chosen {
    fn description(&self) -> Description {
        self.source.description()
    }

    fn harvest(&mut self) -> Result<Harvest<'_>> {
        self.source.harvest()
    }

    fn wait(&mut self, timeout: Duration) -> Result<()> {
        self.source.wait(timeout)
    }

    fn close(&mut self) -> Result<bool> {
        self.source.close()
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.event.take().or_else(|| self.source.next_event())
    }
}
