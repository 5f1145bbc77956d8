//! Reads and writes pcap and pcapng files.
//!
//! [`Reader`] reads both formats, in both byte orders and with all resolutions of time. From a
//! damaged file it returns the frames before the damage, and then an error. [`PcapWriter`] and
//! [`PcapngWriter`] write files with nanoseconds that Wireshark and tcpdump read. pcapng also holds
//! the queue of each frame, the number and position of lost frames ([`Gap`](hpcap_raw::Gap)), and
//! statistics.
//!
//! Programs use this crate as `hpcap::pcapfile`.
//!
//! Lengths are in bytes, times in nanoseconds since 1970. A frame of more than [`FRAME_BYTES_MAX`]
//! captured bytes is damage.
//!
//! ```
//! use hpcap_pcapfile::{LINK_TYPE_ETHERNET, PcapWriter, Precision, Reader};
//! use hpcap_base::Timestamp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let snaplen = 65_535;
//! let mut writer =
//!     PcapWriter::new(Vec::new(), LINK_TYPE_ETHERNET, snaplen, Precision::Nanoseconds);
//! writer.frame(Timestamp::new(1_700_000_000, 1), 1514, &[0xab; 60])?;
//! let file = writer.into_inner()?;
//!
//! let mut reader = Reader::new(&file[..], "example.pcap")?;
//! let frame = reader.next()?.expect("one frame");
//! assert_eq!((frame.len, frame.data.len()), (1514, 60));
//! assert!(reader.next()?.is_none());
//! # Ok(())
//! # }
//! ```

#![warn(clippy::cast_possible_truncation)]

mod capture_writer;
mod clock;
mod describe;
mod direction;
pub mod identity;
mod input;
mod marks;
mod pcap;
mod pcap_writer;
mod pcapng;
mod pcapng_block;
mod pcapng_writer;
mod reader;

pub use hpcap_base::LINK_TYPE_ETHERNET;

pub use capture_writer::{CaptureWriter, closing};
pub use describe::{Interface, Section, Statistics};
pub use direction::Direction;
pub use marks::Marks;
pub use pcap_writer::{PcapWriter, Precision};
pub use pcapng_writer::{InterfaceId, PcapngWriter};
pub use reader::{FileReader, Format, Frame, Reader};

/// Largest captured length of a frame in bytes; a larger one is damage. libpcap and Wireshark have
/// the same limit for frames of a network.
pub const FRAME_BYTES_MAX: u32 = 262_144;
