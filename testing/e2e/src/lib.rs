//! Support code of the end-to-end tests: the built programs, each in a folder of its own with its
//! own sockets; private networks; captures, and the output that is expected from them.
//!
//! | module | contents |
//! |---|---|
//! | [`lab`] | a folder for files and sockets, and the programs that run in it |
//! | [`producer`] | the producer of a queue: [`daemon`] (`hpcapd` in a lab) or [`module`] (the kernel module) |
//! | [`kernel_memory`] | detection of kernel memory that is lost when an operation is repeated |
//! | [`at_work`] | every program while it works, for tests of signals |
//! | [`monitor`] | a running `hpcap-monitor` |
//! | [`tracing`] | traces of known frames with `hpcap-diag trace` |
//! | [`terminal`] | terminals that go away |
//! | [`network`] | a network namespace and a pair of interfaces |
//! | [`attack`] | the duration of an attack |
//! | [`captures`] | the captures to test with |
//! | [`recording`] | the content of the RAW files of a recording |
//! | [`peers`] | tcpdump and tshark, as independent readers of hpcap's files |
//! | [`device_fuzz`] | random system calls on device nodes |
//! | [`random`] | random numbers that are the same in every run |
//! | [`vm`] | a virtual machine with the kernel module, software NICs and traffic |
//!
//! Every function here panics where a test should fail.

#![expect(clippy::unwrap_used, reason = "test support: a panic is a failed test")]

pub mod at_work;
pub mod attack;
pub mod captures;
pub mod daemon;
pub mod device_fuzz;
pub mod kernel_memory;
pub mod lab;
pub mod module;
pub mod monitor;
pub mod network;
pub mod peers;
pub mod producer;
pub mod random;
pub mod recording;
pub mod screen;
pub mod terminal;
pub mod tracing;
pub mod vm;
