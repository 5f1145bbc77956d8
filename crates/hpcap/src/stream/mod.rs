//! The events of a queue, a recording or a capture file, one after another: frames, and reports of
//! missing frames.
//!
//! A [`Stream`] is the API for most programs. It has the same events whatever it reads:
//!
//! | source | opened with |
//! |---|---|
//! | a running queue | [`Queue::follow`], [`Queue::record`], [`Queue::stream`] |
//! | a RAW, pcap or pcapng file, also compressed with gzip or Zstandard | [`Stream::open`] |
//! | a folder of such files, as `hpcapdd` writes it | [`Stream::open`] |
//!
//! # Queues
//!
//! ```no_run
//! use hpcap::{Event, Queue};
//!
//! # fn main() -> hpcap::Result<()> {
//! let queue = Queue::open("hpcap0")?;
//! let mut stream = queue.follow("top-talkers")?;
//! while let Some(event) = stream.next()? {
//!     match event {
//!         Event::Frame(frame) => println!("{} {}", frame.time, frame.data.len()),
//!         Event::Missed(gap) => eprintln!("missed {} frames: {}", gap.frames(), gap.reason()),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Queue::follow`] never costs another program a frame: the producer overwrites what the stream
//! has not read yet, and the stream then reports the number of these frames as [`Event::Missed`].
//! [`Queue::record`] misses no frame, but holds the ring back: while its program is slow, frames
//! for which the ring has no space are lost for every listener. [`Queue::stream`] returns a
//! [`Builder`] for all other settings: the contract, the position of the start, and how much to wait
//! for before the program wakes up.
//!
//! [`Queue::follow`]: crate::Queue::follow
//! [`Queue::record`]: crate::Queue::record
//! [`Queue::stream`]: crate::Queue::stream
//!
//! Even a program that reads without a pause must acknowledge what it has read, or the ring becomes
//! full. A stream does this itself whenever a sixteenth of the ring was read, and before it waits.
//! A program that needs whole blocks, or that acknowledges only after it has stored what it read,
//! uses a [`Listener`] instead.
//!
//! # Files
//!
//! The first bytes of a file decide its format, not its name. The files of a folder come in the
//! order in which they were recorded, one source after another. This program writes a file and reads
//! it:
//!
//! ```
//! use hpcap::raw::Writer;
//! use hpcap::{Event, Stream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("two.raw");
//! let mut writer = Writer::new(std::fs::File::create(&path)?);
//! writer.frame(1_700_000_000, 0, 1514, &[0; 60])?; // seconds, ns, length on the wire, bytes
//! writer.frame(1_700_000_001, 0, 60, &[1; 60])?;
//! writer.close(4096)?;
//!
//! let mut stream = Stream::open(&path)?;
//! let mut lengths = Vec::new();
//! while let Some(event) = stream.next()? {
//!     if let Event::Frame(frame) = event {
//!         lengths.push((frame.len, frame.data.len()));
//!     }
//! }
//! assert_eq!(lengths, [(1514, 60), (60, 60)]);
//! # Ok(())
//! # }
//! ```
//!
//! # Filters
//!
//! `Stream::filter` takes an expression in tcpdump's syntax. It is there with the feature `filter` of
//! this crate, which needs libpcap. The program then gets only the frames that match; all other
//! events come as before, and frames that do not match are not missed.
//!
//! # Waiting
//!
//! [`Stream::next`] sleeps until there is an event. A program that waits for several descriptors at
//! once, or that runs in an event loop such as tokio's, makes the stream [`Pollable`].
//!
//! # Memory
//!
//! An event borrows its bytes until the next call. They are in the ring of a lossless stream, and in
//! the read buffer of a file. A record of a lossy stream is copied once, because the producer may
//! overwrite it at any time. A [`RingStream`] copies no record: it shows each frame in the ring to a
//! function of the program.

mod builder;
mod event;
mod files;
#[cfg(feature = "filter")]
mod filter;
#[cfg(not(feature = "filter"))]
#[path = "unfiltered.rs"]
mod filter;
mod in_place;
mod marks;
mod pollable;
mod queue;

use std::path::Path;
use std::task::Poll;

use crate::error::Result;
use crate::listener::Listener;
pub use builder::Builder;
pub use event::{Event, Frame, Missed};
use files::FileStream;
use filter::FrameFilter;
pub use in_place::{Looked, RingFrame, RingStream};
pub use pollable::Pollable;
use queue::QueueStream;

