//! The tools `raw2pcap`, which converts RAW files to pcap and pcapng, and `checkraw`, which checks
//! and repairs RAW files.
//!
//! The format, its reader, checker and repairer are in [`hpcap::raw`]; this crate has the command
//! lines, the conversion and the reports.

#![warn(clippy::cast_possible_truncation)]

pub mod checkraw;
pub mod convert;
pub mod inputs;
mod progress;
