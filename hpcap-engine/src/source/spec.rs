//! `af_packet:eth0`, `pcap:file.pcap,speed=real`, `gen:size=60,rate=10G`: how a source is named
//! on a command line, in a configuration and in the headers of files.

use std::fmt;
use std::str::FromStr;

use hpcap::{Error, Result};

use super::Source;
use super::af_packet::{AfPacket, AfPacketSpec};
use super::generator::{Generator, GeneratorSpec};
use super::pcap::{PcapSource, PcapSpec};

const FORMS: &str = "expected af_packet:INTERFACE, pcap:FILE or gen:, each with options after it, \
                     such as af_packet:eth0, pcap:trace.pcap,speed=real or gen:size=60,rate=10G";

/// The specification of a source, as text: `kind:what,key=value,...`.
///
/// The same text means the same everywhere. [`Display`](fmt::Display) gives it back with
/// nothing but what differs from the defaults, so that it reads back as an equal value.
///
/// Options follow the name with commas. A comma in the name of a file or of an interface is
/// taken as it is, unless lower-case letters and an equals sign follow it; then it is written
/// `\,`. A backslash before a comma or a backslash is written `\\`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// `af_packet:IF`: the frames of a network interface, through the kernel.
    AfPacket(AfPacketSpec),
    /// `pcap:FILE`: the frames of a pcap or pcapng file.
    Pcap(PcapSpec),
    /// `gen:`: made-up frames.
    Generator(GeneratorSpec),
}

impl SourceSpec {
    /// Opens what is specified.
    ///
    /// # Errors
    /// The source's own: unknown interface, no permission, unreadable file, ...
    pub fn open(&self) -> Result<Box<dyn Source>> {
        Ok(match self {
            Self::AfPacket(spec) => Box::new(AfPacket::open(spec)?),
            Self::Pcap(spec) => Box::new(PcapSource::open(spec)?),
            Self::Generator(spec) => Box::new(Generator::new(spec)?),
        })
    }
}

impl FromStr for SourceSpec {
    type Err = Error;

    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), naming the option, what it was and what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("af_packet", rest)) => Ok(Self::AfPacket(AfPacketSpec::parse(rest)?)),
            Some(("pcap", rest)) => Ok(Self::Pcap(PcapSpec::parse(rest)?)),
            Some(("gen", rest)) => Ok(Self::Generator(GeneratorSpec::parse(rest)?)),
            _ => Err(Error::usage(format!("source {text:?}"), FORMS)),
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AfPacket(spec) => spec.fmt(f),
            Self::Pcap(spec) => spec.fmt(f),
            Self::Generator(spec) => spec.fmt(f),
        }
    }
}
