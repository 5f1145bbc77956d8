//! Capture every frame of a fast link, share the stream, store it, account for the rest.
//!
//! A *queue* is a stream of RAW records in a ring of shared memory, made by one producer
//! (the kernel module or `hpcapd`) and read by up to 32 *listeners*. This crate is what a
//! listener and every tool stands on:
//!
//! | module | is |
//! |---|---|
//! | [`abi`] | the shared memory, field by field (`kmod/include/uapi/hpcap.h`) |
//! | [`queue`] | opening a queue by name; its ledger and its listeners |
//! | [`stream`] | the events of a queue one after another: the API to start with |
//! | [`listener`] | attaching, reading records and blocks, acknowledging, waiting |
//! | [`raw`] | the RAW format: reader, writer, checker, repairer, block index, file names |
//! | [`pcapfile`] | reading and writing pcap and pcapng files |
//! | [`compress`] | formats of files and their endings; gzip and Zstandard |
//! | [`filter`] | filters in tcpdump's syntax |
//! | [`ledger`] | why frames are missing, and how many |
//! | [`loss`] | telling that frames are lost: when it begins, while it goes on, when it ends |
//! | [`message`] | what long-running programs tell, without ever waiting for whoever reads it |
//! | [`pages`] | hugepages and ordinary pages for a ring |
//! | [`content`] | what a file is, by its first bytes |
//! | [`patience`] | waits that give way |
//! | [`report`] | the state of queues as data, which text and JSON render |
//! | [`units`] | sizes, rates and durations as people write them |
//! | [`visible`](mod@visible) | text of others, made safe to print |

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("hpcap's shared memory and files are defined for 64-bit little-endian machines");

pub mod cgroup;
pub mod compress;
pub mod content;
pub mod dedup;
pub mod error;
pub mod filter;
pub mod ledger;
pub mod listener;
pub mod loss;
pub mod memory;
pub mod message;
pub mod name;
pub mod pages;
pub mod patience;
pub mod pcapfile;
pub mod privilege;
pub mod queue;
pub mod raw;
pub mod report;
pub mod stream;
pub mod time;
pub mod units;
pub mod visible;
mod window;

pub use hpcap_sys::abi;

pub use error::{Error, Kind, Result};
pub use ledger::{Count, Ledger, Reason};
pub use listener::{Contract, Listener, Request, Start, Waited};
pub use name::QueueName;
pub use queue::{ListenerInfo, Queue};
pub use stream::{Event, Missed, Stream};
pub use time::Timestamp;
pub use visible::visible;
