//! Tests of reading and writing pcap and pcapng.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod captures;
mod made;
mod reader;
mod tools;
mod writer;
