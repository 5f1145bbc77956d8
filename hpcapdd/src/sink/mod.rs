//! The destinations of a recording, and what they have in common.

pub mod block;
pub(crate) mod choose;
pub mod file_header;
pub mod null;
pub mod record;
pub mod side_by_side;

use std::time::Duration;

use hpcap::listener::{Listener, Moment};
use hpcap::{Count, Ledger, Reason, Result};

use crate::report::event::{EndedBy, Notice};
use crate::storage::error::StorageError;

/// Captured frames reach the destination within this time: the recorder never sleeps for longer than [`TICK`], and
/// flushes after each sleep that was as long.
pub const FLUSH_AFTER: Duration = Duration::from_millis(400);

/// Longest sleep of the recorder before it looks at signals. It is as long as [`FLUSH_AFTER`], so that the recorder
/// wakes up once for each flush: at low rates, waking up is most of what a frame costs.
pub const TICK: Duration = FLUSH_AFTER;

/// Counts of what a recorder stored and lost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Frames stored.
    pub stored: Count,
    /// Bytes written to the destination, without the padding that closes files.
    pub stored_bytes: u64,
    /// Files that were ended.
    pub files: u64,
    /// Frames that the recorder's own filter refused.
    pub filtered: Count,
    /// Captured frames that this recorder lost, by reason.
    pub lost: Ledger,
}

impl Tally {
    /// Adds the counts of another sink.
    pub fn add(&mut self, other: &Self) {
        self.stored += other.stored;
        self.stored_bytes += other.stored_bytes;
        self.files += other.files;
        self.filtered += other.filtered;
        self.lost += &other.lost;
    }

    /// Counts `frames`, which were counted as stored, as lost to storage.
    pub fn lose_stored(&mut self, frames: Count) {
        self.stored = self.stored - frames;
        self.lost[Reason::Storage] += frames;
    }
}

/// The result of a step: what it did, or what it needs.
#[derive(Debug)]
pub enum Step {
    /// The step made progress, and more may be possible at once.
    Done,
    /// Wait until this many bytes are unread.
    Idle {
        /// Number of bytes, counted from the listener's position.
        bytes: u64,
    },
    /// Wait a little: there is data that cannot be stored yet.
    Pause,
    /// Storing failed in a way that can pass. Try again.
    Hold(StorageError),
    /// The recording reached a limit of the command line.
    Limit(EndedBy),
    /// The reader of the pipe has closed the pipe.
    ReaderGone,
}

impl Step {
    /// The step after a failure that the session can wait for.
    #[must_use]
    pub fn after(error: StorageError) -> Self {
        match error {
            StorageError::NoRoomYet => Self::Pause,
            error => Self::Hold(error),
        }
    }
}

/// How a recording ends.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// The stream offset at which the recording ends, with the ledger there.
    pub target: Moment,
    /// Whether everything before `target` could be stored.
    pub complete: bool,
    /// Whether a limit ended the recording before `target`. What is left then does not count as
    /// missing.
    pub limited: bool,
}

/// The end of `listener`, whose source has ended.
fn end_of(listener: &Listener) -> Moment {
    let mut end = Moment::from(&listener.ledger());
    end.off = listener.published();
    end
}

/// A destination of a recording.
pub trait Sink {
    /// Takes some of the unread stream before stream offset `until`.
    ///
    /// # Errors
    /// A failure that ends the recording.
    fn step(&mut self, listener: &mut Listener, until: u64) -> Result<Step>;

    /// Stream offset up to which the sink has nothing left to do.
    fn done_to(&self, listener: &Listener) -> u64;

    /// Says what other sinks of the same recording have done, because the limits are those of the
    /// whole recording.
    fn set_others(&mut self, _others: &Tally) {}

    /// Checks that the open file still exists. The session calls this once a second.
    fn look(&mut self, _listener: &mut Listener) {}

    /// Requests a new file.
    fn rotate(&mut self, listener: &mut Listener);

    /// Ends the recording. Frames that cannot be stored are counted as lost.
    fn finish(&mut self, listener: &mut Listener, ending: &Ending);

    /// The ledger as the stored stream tells it. Call this after [`Sink::finish`].
    fn told(&self, listener: &Listener) -> Ledger {
        *listener.told()
    }

    /// The counts of the sink so far.
    fn tally(&self) -> Tally;

    /// Takes the notices for the session since the last call.
    fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}
