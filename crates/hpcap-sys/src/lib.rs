//! The shared memory of hpcap in Rust, and the producer of `kmod/core/` compiled for userspace.
//!
//! | module | content |
//! |---|---|
//! | [`abi`] | the structures and constants of `kmod/include/uapi/hpcap.h` |
//! | [`ioctl`] | the calls of a queue's char device |
//! | [`filter`] | the instructions of a filter; with feature `core`, the checker and the interpreter |
//! | `ring` | the producer, `kmod/core/ring.h` (feature `core`) |
//! | `dedup` | the duplicate filter, `kmod/core/dedup.h` (feature `core`) |
//! | `pipeline` | the stages of a batch before the ring, `kmod/core/pipeline.h` (feature `core`) |
//! | `spread` | the times of frames that no clock has stamped, `kmod/core/spread.h` (feature `core`) |
//! | `advrx` | harvests descriptors of an 82599, `kmod/core/advrx.h` (feature `core`) |
//!
//! All functions of C are declared in this crate and in no other. Its types wrap them so that a
//! caller needs `unsafe` only for memory that Rust cannot check. `tests/abi.rs` compares the layout
//! of every structure that both languages use.
//!
//! ```
//! use hpcap_sys::abi::{HPCAP_RECORD_BYTES, hpcap_record};
//!
//! // The header of a record in the ring and in a RAW file.
//! let header = hpcap_record { sec: 1_700_000_000, nsec: 5, caplen: 60, len: 1514 };
//! assert_eq!(header.as_bytes().len(), HPCAP_RECORD_BYTES);
//! assert_eq!(hpcap_record::from_bytes(header.as_bytes()).unwrap().len, 1514);
//! assert!(!header.is_padding());
//! ```

#![warn(clippy::cast_possible_truncation)]

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("hpcap's shared memory and files are defined for 64-bit little-endian machines");

pub mod abi;
#[cfg(feature = "core")]
pub mod advrx;
mod count;
#[cfg(feature = "core")]
pub mod dedup;
pub mod filter;
mod frame;
pub mod ioctl;
#[cfg(feature = "core")]
pub mod pipeline;
#[cfg(feature = "core")]
pub mod ring;
#[cfg(feature = "core")]
pub mod spread;

pub use count::Count;
pub use frame::{BATCH, Frame};
