//! Stores the stream record by record, as filters, limits by frames, shorter frames, pcapng, pcap
//! and pipes need it.
//!
//! A sink ([`RecordSink`], or [`MergeSink`](merge::MergeSink) for several sources) reads the records
//! of its listeners with a [`RecordStream`](record_stream::RecordStream) each, and passes them to a
//! [`Delivery`](delivery::Delivery), which counts them and knows the limits. The delivery puts them
//! into a [`RecordOutput`]: files, a pipe, or nothing.

pub mod capture_format;
pub mod delivery;
pub mod duplicate_mark;
pub mod file_log;
pub mod file_output;
pub mod merge;
pub mod open_file;
pub mod pipe_output;
pub mod raw_format;
pub mod record_format;
pub mod record_sink;
pub mod record_stream;
pub mod selection;
pub mod source_counts;

use hpcap::Count;
use hpcap::listener::Moment;
use hpcap::pcapfile::Marks;
use hpcap::raw::{Gap, Record};

use crate::report::event::Notice;
use crate::storage::error::StorageError;

pub use record_sink::RecordSink;
pub use selection::{RecordLimits, Selector};

/// Records taken in one step, before the session looks at signals and the clock again.
const BATCH: usize = 4096;

/// A failure of an output.
#[derive(Debug)]
pub enum OutputFailure {
    /// Storing failed.
    Storage {
        /// The failure.
        error: StorageError,
        /// Frames of each source that were taken and cannot be stored any more. Empty if nothing is
        /// lost.
        lost: Vec<Count>,
    },
    /// The reader of the pipe has closed it.
    ReaderGone,
    /// The reader of the pipe reads nothing at the moment.
    ReaderSlow,
}

impl From<StorageError> for OutputFailure {
    /// A failure by which no frame is lost.
    fn from(error: StorageError) -> Self {
        Self::Storage {
            error,
            lost: Vec::new(),
        }
    }
}

/// A frame on its way to an output.
#[derive(Debug, Clone, Copy)]
pub struct OutputFrame<'a> {
    /// The source of the frame, counted from 0.
    pub source: usize,
    /// The frame.
    pub record: Record<'a>,
    /// What the tags before the frame say of it.
    pub marks: Marks,
}

impl OutputFrame<'_> {
    /// Length of the frame on the wire in bytes.
    #[must_use]
    pub fn wire_len(&self) -> u32 {
        let had = self.marks.altered.map_or(0, |had| had.len);
        u32::from(self.record.len).max(had)
    }

    /// The frame as the counts of a ledger have it.
    #[must_use]
    pub fn count(&self) -> Count {
        Count::new(1, u64::from(self.record.len))
    }
}

/// The output of a frame-by-frame recording.
pub trait RecordOutput {
    /// Ends the file under way if that is due. `ledger` returns the current ledger; the output
    /// calls it only if needed. The call can be repeated after a failure.
    ///
    /// # Errors
    /// [`OutputFailure`].
    fn turn(&mut self, _ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure> {
        Ok(())
    }

    /// Makes room for another record of any size. The call can be repeated after a failure.
    ///
    /// # Errors
    /// [`OutputFailure`].
    fn ready(&mut self, ledger: &dyn Fn() -> Moment) -> Result<(), OutputFailure>;

    /// Takes a frame. [`RecordOutput::ready`] must have made room for it.
    fn frame(&mut self, frame: &OutputFrame<'_>);

    /// Takes a gap of `source`, counted from 0. The output writes it at once, or keeps it until it
    /// can be written.
    fn gap(&mut self, source: usize, gap: &Gap);

    /// Writes everything that was taken to the file or pipe.
    ///
    /// # Errors
    /// [`OutputFailure`]; the call can be repeated.
    fn flush(&mut self) -> Result<(), OutputFailure>;

    /// Checks that the open file still exists under its name.
    ///
    /// # Errors
    /// [`OutputFailure::Storage`] if it does not.
    fn look(&mut self) -> Result<(), OutputFailure> {
        Ok(())
    }

    /// Requests a new file before the next record.
    fn rotate(&mut self) {}

    /// Ends the output. `end` has the ledger at the end of the recording.
    ///
    /// # Errors
    /// [`OutputFailure`]; the call is not repeated.
    fn finish(&mut self, end: &Moment) -> Result<(), OutputFailure>;

    /// The amount that the output wrote so far.
    fn written(&self) -> Written;

    /// Takes the notices for the session since the last call.
    fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}

/// The amount that an output wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Bytes written, those of the open file included.
    pub bytes: u64,
    /// Number of files that were ended.
    pub files: u64,
}
