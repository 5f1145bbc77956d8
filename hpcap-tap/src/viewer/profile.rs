//! Properties of a viewer, and why it ends.

use hpcap::compress::FileFormat;
use hpcap::raw::FileHeader;
use hpcap::{Error, Ledger};

use crate::side::{QueueSide, Side};

/// Properties of a viewer.
#[derive(Debug)]
pub struct Profile {
    /// Its name in messages: a path or an address.
    pub name: String,
    /// Format of its output.
    pub format: FileFormat,
    /// The side of the frames that it gets.
    pub side: Side,
    /// Bytes kept of each frame; 0 = whole frames.
    pub caplen: u32,
    /// A comment on the output, where the format has a place for it.
    pub comment: String,
}

/// A queue of a new viewer.
#[derive(Debug)]
pub struct NewSource {
    /// Number of the queue in the session.
    pub tap: usize,
    /// Description of the queue.
    pub header: FileHeader,
    /// The present ledger.
    pub ledger: Ledger,
    /// Which frames the source of the queue sees: received ones, sent ones or both.
    pub side: QueueSide,
}

/// Why a viewer gets nothing more.
#[derive(Debug)]
pub enum Ending {
    /// The tap ends.
    Closed,
    /// The reader has gone.
    Left,
    /// The output cannot be written.
    Failed(Error),
}
