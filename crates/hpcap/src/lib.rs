//! Captures every frame of a fast link, shares the stream, stores it, and accounts for every frame
//! that is not in it.
//!
//! A *queue* is a stream of RAW records in a ring of shared memory. One producer (the kernel module
//! or `hpcapd`) writes it, and up to 32 *listeners* read it. Every listener and every tool is built
//! on this crate:
//!
//! | module | content |
//! |---|---|
//! | [`abi`] | the layout of the shared memory (`kmod/include/uapi/hpcap.h`) |
//! | [`queue`] | opens a queue by name; its ledger and its listeners |
//! | [`stream`] | the events of a queue one after another: the API to start with |
//! | [`listener`] | attaches, reads records and blocks, acknowledges, waits |
//! | [`raw`] | the RAW format: reader, writer, checker, repairer, block index, file names |
//! | [`pcapfile`] | reads and writes pcap and pcapng files |
//! | [`compress`] | formats of files and their endings; gzip and Zstandard |
//! | `filter` | filters in tcpdump's syntax (feature `filter`, which needs libpcap) |
//! | [`ledger`] | counts of frames by what became of them |
//! | [`counters`] | the table of all counters: names, units, meanings; differences and rates |
//! | [`loss`] | reports when frames begin to be lost, while that continues, and when it ends |
//! | [`message`] | messages of long-running programs, which never wait for their reader |
//! | [`cancellable`] | waits that a program can cancel |
//! | [`content`] | detects the format of a file from its first bytes |
//! | [`report`] | the state of queues as data, which text and JSON render |
//! | [`units`] | sizes, rates and durations as people write them |
//! | [`visible`](mod@visible) | makes text from other sources safe to print |
//!
//! # A first program
//!
//! It counts the frames of a recording, and those that are missing in it. With `Queue::open("hpcap0")?.follow("count")?`
//! in place of [`Stream::open`], the same loop counts the frames of a running queue.
//!
//! ```
//! use hpcap::{Event, Stream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("noon.raw");
//! # let mut writer = hpcap::raw::Writer::new(std::fs::File::create(&path)?);
//! # writer.frame(1_700_000_000, 0, 60, &[0xab; 60])?;
//! # writer.close(4096)?;
//! let mut stream = Stream::open(&path)?;
//! let (mut frames, mut missed) = (0, 0);
//! while let Some(event) = stream.next()? {
//!     match event {
//!         Event::Frame(_) => frames += 1,
//!         Event::Missed(gap) => missed += gap.frames(),
//!         _ => {}
//!     }
//! }
//! println!("{frames} frames, {missed} missed");
//! # assert_eq!((frames, missed), (1, 0));
//! # Ok(())
//! # }
//! ```

#![warn(clippy::cast_possible_truncation)]

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("hpcap's shared memory and files are defined for 64-bit little-endian machines");

pub mod cancellable;
pub mod counters;
pub mod dedup;
#[cfg(feature = "filter")]
pub mod filter;
pub mod listener;
pub mod loss;
pub mod message;
pub mod privilege;
pub mod queue;
pub mod report;
pub mod stream;

pub use hpcap_base::{
    address, compress, error, free_space, ledger, name, nic, output_file, pipe, prompt_writer,
    time, units, visible,
};
#[doc(inline)]
pub use hpcap_pcapfile as pcapfile;
#[doc(inline)]
pub use hpcap_raw as raw;
pub use hpcap_raw::content;
pub use hpcap_sys::abi;

pub use error::{Error, Kind, Result};
pub use ledger::{Count, Ledger, Reason};
pub use listener::{Contract, Listener, Request, Start, Waited};
pub use name::QueueName;
pub use queue::{ListenerInfo, Queue};
pub use stream::{Event, Frame, Missed, Stream};
pub use time::Timestamp;
