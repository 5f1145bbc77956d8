//! The events that the recorder reports, and the notices that its parts hand to the session.

use std::path::PathBuf;

use hpcap::loss::Loss;
use hpcap::message::Level;
use hpcap::visible::serialize_path;
use hpcap::{Count, Error, Ledger};
use serde::Serialize;

use crate::storage::sealed::Sealed;

/// An event of a recording, as the recorder reports it to the user.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The recording begins.
    Start(Start),
    /// Rates and counts, once a second and on SIGUSR1.
    Progress(Progress),
    /// A file is finished and has its final name.
    FileComplete(FileComplete),
    /// A file was deleted to keep within the `--keep-...` limits.
    FileDeleted(FileDeleted),
    /// Frames are being lost, or were lost a moment ago.
    Loss(SourceLoss),
    /// A warning for the user.
    Warning {
        /// Text of the warning.
        message: String,
    },
    /// Finishing has fallen behind: too many files wait, so no new file begins until fewer wait.
    FinishingBehind(FinishingBehind),
    /// Finishing has caught up: no file waits any more.
    FinishingCaughtUp(FinishingCaughtUp),
    /// The counts of one of several sources, at the end of the recording.
    Source(SourceSummary),
    /// The recording has ended.
    Summary(Summary),
    /// The recordings of all queues have ended; these are their sums.
    Total(Summary),
}

impl Event {
    /// Makes a warning with this text.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Warning {
            message: message.into(),
        }
    }

    /// How much the event matters to a user who reads the text output.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Warning { .. }
            | Self::Loss(_)
            | Self::FinishingBehind(_)
            | Self::FinishingCaughtUp(_) => Level::Warning,
            Self::Progress(progress) if !progress.asked => Level::Progress,
            _ => Level::Info,
        }
    }
}

/// A notice that a part of the recorder (source, sink, finisher, commands) hands to the session.
#[derive(Debug)]
pub enum Notice {
    /// An event for the user.
    Tell(Event),
    /// A file holds all its frames and waits to be finished.
    FileSealed(Box<Sealed>),
    /// A file could not be finished; it stays as `.part`.
    FileFailed(Error),
    /// Somebody removed a file before it was finished.
    FileRemoved {
        /// Names the file and says what happens to its frames.
        error: Error,
        /// Frames in the file, which are lost.
        frames: Count,
        /// Length of the file in bytes.
        bytes: u64,
    },
}

impl Notice {
    /// Makes a warning for the user.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Tell(Event::warning(message))
    }
}

/// Lost frames of one source, or of the recorder itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceLoss {
    /// The source that loses the frames, if the recording has several; `null` for the only source,
    /// and for losses of the recorder itself.
    pub source: Option<String>,
    /// The reason, and the number of frames.
    #[serde(flatten)]
    pub loss: Loss,
}

/// Finishing files takes longer than writing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FinishingBehind {
    /// Files that wait to be finished.
    pub files: u64,
}

/// Finishing files has caught up with writing them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FinishingCaughtUp {
    /// Seconds since the event [`FinishingBehind`].
    pub seconds: f64,
    /// Number of times that writing paused meanwhile because too many files waited.
    pub pauses: u64,
}

/// The event at the beginning of a recording.
#[derive(Debug, Clone, Serialize)]
pub struct Start {
    /// Name of the queue; `null` for a source inside the process.
    pub queue: Option<String>,
    /// The source that feeds the queue, as it was given on the command line.
    pub source: String,
    /// Name of the interface, or of the file, that the source reads.
    pub interface: String,
    /// Path of the folder or file, `null` or `-`.
    pub destination: String,
    /// How frames are stored: `blocks`, `records` or `null`.
    pub mode: &'static str,
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
    /// Size in bytes of the memory pages under the ring.
    pub page_bytes: u64,
}

/// Rates since the last regular report, and counts since the start.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Progress {
    /// Seconds since the start.
    pub seconds: f64,
    /// Frames on the wire per second, whether they were captured, filtered or lost.
    pub frames_per_second: f64,
    /// Bits of these frames per second, with preamble, FCS and gap. A lost frame of unknown length
    /// counts as an empty frame.
    pub bits_per_second: f64,
    /// Frames stored per second.
    pub stored_frames_per_second: f64,
    /// Bytes written to the destination per second.
    pub stored_bytes_per_second: f64,
    /// Frames lost per second.
    pub lost_frames_per_second: f64,
    /// Unread part of the ring, from 0 to 1.
    pub lag: f64,
    /// Largest value of `lag` since the start.
    pub lag_peak: f64,
    /// The queue's ledger since the start, with the frames that this recorder lost itself.
    pub ledger: Ledger,
    /// Whether the user asked for this report with SIGUSR1.
    #[serde(skip)]
    pub asked: bool,
}

