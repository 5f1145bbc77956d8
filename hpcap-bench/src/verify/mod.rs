//! `hpcap-bench verify`: checks that every generated frame of a queue or of files is present,
//! whole, once and in order.
//!
//! The generator's frames carry their number and a content that follows from it, so that a reader
//! can judge the stream without other information. Missing numbers are compared with the gap
//! records and the ledger, because the purpose is to find frames that are lost without a report.

mod capture_file;
mod files;
mod findings;
mod judge;
mod queue;
mod sequence;
mod spread;

pub use capture_file::verify_capture;
pub use files::verify_files;
pub use findings::Findings;
pub use queue::{ACK_BYTES, Listening, parse_contract, parse_start, verify_queue};
pub use spread::{Spread, Summary};
