//! A recorder of a queue.

use std::path::PathBuf;
use std::time::Duration;

use hpcap::QueueName;
use hpcap::compress::{Compression, FileFormat};
use hpcap::free_space::FreeSpace;

/// What a recorder loses when it is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contract {
    /// The ring waits for the recorder.
    #[default]
    Lossless,
    /// The ring waits for the recorder for this time.
    LosslessFor(Duration),
    /// The ring does not wait.
    Lossy,
}

/// A recorder of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    /// The queue that is recorded.
    pub queue: Option<QueueName>,
    /// The folder or file that gets the frames.
    pub destination: Option<PathBuf>,
    /// Format of the files.
    pub format: FileFormat,
    /// Compression of finished files.
    pub compress: Compression,
    /// Size in bytes at which a new file is started.
    pub rotate_size: Option<u64>,
    /// Time after which a new file is started.
    pub rotate_time: Option<Duration>,
    /// Whether files start at whole multiples of `rotate_time` in local time.
    pub aligned: bool,
    /// Age at which finished files are deleted.
    pub keep_age: Option<Duration>,
    /// Bytes that finished files take at most.
    pub keep_size: Option<u64>,
    /// Bytes that stay free on the disk.
    pub keep_free: Option<FreeSpace>,
    /// Number of finished files that are kept at most.
    pub keep_files: Option<u64>,
    /// What happens when the recorder is too slow.
    pub contract: Contract,
    /// The user that the recorder runs as, who owns the files.
    pub owner: String,
    /// Group of the files.
    pub file_group: Option<String>,
    /// Mode of the files.
    pub file_mode: Option<u32>,
    /// CPU of the thread that stores frames.
    pub cpu: Option<u32>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            queue: None,
            destination: None,
            format: FileFormat::Raw,
            compress: Compression::None,
            rotate_size: None,
            rotate_time: None,
            aligned: false,
            keep_age: None,
            keep_size: None,
            keep_free: None,
            keep_files: None,
            contract: Contract::default(),
            owner: "hpcap".into(),
            file_group: None,
            file_mode: None,
            cpu: None,
        }
    }
}
