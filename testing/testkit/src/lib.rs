//! Support for the tests of every crate in the workspace.
//!
//! | module | provides |
//! |---|---|
//! | [`thread`] | stopping one thread of another process |
//! | [`wait`] | waiting for a condition, with a time limit |
//! | [`process`] | starting a program, reading its output, ending it |
//! | [`network`] | network namespaces, veth pairs, sockets that send raw frames |
//! | [`tap`] | tap devices, whose other end is the test |
//! | [`machine`] | files of `/proc` and `/sys` of other machines |
//! | [`disk`] | a small file system that a test can fill |
//! | [`frames`] | Ethernet frames that are special on their way through Linux |
//! | [`packets`] | frames of the usual protocols, made header by header |
//! | [`captures`] | the folder of real captures that a developer may provide |
//! | [`pcap`] | classic pcap files, read and written without the code under test |
//! | [`pcapng`] | parts of pcap and pcapng files, in either byte order |
//! | `raw` (feature of that name) | RAW files, made and read back |
//! | `source` (feature of that name) | opening sources, sending frames to them, collecting the frames that they lend |
//!
//! All functions panic where a test should fail. A crate that this crate depends on does not use it in
//! its unit tests: those would see two copies of the crate that they test.

#![expect(clippy::unwrap_used, reason = "test support: a panic is a failed test")]

pub mod captures;
pub mod disk;
pub mod frames;
pub mod machine;
pub mod network;
pub mod packets;
pub mod pcap;
pub mod pcapng;
pub mod process;
#[cfg(feature = "raw")]
pub mod raw;
#[cfg(feature = "source")]
pub mod source;
pub mod tap;
pub mod thread;
pub mod wait;

/// Prints that part of a test was skipped, and why. `make test` collects these lines.
pub fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Returns whether this process runs as root; reports that `what_for` is skipped if it does not.
#[must_use]
pub fn is_root_or_skips(what_for: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip(&format!("{what_for} needs root"));
    }
    root
}
