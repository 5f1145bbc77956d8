//! How a program and the producer of a queue meet.
//!
//! A program that wants frames connects to a producer: to `hpcapd` or an engine over a UNIX socket,
//! or to the kernel module over a char device. It sends one request (observe, attach, kill) and gets
//! one answer. With the answer comes access to shared memory: the queue page, and for a listener the
//! ring and its slot. From then on both sides read and write that memory, and the connection only
//! says whether the other side still lives.
//!
//! Both sides use this crate: `hpcap` to ask, `hpcap-engine` to answer. It knows the messages and how
//! to map memory, but not what is in the memory; `hpcap::queue` and `hpcap::listener` know that.
//! Programs that read queues use [`hpcap`](../hpcap/index.html) and need nothing from here.
//!
//! ```
//! use std::path::Path;
//!
//! use hpcap_base::QueueName;
//! use hpcap_ipc::connection::socket_path;
//! use hpcap_ipc::device::{device_path, queue_of};
//!
//! // The first queue of the first interface, at a daemon and at the kernel module.
//! let queue = QueueName::new(0, 0);
//! assert_eq!(socket_path(Path::new("/run/hpcap"), queue), Path::new("/run/hpcap/hpcap0.sock"));
//! assert_eq!(device_path(Path::new("/dev"), queue), Path::new("/dev/hpcap_0_0"));
//! assert_eq!(queue_of("hpcap_0_0"), Some(queue));
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`connection`] | a connection to a producer of any kind; where sockets are searched |
//! | [`socket`] | messages over a UNIX socket, for both sides |
//! | [`device`] | requests to the kernel module |
//! | [`folder`] | folders of sockets, and whom they allow to trust |
//! | [`shared`] | the memory that an answer gives access to |
//! | [`wakeup`] | what becomes readable when the producer wakes a listener |
//! | [`memory`] | maps shared memory, and a ring twice in a row |

#![warn(clippy::cast_possible_truncation)]

pub mod connection;
mod descriptors;
pub mod device;
pub mod folder;
pub mod memory;
pub mod shared;
pub mod socket;
pub mod wakeup;
