//! pcap and pcapng: read whatever there is, write what everybody reads.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod captures;
mod made;
mod reader;
mod tools;
mod writer;
