//! What the tests of the programs share: the built programs, each in a folder of its own with
//! its own sockets; networks that nobody else sees; captures, and what should come out of them.
//!
//! | module | is |
//! |---|---|
//! | [`lab`] | a folder for files and sockets, and the programs in it |
//! | [`producer`] | who fills a queue: [`daemon`], `hpcapd` in a lab, or [`module`], the kernel module |
//! | [`kernel_memory`] | whether the kernel has less memory after something was done many times |
//! | [`network`] | a network namespace and a pair of interfaces |
//! | [`attack`] | how long an attack goes on |
//! | [`captures`] | the captures to test with |
//! | [`recording`] | what is in the RAW files of a recording |
//! | [`peers`] | tcpdump and tshark, as readers of what we write |
//! | [`device_fuzz`] | system calls with anything in them, on device nodes |
//! | [`random`] | numbers that are the same in every run |
//! | [`vm`] | a virtual machine with the kernel module, software NICs and traffic |
//!
//! Everything here panics where a test should fail.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "test support: a panic is a failed test"
)]

pub mod attack;
pub mod captures;
pub mod daemon;
pub mod device_fuzz;
pub mod kernel_memory;
pub mod lab;
pub mod module;
pub mod network;
pub mod peers;
pub mod producer;
pub mod random;
pub mod recording;
pub mod vm;
