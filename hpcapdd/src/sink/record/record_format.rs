//! What is in files that are written frame by frame, in one format.

use std::io;

use hpcap::listener::Moment;
use hpcap::raw::Gap;
use hpcap::raw::index::Index;
use hpcap::{Count, Timestamp};

use crate::sink::file_header::Place;
use crate::sink::record::OutputFrame;
use crate::sink::record::open_file::{OpenFile, RecordWriter};
use crate::storage::closing::Closing;
use crate::storage::tail::Unwritten;

/// Why a file ends.
#[derive(Debug, Clone, Copy)]
pub enum FileEnd<'a> {
    /// Another file follows. Counts without a place in the stream, such as filtered frames, are
    /// included up to now.
    Rotation(&'a Moment),
    /// The file takes no more bytes. Nothing is known beyond what the stream tells.
    Interruption,
    /// The recording ends.
    Recording {
        /// The ledger at the end of the recording.
        at: &'a Moment,
        /// Records that no file takes any more.
        unstored: &'a [u8],
    },
}

/// Frames of each source.
#[derive(Debug, Clone, Default)]
pub struct FrameCounts {
    /// Frames taken for the file under way.
    pub taken: Vec<Count>,
    /// Frames of the file under way that are in it.
    pub stored: Vec<Count>,
}

impl FrameCounts {
    /// Creates counts of `sources` sources, all of them zero.
    #[must_use]
    pub fn new(sources: usize) -> Self {
        Self {
            taken: vec![Count::default(); sources],
            stored: vec![Count::default(); sources],
        }
    }

    /// Frames of each source that were taken and are not in the file.
    #[must_use]
    pub fn unstored(&self) -> Vec<Count> {
        let pairs = self.taken.iter().zip(&self.stored);
        pairs.map(|(taken, stored)| *taken - *stored).collect()
    }

    /// Goes on with the next file, which holds what the last one did not take.
    pub fn begin_file(&mut self) {
        self.taken = self.unstored();
        self.stored.fill(Count::default());
    }
}

/// What is in the files of a format.
pub trait RecordFormat {
    /// Makes the bytes of a file.
    type Writer: RecordWriter;

    /// What a file lacks if its end could not be written.
    const END: &'static str;

    /// Whether a request for a new file ends a file without frames.
    const ROTATES_EMPTY_FILES: bool;

    /// Number of sources.
    fn sources(&self) -> usize;

    /// Begins a file at `place` in the recording, and writes its head into `tail`. `carried` bytes,
    /// which the last file did not take, follow the head. The file may have `file_bytes_max` bytes.
    ///
    /// # Errors
    /// An error if the format cannot hold the frames.
    fn begin(
        &mut self,
        place: Place,
        tail: Unwritten,
        carried: u64,
        file_bytes_max: u64,
        now: &Moment,
    ) -> io::Result<Self::Writer>;

    /// Notes that `records` were appended at offset `at`.
    fn note_carried(&mut self, _at: u64, _records: &[u8]) {}

    /// Whether the file has no room for another frame, or has the length at which the next one
    /// begins. `is_empty` says that it has no frames.
    fn is_full(&self, open: &OpenFile<Self::Writer>, is_empty: bool) -> bool;

    /// Length that the file will have, in bytes, if the largest possible frame is added and the file is then ended.
    fn bytes_with_next(&self, open: &OpenFile<Self::Writer>) -> u64;

    /// Writes a frame. Returns whether the writer took it.
    fn frame(&mut self, open: &mut OpenFile<Self::Writer>, frame: &OutputFrame<'_>) -> bool;

    /// Writes a gap of `source`, or keeps it until it can be written.
    fn gap(&mut self, open: Option<&mut OpenFile<Self::Writer>>, source: usize, gap: &Gap);

    /// Whether gaps are kept that only another file takes.
    fn keeps_gaps(&self) -> bool {
        false
    }

    /// Makes the end of a file that began at `start`: what to write behind its last whole record.
    fn closing(
        &mut self,
        open: &OpenFile<Self::Writer>,
        start: Timestamp,
        frames: &FrameCounts,
        end: FileEnd<'_>,
    ) -> Closing;

    /// Bytes of a file that count as output. Its records end at `records_end`, and the file ends at
    /// `len`.
    fn output_bytes(records_end: u64, len: u64) -> u64;

    /// Takes the index of the file, which ends at `len` with `closing`.
    fn take_index(&mut self, _records_end: u64, _closing: &Closing, _len: u64) -> Option<Index> {
        None
    }
}
