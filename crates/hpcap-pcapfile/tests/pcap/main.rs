//! Tests of reading and writing pcap and pcapng.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod captures;
mod read;
mod reader;
mod tools;
mod writer;
