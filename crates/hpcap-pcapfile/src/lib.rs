//! Reads and writes pcap and pcapng files.
//!
//! [`Reader`] reads both formats, in both byte orders and with all resolutions of time. From a
//! damaged file it returns the frames before the damage, and then an error. [`PcapWriter`] and
//! [`PcapngWriter`] write files with nanoseconds that Wireshark and tcpdump read. pcapng also holds
//! the queue of each frame, the number and position of lost frames ([`Gap`](hpcap_raw::Gap)), and
//! statistics.
//!
//! Programs use this crate as `hpcap::pcapfile`.

#![warn(clippy::cast_possible_truncation)]

mod clock;
mod describe;
pub mod identity;
mod input;
mod pcap;
mod pcap_writer;
mod pcapng;
mod pcapng_writer;
mod reader;

pub use hpcap_base::LINK_TYPE_ETHERNET;

pub use describe::{Interface, Section, Statistics};
pub use pcap_writer::{PcapWriter, Precision};
pub use pcapng_writer::{InterfaceId, PcapngWriter};
pub use reader::{FileReader, Format, Frame, Reader};

/// Largest captured length of a frame in bytes; a larger one is damage. libpcap and Wireshark have
/// the same limit for frames of a network.
pub const FRAME_BYTES_MAX: u32 = 262_144;
