//! Reading and writing pcap and pcapng files.
//!
//! [`Reader`] takes either, in both byte orders and all resolutions; it gives the frames
//! before any damage and then a clear error. [`PcapWriter`] and [`PcapngWriter`] write what
//! Wireshark and tcpdump read, with nanoseconds; pcapng also has the queue, what was lost and
//! where ([`Gap`](crate::raw::Gap)), and statistics.

mod clock;
mod describe;
pub mod identity;
mod input;
mod pcap;
mod pcap_writer;
mod pcapng;
mod pcapng_writer;
mod reader;

pub use describe::{Interface, Section, Statistics};
pub use pcap_writer::{PcapWriter, Precision};
pub use pcapng_writer::{InterfaceId, PcapngWriter};
pub use reader::{FileReader, Format, Frame, Reader};

/// The longest frame that a file may have, in bytes: more is damage. It is what libpcap and
/// Wireshark allow for a network's frames.
pub const FRAME_BYTES_MAX: u32 = 262_144;

/// LINKTYPE_ETHERNET.
pub const LINK_TYPE_ETHERNET: u32 = 1;
