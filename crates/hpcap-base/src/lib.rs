//! The words that all crates of hpcap share.
//!
//! The RAW format, the capture files and the client library name the same things: a time in
//! nanoseconds, a queue, a number of bytes as people write it, what became of a frame, an error that
//! says what to do. This crate defines each of them once, together with the two mechanisms that
//! readers and writers of both kinds of files use: a window of bounded size on the bytes of a
//! source, and a buffered writer that loses nothing when a write fails. It knows no format.
//!
//! Programs use this crate through [`hpcap`](../hpcap/index.html), which re-exports its modules.
//!
//! | module | content |
//! |---|---|
//! | [`address`] | addresses of PCI devices, interfaces and hosts |
//! | [`error`] | errors: what was tried, on what, why it failed and what to do |
//! | [`free_space`] | how much of a disk stays free |
//! | [`ledger`] | counts of frames by what became of them |
//! | [`name`] | names of queues |
//! | [`nic`] | the counters of network interfaces |
//! | [`output_file`] | files that are created or replaced, but not what another user has put there |
//! | [`prompt_writer`] | writes to pipes, sockets and terminals without waiting for their readers |
//! | [`time`] | times with nanoseconds, and how people write them |
//! | [`units`] | sizes, rates and durations as people write them |
//! | [`pipe`] | writes to a pipe whose reader may pause, without blocking |
//! | [`visible`](mod@visible) | makes text from other sources safe to print |
//! | [`compress`] | formats of files and their endings; gzip and Zstandard |
//! | [`window`] | reads the bytes of a source in large pieces |
//! | [`sink`] | writes bytes in large pieces, and can repeat a write that failed |
//!
//! ```
//! use hpcap_base::{Count, Ledger, QueueName, Reason, Timestamp};
//!
//! let mut ledger = Ledger::default();
//! ledger[Reason::Captured] = Count::new(99, 9_900);
//! ledger[Reason::RingFull] = Count::new(1, 100);
//! assert_eq!((ledger.on_the_wire().frames, ledger.lost().frames), (100, 1));
//!
//! let queue: QueueName = "hpcap0:1".parse()?;
//! assert_eq!((queue.adapter, queue.queue), (0, 1));
//! assert!(Timestamp::new(1_700_000_000, 5) < Timestamp::new(1_700_000_000, 6));
//! # Ok::<(), hpcap_base::Error>(())
//! ```

#![warn(clippy::cast_possible_truncation)]

pub mod address;
pub mod compress;
pub mod error;
pub mod free_space;
pub mod ledger;
pub mod name;
pub mod nic;
pub mod output_file;
pub mod pipe;
pub mod prompt_writer;
pub mod sink;
pub mod time;
pub mod units;
pub mod visible;
pub mod window;

/// LINKTYPE_ value of Ethernet frames, which a recording contains unless it names another type.
pub const LINK_TYPE_ETHERNET: u32 = 1;

pub use error::{Error, Kind, Result};
pub use ledger::{Count, Ledger, Reason};
pub use name::QueueName;
pub use time::Timestamp;
pub use visible::visible;
