//! RAW files to pcap and pcapng (`raw2pcap`), and whether RAW files are sound (`checkraw`).
//!
//! The format itself, its reader, checker and repairer are in [`hpcap::raw`]; here is what
//! the two tools make of them.

pub mod checkraw;
pub mod convert;
pub mod inputs;
mod progress;
