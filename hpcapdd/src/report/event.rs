//! What the recorder tells people and programs, and what its parts hand to the session.

use std::path::PathBuf;

use hpcap::loss::Loss;
use hpcap::message::Level;
use hpcap::{Count, Error, Ledger};
use serde::Serialize;

use crate::storage::file::Sealed;

/// Something worth telling.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The recording begins.
    Start(Start),
    /// How it goes; once a second.
    Progress(Progress),
    /// A file is finished and has its final name.
    FileComplete(FileComplete),
    /// A file was deleted to keep within `--keep-...`.
    FileDeleted(FileDeleted),
    /// Frames are being lost, or were.
    Loss(SourceLoss),
    /// Something that a person should know of.
    Warning {
        /// What.
        message: String,
    },
    /// Files wait to be finished, and no more are begun until fewer wait.
    FinishingBehind(FinishingBehind),
    /// All files that waited are finished.
    FinishingCaughtUp(FinishingCaughtUp),
    /// What one of several sources did.
    Source(SourceSummary),
    /// The recording is over.
    Summary(Summary),
}

impl Event {
    /// A warning.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Warning {
            message: message.into(),
        }
    }

    /// How much the event matters to a person who reads the recorder's text output.
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

/// What a part of the recorder (source, sink, finisher, commands) hands to the session.
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
        /// Which file, and what happens to its frames.
        error: Error,
        /// Its frames, which are lost.
        frames: Count,
        /// Its length in bytes.
        bytes: u64,
    },
}

impl Notice {
    /// A warning for the user.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Tell(Event::warning(message))
    }
}

/// Frames that are being lost, or were.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceLoss {
    /// The source that loses them, where the recording has several; `null` for the only source,
    /// and for losses of the recorder itself.
    pub source: Option<String>,
    /// How many frames, and why.
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
    /// Seconds since [`FinishingBehind`].
    pub seconds: f64,
    /// Times that writing stopped meanwhile because too many files waited.
    pub pauses: u64,
}

/// The recording as it begins.
#[derive(Debug, Clone, Serialize)]
pub struct Start {
    /// The queue; `null` for a source inside the process.
    pub queue: Option<String>,
    /// The source that feeds the queue, as it was given.
    pub source: String,
    /// The interface, or the file.
    pub interface: String,
    /// Folder, `null` or `-`.
    pub destination: String,
    /// `blocks`, `records` or `null`.
    pub mode: &'static str,
    /// Bytes of the ring.
    pub ring_bytes: u64,
    /// Bytes of the pages under it.
    pub page_bytes: u64,
}

/// How it went during the last second, and since the start.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Progress {
    /// Seconds since the start.
    pub seconds: f64,
    /// Frames on the wire in a second: captured and lost ones.
    pub frames_per_second: f64,
    /// Their bits in a second: preamble, FCS and gap included. Lost frames whose length nobody
    /// knows count as such without content.
    pub bits_per_second: f64,
    /// Frames stored in a second.
    pub stored_frames_per_second: f64,
    /// Bytes written to the destination in a second.
    pub stored_bytes_per_second: f64,
    /// Frames lost in a second.
    pub lost_frames_per_second: f64,
    /// Unread part of the ring, 0 to 1.
    pub lag: f64,
    /// The largest that it was since the start.
    pub lag_peak: f64,
    /// The queue's ledger since the start, and what this recorder lost of it.
    pub ledger: Ledger,
    /// Somebody asked for it with SIGUSR1.
    #[serde(skip)]
    pub asked: bool,
}

/// A finished file.
#[derive(Debug, Clone, Serialize)]
pub struct FileComplete {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Frames in it, and their bytes on the wire.
    #[serde(flatten)]
    pub frames: Frames,
    /// Seconds from its start to its end, by the recorder's clock.
    pub seconds: f64,
}

/// A count with the names that stand in JSON.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Frames {
    /// Frames.
    pub frames: u64,
    /// Their bytes on the wire, without FCS.
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
    /// Where it was.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The option that made us: `keep-age`, `keep-size`, `keep-free`.
    pub because_of: &'static str,
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum EndedBy {
    /// A signal asked for it.
    #[serde(rename = "signal")]
    Signal,
    /// `--duration`.
    #[serde(rename = "duration")]
    Duration,
    /// `--frames`.
    #[serde(rename = "frames")]
    Frames,
    /// `--bytes`.
    #[serde(rename = "bytes")]
    Bytes,
    /// `--files`.
    #[serde(rename = "files")]
    Files,
    /// The source came to its end.
    #[serde(rename = "source ended")]
    SourceEnded,
    /// The source failed, or the thread that captures from it.
    #[serde(rename = "source failed")]
    SourceFailed,
    /// The producer was stopped while its source had more.
    #[serde(rename = "producer stopped")]
    ProducerStopped,
    /// The producer died.
    #[serde(rename = "producer gone")]
    ProducerGone,
    /// The reader of our pipe went away.
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
    /// Whether the queue has ended, and not the recorder.
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

/// One of several sources, at the end of the recording.
#[derive(Debug, Clone, Serialize)]
pub struct SourceSummary {
    /// The source, as it was given.
    pub source: String,
    /// The interface, or the file.
    pub interface: String,
    /// Its ledger since the start.
    pub ledger: Ledger,
}

/// The whole recording.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Why it ended.
    pub ended_by: EndedBy,
    /// Frames stored, and their bytes on the wire.
    #[serde(flatten)]
    pub stored: Frames,
    /// Bytes written to the destination, closing padding not included.
    pub stored_bytes: u64,
    /// Finished files.
    pub files: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// The largest unread part of the ring, 0 to 1.
    pub lag_peak: f64,
    /// The queue's ledger from the listener's start to its end, and what this recorder lost of
    /// it.
    pub ledger: Ledger,
    /// Frames longer than 65,535 bytes, stored cut.
    pub frames_cut: u64,
    /// Frames stored with another time than theirs, because a record cannot hold it.
    pub times_adjusted: u64,
}
