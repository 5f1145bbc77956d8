//! `hpcap-bench verify`: whether every generated frame of a queue or of files is there, whole,
//! once and in order.
//!
//! The generator's frames carry their number and a content that follows from it, so that a
//! reader needs nothing but the stream to judge it. Missing numbers are compared with what the
//! gap records and the ledger say: a frame that is lost without a word is what this looks for.

mod files;
mod findings;
mod judge;
mod queue;
mod sequence;

pub use files::verify_files;
pub use findings::Findings;
pub use queue::{Listening, parse_contract, parse_start, verify_queue};
