//! Merges the frames of several recordings in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hpcap::{Error, Kind, Result, Timestamp};

use super::queue_stream::QueueStream;

/// Largest number of open files: one for each recording that runs at the same time.
const OPEN_MAX: usize = 256;

/// Merges streams by the times of their frames. The frames of one stream keep their order, even if
/// their times go back. A stream is opened when the merge reaches its first frame, so that any
/// number of recordings can follow each other.
pub(super) struct Merge {
    streams: Vec<QueueStream>,
    /// Time of the next frame of every stream except the current one.
    waiting: BinaryHeap<Reverse<(Timestamp, usize)>>,
    current: Option<usize>,
    open: usize,
}

impl Merge {
    pub(super) fn new(streams: Vec<QueueStream>) -> Self {
        Self {
            waiting: (0..streams.len())
                .map(|stream| Reverse((streams[stream].earliest(), stream)))
                .collect(),
            streams,
            current: None,
            open: 0,
        }
    }

    /// Reads the next frame and returns the number of its stream; `None` at the end. `moved` is called
    /// first, with each stream that has events, and its number.
    #[inline]
    pub(super) fn advance(
        &mut self,
        moved: &mut dyn FnMut(usize, &mut QueueStream) -> Result<()>,
    ) -> Result<Option<usize>> {
        if let Some(stream) = self.current
            && self.read(stream, moved)?
        {
            if self.waiting.is_empty() {
                return Ok(self.current);
            }
            let time = self.streams[stream].time();
            match self.waiting.peek() {
                // In most cases the next frame is of the same stream.
                Some(Reverse(next)) if *next < (time, stream) => {
                    self.waiting.push(Reverse((time, stream)));
                }
                _ => return Ok(self.current),
            }
        }
        loop {
            let Some(Reverse((_, stream))) = self.waiting.pop() else {
                self.current = None;
                return Ok(None);
            };
            if self.streams[stream].is_open() {
                self.current = Some(stream);
                return Ok(self.current);
            }
            self.check_open()?;
            if self.read(stream, moved)? {
                self.waiting
                    .push(Reverse((self.streams[stream].time(), stream)));
            }
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.open < OPEN_MAX {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            "merge recordings",
            format!("more than {OPEN_MAX} of them were running at the same time"),
        )
        .advise("convert them in groups, and merge the results with mergecap"))
    }

    fn read(
        &mut self,
        stream: usize,
        moved: &mut dyn FnMut(usize, &mut QueueStream) -> Result<()>,
    ) -> Result<bool> {
        let entry = &mut self.streams[stream];
        let was_open = entry.is_open();
        let goes_on = entry.advance()?;
        self.open = self.open + usize::from(goes_on) - usize::from(was_open);
        if entry.has_events() {
            moved(stream, entry)?;
        }
        Ok(goes_on)
    }

    #[inline]
    pub(super) fn stream(&self, stream: usize) -> &QueueStream {
        &self.streams[stream]
    }

    pub(super) fn streams(&self) -> &[QueueStream] {
        &self.streams
    }

    /// Returns the number of bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.streams.iter().map(QueueStream::position).sum()
    }
}
