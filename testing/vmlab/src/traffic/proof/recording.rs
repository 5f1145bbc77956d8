//! RAW files as one stream per queue, and the sum of their ledgers.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use hpcap::raw::{DamageKind, Event, FileHeader, FileName, Gap, Reader, files};
use hpcap::{Count, Error, Kind, Ledger, QueueName, Reason, Result};

/// Finds the RAW files in `paths`, which may be folders. Returns the files of each queue in the
/// order in which they were recorded.
///
/// # Errors
/// Fails if a path cannot be read, is a folder without RAW files, or has a file name without a
/// queue.
pub(super) fn find(paths: &[PathBuf]) -> Result<BTreeMap<QueueName, Vec<PathBuf>>> {
    let mut queues: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for path in files::named(paths)? {
        let name = FileName::of(&path).ok_or_else(|| {
            Error::new(
                Kind::Format,
                format!("look into {}", path.display()),
                "its name does not say the queue, as 1700000000_hpcap0_0.raw does",
            )
        })?;
        queues.entry(name.queue).or_default().push(path);
    }
    Ok(queues)
}

/// A record in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    /// Length on the wire, as recorded.
    pub(super) len: u16,
    pub(super) data: &'a [u8],
}

/// The next item of the stream.
#[derive(Debug)]
pub(super) enum Next {
    /// A frame, which [`Stream::stored`] returns.
    Frame,
    /// Frames were lost at this position.
    Gap(Box<Gap>),
    /// There are no more files.
    End,
}

/// The files of one queue, read one after the other.
#[derive(Debug)]
pub(super) struct Stream {
    files: std::vec::IntoIter<PathBuf>,
    reader: Option<(Reader<File>, PathBuf)>,
    /// Number of frames so far.
    pub(super) frames: u64,
    pub(super) files_read: u64,
    /// Offset of the current record in its file.
    offset: u64,
    /// Current capture length according to the last header; 0 means complete frames.
    pub(super) caplen: u32,
    pub(super) ledger: Sum,
    pub(super) damage: Vec<String>,
}

impl Stream {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files: files.into_iter(),
            reader: None,
            frames: 0,
            files_read: 0,
            offset: 0,
            caplen: 0,
            ledger: Sum::default(),
            damage: Vec::new(),
        }
    }

    /// Moves to the next item.
    pub(super) fn advance(&mut self) -> Result<Next> {
        loop {
            if self.reader.is_none() {
                let Some(path) = self.files.next() else {
                    return Ok(Next::End);
                };
                self.reader = Some((Reader::open(&path)?, path));
                self.files_read += 1;
            }
            let Some((reader, path)) = &mut self.reader else {
                continue;
            };
            if !reader.advance()? {
                self.reader = None;
                continue;
            }
            let Some(event) = reader.event() else {
                continue;
            };
            self.offset = reader.range().start;
            match event {
                Event::Frame(_) => {
                    self.frames += 1;
                    return Ok(Next::Frame);
                }
                Event::Missed(gap) => {
                    self.ledger.gap(&gap);
                    return Ok(Next::Gap(gap));
                }
                Event::FileStart(header) => {
                    self.caplen = header.caplen;
                    self.ledger.header(&header);
                }
                Event::FileEnd(tag) => self.ledger.end(&tag.ledger),
                Event::Damaged(damage) => {
                    // An unfinished file may end anywhere.
                    let unfinished = path.extension().is_some_and(|e| e == "part")
                        && matches!(
                            damage.kind,
                            DamageKind::CutHeader
                                | DamageKind::CutRecord { .. }
                                | DamageKind::Unwritten
                        );
                    if !unfinished {
                        let at = format!("{} at byte {}", path.display(), damage.offset);
                        self.damage.push(format!("{at}: {:?}", damage.kind));
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the record that [`advance`](Self::advance) moved to.
    pub(super) fn stored(&self) -> Option<Stored<'_>> {
        let record = self.reader.as_ref()?.0.frame()?;
        Some(Stored {
            len: record.len,
            data: record.data,
        })
    }

    /// Describes the position of that record: "FILE at byte N (record M)".
    pub(super) fn place(&self) -> String {
        let file = self
            .reader
            .as_ref()
            .map_or_else(String::new, |(_, path)| path.display().to_string());
        format!("{file} at byte {} (record {})", self.offset, self.frames)
    }
}

/// Sum of the ledgers of a queue's files. The files may be of several consecutive producers; for
/// example, a module that was loaded again counts from zero.
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// Sum over the previous producers.
    past: Ledger,
    /// The last known ledger of the current producer.
    last: Ledger,
    /// Whether the last item was a ledger at the end of a file.
    ended: bool,
    /// Whether any file has a ledger.
    pub(super) known: bool,
    /// Frames captured before the recording began, which may be in other files.
    pub(super) before: Count,
    /// Stream offset of the last header.
    stream_off: u64,
    /// Frames that the listener itself lost, according to its gap records.
    own: Ledger,
}

impl Sum {
    fn header(&mut self, header: &FileHeader) {
        let wire = |l: &Ledger| l.on_the_wire().frames;
        let anew = self.known
            && (wire(&header.ledger) < wire(&self.last) || header.stream_off < self.stream_off);
        if anew {
            self.past += &self.last;
        }
        if anew || !self.known {
            self.before += header.ledger[Reason::Captured];
        }
        (self.last, self.stream_off) = (header.ledger, header.stream_off);
        (self.known, self.ended) = (true, false);
    }

    fn end(&mut self, ledger: &Ledger) {
        self.last = *ledger;
        (self.known, self.ended) = (true, true);
    }

    fn gap(&mut self, gap: &Gap) {
        for reason in [Reason::Overrun, Reason::Storage] {
            self.own[reason] += gap.lost[reason];
        }
    }

    /// Returns the sum over all producers.
    pub(super) fn all(&self) -> Ledger {
        let mut all = self.past;
        all += &self.last;
        all += &self.own;
        all
    }

    /// Returns whether the files end with a complete ledger.
    pub(super) fn is_final(&self) -> bool {
        self.ended
    }
}
