//! Destinations of a recording, and what all of them have in common.

pub mod block;
pub mod file_header;
pub mod null;
pub mod record;
pub mod several;
pub mod side_by_side;

use std::time::Duration;

use hpcap::listener::{Listener, Moment};
use hpcap::{Count, Ledger, Reason, Result};

use crate::report::event::{EndedBy, Notice};
use crate::storage::error::StorageError;

/// What is captured reaches the destination within this time and the tick, together less
/// than a second.
pub const FLUSH_AFTER: Duration = Duration::from_millis(400);

/// Longest sleep of the recorder before it looks at signals and the clock.
pub const TICK: Duration = Duration::from_millis(200);

/// Counts of what a recorder did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Frames stored.
    pub stored: Count,
    /// Bytes of the stream, or of the pipe, that were written.
    pub stored_bytes: u64,
    /// Files that were ended.
    pub files: u64,
    /// Frames that the recorder's own filter refused.
    pub filtered: Count,
    /// What this recorder lost of the captured frames.
    pub lost: Ledger,
}

impl Tally {
    /// Counts frames that were taken as lost to storage.
    pub fn lose_stored(&mut self, frames: Count) {
        self.stored = self.stored - frames;
        self.lost[Reason::Storage] += frames;
    }
}

/// What a step did, or what it needs.
#[derive(Debug)]
pub enum Step {
    /// The step made progress, and more may be possible at once.
    Done,
    /// Wait for so many unread bytes.
    Idle {
        /// From the listener's position.
        bytes: u64,
    },
    /// Wait a little: there is data that cannot be stored yet.
    Pause,
    /// Storing failed in a way that can pass. Try again.
    Hold(StorageError),
    /// The recording reached a limit of the command line.
    Limit(EndedBy),
    /// The reader of the pipe has closed it.
    ReaderGone,
}

/// How a recording ends.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// Where the recording ends, and everything that was counted until then.
    pub target: Moment,
    /// Whether everything up to there could be stored.
    pub complete: bool,
    /// Whether it ends before that, because a limit was reached: what is left is not missing.
    pub limited: bool,
}

/// A destination.
pub trait Sink {
    /// Takes what is unread and lies before stream offset `until`.
    ///
    /// # Errors
    /// What ends the recording.
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step>;

    /// Stream offset up to which everything is taken care of.
    fn done_to(&self, listener: &Listener) -> u64;

    /// Checks that the open file still exists. The session calls this once a second.
    fn look(&mut self, _listener: &mut Listener) {}

    /// Requests a new file.
    fn rotate(&mut self, listener: &mut Listener);

    /// Ends the recording. Best effort: what cannot be stored is counted as lost.
    fn finish(&mut self, listener: &mut Listener, ending: &Ending);

    /// The ledger as what was stored tells it. To be asked after [`Sink::finish`].
    fn told(&self, listener: &Listener) -> Ledger {
        *listener.told()
    }

    /// What it did so far.
    fn tally(&self) -> Tally;

    /// Takes what the sink has for the session since the last call.
    fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}
