//! pcap and pcapng: read whatever there is, write what everybody reads.

mod captures;
mod made;
mod reader;
mod tools;
mod writer;
