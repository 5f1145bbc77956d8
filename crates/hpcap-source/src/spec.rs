//! The specification of a source, such as `af_packet:eth0`, `pcap:file.pcap,speed=real` or
//! `gen:size=60,rate=10G`, as it is written on command lines, in configurations and in the headers
//! of files.
//!
//! ```
//! use hpcap::Kind;
//! use hpcap_source::SourceSpec;
//!
//! # fn main() -> hpcap::Result<()> {
//! let spec: SourceSpec = "af_packet:eth0,promisc=off".parse()?;
//! assert_eq!(spec.interface(), Some("eth0"));
//! assert_eq!(spec.to_string(), "af_packet:eth0,promisc=off");
//!
//! // An error names the key, its value, and what is allowed.
//! let error = "af_packet:eth0,promisc=maybe".parse::<SourceSpec>().unwrap_err();
//! assert_eq!(error.kind(), Kind::Usage);
//! assert!(error.to_string().contains("promisc"));
//! # Ok(())
//! # }
//! ```

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hpcap::units::Rate;
use hpcap::{Error, Result};

use super::af_packet::{AfPacket, AfPacketSpec};
use super::af_xdp::{AfXdp, AfXdpSpec};
use super::auto::{self, AutoSpec};
use super::generator::{Generator, GeneratorSpec};
use super::options;
use super::pcap::{PcapSource, PcapSpec};
use super::{DELAY, Source};
use hpcap_host::Interface;

const FORMS: &str = "expected af_packet:INTERFACE, af_xdp:INTERFACE, auto:INTERFACE, pcap:FILE or gen:, \
                     each with options after it, such as af_packet:eth0, pcap:trace.pcap,speed=real or gen:size=60,rate=10G";

/// The specification of a source, which is written as `kind:name,key=value,...`.
///
/// The same text means the same everywhere. [`Display`](fmt::Display) writes only the options that
/// differ from the defaults, and its text parses as an equal value.
///
/// Commas separate the options from the name and from each other. A comma in the name of a file or
/// of an interface stands for itself, unless lower-case letters and an equals sign follow it; then
/// it is written `\,`. A backslash before a comma or a backslash is written `\\`. A byte of the name
/// of a file that is not UTF-8 is written `\xff`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// `af_packet:IF`: the frames of a network interface, through the kernel.
    AfPacket(AfPacketSpec),
    /// `af_xdp:IF`: the frames that a network interface receives, before the network stack.
    AfXdp(AfXdpSpec),
    /// `auto:IF`: the frames that a network interface receives, in the best way that works.
    Auto(AutoSpec),
    /// `pcap:FILE`: the frames of a pcap or pcapng file.
    Pcap(PcapSpec),
    /// `gen:`: generated frames.
    Generator(GeneratorSpec),
}

impl SourceSpec {
    /// Returns a word of a command line as the text of a specification: a byte that is not UTF-8
    /// becomes `\xff`.
    #[must_use]
    pub fn text_of(word: &OsStr) -> Cow<'_, str> {
        options::specification_text(word)
    }

    /// Opens the source.
    ///
    /// # Errors
    /// The error of the source, such as an unknown interface, a missing permission or an unreadable
    /// file.
    pub fn open(&self) -> Result<Box<dyn Source>> {
        self.open_with_delay(DELAY)
    }

    /// Opens the source as [`SourceSpec::open`] does. A source that can wait for more frames before it wakes its reader may let a
    /// frame wait for `delay`, unless its own option says something else. AF_XDP cannot.
    ///
    /// # Errors
    /// The errors of [`SourceSpec::open`].
    pub fn open_with_delay(&self, delay: Duration) -> Result<Box<dyn Source>> {
        Ok(match self {
            Self::AfPacket(spec) => {
                let delay = spec.delay.or(Some(delay));
                let spec = AfPacketSpec {
                    delay,
                    ..spec.clone()
                };
                Box::new(AfPacket::open(&spec)?)
            }
            Self::AfXdp(spec) => Box::new(AfXdp::open(spec)?),
            Self::Auto(spec) => auto::open(spec, delay)?,
            Self::Pcap(spec) => Box::new(PcapSource::open(spec)?),
            Self::Generator(spec) => Box::new(Generator::new(spec)?),
        })
    }
}

impl SourceSpec {
    /// Returns the name of the interface that is captured; `None` for a file or generated frames.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::AfPacket(spec) => Some(&spec.interface),
            Self::AfXdp(spec) => Some(&spec.interface),
            Self::Auto(spec) => Some(&spec.interface),
            Self::Pcap(_) | Self::Generator(_) => None,
        }
    }

    /// Returns whether the source waits while the ring is full (a file at full speed, a generator
    /// without a rate), instead of losing frames as a network does.
    #[must_use]
    pub fn waits(&self) -> bool {
        match self {
            Self::AfPacket(_) | Self::AfXdp(_) | Self::Auto(_) => false,
            Self::Pcap(spec) => spec.waits(),
            Self::Generator(spec) => spec.waits(),
        }
    }
}

/// Slowest link, in bits per second, for which hugepages help. Ordinary pages suffice for slower
/// links.
const HUGEPAGES_HELP_FROM: u64 = 10_000_000_000;

impl SourceSpec {
    /// Returns whether hugepages under the ring help, which is so on fast links of real hardware.
    #[must_use]
    pub fn gains_from_hugepages(&self) -> bool {
        let Some(interface) = self.interface() else {
            return false;
        };
        let Ok(Some(interface)) = Interface::by_name(interface) else {
            return false;
        };
        let speed = interface.link_speed();
        let fast = matches!(speed, Some(Rate::BitsPerSecond(n)) if n >= HUGEPAGES_HELP_FROM);
        fast && interface.is_hardware()
    }
}

impl FromStr for SourceSpec {
    type Err = Error;

    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), with the option, its value and the values that are
    /// allowed.
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("af_packet", rest)) => Ok(Self::AfPacket(AfPacketSpec::parse(rest)?)),
            Some(("af_xdp", rest)) => Ok(Self::AfXdp(AfXdpSpec::parse(rest)?)),
            Some(("auto", rest)) => Ok(Self::Auto(AutoSpec::parse(rest)?)),
            Some(("pcap", rest)) => Ok(Self::Pcap(PcapSpec::parse(rest)?)),
            Some(("gen", rest)) => Ok(Self::Generator(GeneratorSpec::parse(rest)?)),
            _ => {
                let error = Error::usage(format!("source {text:?}"), FORMS);
                Err(match meant(text) {
                    Some(advice) => error.advise(advice),
                    None => error,
                })
            }
        }
    }
}

/// Advice for a user who wrote only the name of an interface or of a file.
fn meant(text: &str) -> Option<String> {
    let name = text.split(',').next().unwrap_or(text);
    if matches!(Interface::by_name(name), Ok(Some(_))) {
        return Some(format!(
            "{name} is a network interface: -i {text}, or af_packet:{text}"
        ));
    }
    let is_file = std::path::Path::new(text).is_file();
    is_file.then(|| format!("{text} is a file: pcap:{text}"))
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AfPacket(spec) => spec.fmt(f),
            Self::AfXdp(spec) => spec.fmt(f),
            Self::Auto(spec) => spec.fmt(f),
            Self::Pcap(spec) => spec.fmt(f),
            Self::Generator(spec) => spec.fmt(f),
        }
    }
}