/// The events of a source. Dropping the stream of a queue detaches its listener.
#[derive(Debug)]
pub struct Stream {
    source: Source,
    filter: Option<FrameFilter>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a stream is moved rarely and read for every frame"
)]
enum Source {
    Queue(QueueStream),
    Files(FileStream),
}

impl From<Listener> for Stream {
    /// Returns a stream of the events that `listener` has not read yet. Each record is copied once
    /// unless the contract is [`Contract::Lossless`](crate::Contract::Lossless).
    fn from(listener: Listener) -> Self {
        let contract = listener.contract();
        Self::of(Source::Queue(QueueStream::new(listener, contract)))
    }
}

impl Stream {
    fn of(source: Source) -> Self {
        Self {
            source,
            filter: None,
        }
    }

    /// Opens a RAW, pcap or pcapng file, or a folder of such files.
    ///
    /// # Errors
    /// Returns [`Kind::NotFound`](crate::Kind::NotFound) when there is no such file, or no file in
    /// the folder; [`Kind::Format`](crate::Kind::Format) when a capture file is damaged within its
    /// header; errors of the file system. [`Stream::next`] refuses a file of another format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        FileStream::open(path.as_ref()).map(|files| Self::of(Source::Files(files)))
    }

    /// Returns only the frames that `expression` matches, in tcpdump's syntax (pcap-filter(7)). It
    /// replaces an earlier filter; an empty expression matches every frame.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`](crate::Kind::Usage) when the expression is invalid.
    #[cfg(feature = "filter")]
    pub fn filter(mut self, expression: &str) -> Result<Self> {
        let link_type = match &self.source {
            Source::Queue(queue) => Some(queue.listener().info().link_type),
            Source::Files(files) => files.link_type(),
        };
        self.filter = match expression.trim() {
            "" => None,
            expression => Some(FrameFilter::new(expression, link_type)?),
        };
        Ok(self)
    }

    /// Waits for the next event. Returns `None` when the source came to its end and everything was
    /// read. Data that an event borrows is valid until the next call.
    ///
    /// # Errors
    /// Of a queue, returns [`Kind::Gone`] when the producer failed, was stopped or died, after all
    /// events published before; [`Kind::Killed`] when another process killed this listener;
    /// [`Kind::Format`] when the ring has no whole record at a position where there must be one.
    ///
    /// Of a file, returns [`Kind::Format`] when it has another format, or is a capture file that is
    /// damaged; errors of the file system. The next call continues with the next file of the folder.
    ///
    /// [`Kind::Gone`]: crate::Kind::Gone
    /// [`Kind::Killed`]: crate::Kind::Killed
    /// [`Kind::Format`]: crate::Kind::Format
    #[expect(
        clippy::should_implement_trait,
        reason = "an event borrows from the stream, which an Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        match &mut self.source {
            Source::Queue(queue) => {
                if self.filter.is_none()
                    && let Some(record) = queue.find_frame()
                {
                    return Ok(Some(Event::Frame(queue.take_unmarked(&record))));
                }
                queue.next(self.filter.as_mut())
            }
            Source::Files(files) => files.next(self.filter.as_mut()),
        }
    }

    /// Returns the next event without waiting; [`Poll::Pending`] when none has come yet. The stream
    /// of a file is never pending.
    ///
    /// # Errors
    /// Returns the errors of [`Stream::next`].
    pub fn try_next(&mut self) -> Result<Poll<Option<Event<'_>>>> {
        match &mut self.source {
            Source::Queue(queue) => {
                if self.filter.is_none()
                    && let Some(record) = queue.find_frame()
                {
                    let frame = queue.take_unmarked(&record);
                    return Ok(Poll::Ready(Some(Event::Frame(frame))));
                }
                queue.try_next(self.filter.as_mut())
            }
            Source::Files(files) => files.next(self.filter.as_mut()).map(Poll::Ready),
        }
    }

    /// The listener of the stream, with its position, its contract and the ledger of its queue;
    /// `None` for files.
    #[must_use]
    pub fn listener(&self) -> Option<&Listener> {
        match &self.source {
            Source::Queue(queue) => Some(queue.listener()),
            Source::Files(_) => None,
        }
    }
}