/// A finished file.
#[derive(Debug, Clone, Serialize)]
pub struct FileComplete {
    /// Path of the file.
    #[serde(serialize_with = "serialize_path")]
    pub path: PathBuf,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Frames in the file, and their bytes on the wire.
    #[serde(flatten)]
    pub frames: Frames,
    /// Seconds from the creation of the file until it was finished.
    pub seconds: f64,
}

/// A count, with the field names that the JSON output uses.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Frames {
    /// Number of frames.
    pub frames: u64,
    /// Bytes of the frames on the wire, without FCS.
    pub frame_bytes: u64,
}

impl From<Count> for Frames {
    fn from(c: Count) -> Self {
        Self {
            frames: c.frames,
            frame_bytes: c.bytes,
        }
    }
}

/// A deleted file.
#[derive(Debug, Clone, Serialize)]
pub struct FileDeleted {
    /// Path that the file had.
    #[serde(serialize_with = "serialize_path")]
    pub path: PathBuf,
    /// Length that the file had, in bytes.
    pub bytes: u64,
    /// The option that required the deletion: `keep-age`, `keep-files`, `keep-size` or `keep-free`.
    pub because_of: &'static str,
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum EndedBy {
    /// A signal asked the recorder to stop.
    #[serde(rename = "signal")]
    Signal,
    /// The time of `--duration` was over.
    #[serde(rename = "duration")]
    Duration,
    /// The number of frames of `--frames` was reached.
    #[serde(rename = "frames")]
    Frames,
    /// The size of `--bytes` was reached.
    #[serde(rename = "bytes")]
    Bytes,
    /// The number of files of `--files` was reached.
    #[serde(rename = "files")]
    Files,
    /// The source ended.
    #[serde(rename = "source ended")]
    SourceEnded,
    /// The source failed, or the thread that captures from it did.
    #[serde(rename = "source failed")]
    SourceFailed,
    /// The producer was stopped while its source had more.
    #[serde(rename = "producer stopped")]
    ProducerStopped,
    /// The producer died.
    #[serde(rename = "producer gone")]
    ProducerGone,
    /// The reader of the pipe closed it.
    #[serde(rename = "reader gone")]
    ReaderGone,
    /// The listener was killed.
    #[serde(rename = "killed")]
    Killed,
    /// Reading the queue failed.
    #[serde(rename = "failed")]
    Failed,
}

impl EndedBy {
    /// Whether the recording ended because its queue did.
    #[must_use]
    pub fn is_end_of_queue(self) -> bool {
        matches!(
            self,
            Self::SourceEnded | Self::SourceFailed | Self::ProducerStopped | Self::ProducerGone
        )
    }
}

impl std::fmt::Display for EndedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// The counts of one of several sources at the end of the recording.
#[derive(Debug, Clone, Serialize)]
pub struct SourceSummary {
    /// The source, as it was given on the command line.
    pub source: String,
    /// Name of the interface, or of the file, that the source reads.
    pub interface: String,
    /// Ledger of the source since the start.
    pub ledger: Ledger,
}

/// Totals of a whole recording.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Why the recording ended.
    pub ended_by: EndedBy,
    /// Frames stored, and their bytes on the wire.
    #[serde(flatten)]
    pub stored: Frames,
    /// Bytes written to the destination, without the padding that closes files.
    pub stored_bytes: u64,
    /// Number of finished files.
    pub files: u64,
    /// Duration of the recording in seconds.
    pub seconds: f64,
    /// The largest unread part of the ring during the recording, from 0 to 1.
    pub lag_peak: f64,
    /// The queue's ledger from the listener's start to its end, with the frames that this recorder
    /// lost itself.
    pub ledger: Ledger,
    /// Frames longer than 65,535 bytes, which are stored cut.
    pub frames_cut: u64,
    /// Frames whose time a record cannot hold, which are stored with another time.
    pub times_adjusted: u64,
}
