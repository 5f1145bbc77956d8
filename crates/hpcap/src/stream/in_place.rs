//! The events of a queue, whose frames stay where they are in the ring.

use super::event::Event;
use super::queue::QueueStream;
use crate::error::Result;
use crate::listener::{Listener, RingBytes};
use crate::time::Timestamp;

/// A frame where it is in the ring.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RingFrame<'a> {
    /// Time at which the frame was captured.
    pub time: Timestamp,
    /// Length of the frame on the wire in bytes, without FCS.
    pub len: u32,
    /// The captured bytes of the frame.
    pub bytes: RingBytes<'a>,
    /// LINKTYPE_ value of the frame; 1 = Ethernet.
    pub link_type: u32,
    /// Whether the frame is marked as a copy of an earlier one.
    pub is_duplicate: bool,
    /// Whether the machine that captured the frame sent it. `false` if it received the frame, and if the source does
    /// not know.
    pub is_sent: bool,
    /// Stream offset of the frame's record.
    pub offset: u64,
}

/// The result of looking into the ring with a [`RingStream`].
#[derive(Debug)]
pub enum Looked<R> {
    /// A frame, and what the program made of it.
    Frame(R),
    /// Any other event.
    Event(Event<'static>),
}

/// The events of a queue for programs that copy no frame, whatever their contract.
///
/// A [`Stream`](super::Stream) copies each record of a lossy listener, because the producer may overwrite
/// it at any time. This stream instead shows the frame in the ring to a function of the program, and
/// checks afterwards whether the frame was still whole. If not, it drops the result, and reports the
/// frame as missed. The function must therefore have no effect that cannot be undone.
///
/// ```no_run
/// use hpcap::stream::Looked;
/// use hpcap::Queue;
///
/// # fn main() -> hpcap::Result<()> {
/// let mut stream = Queue::open("hpcap0")?.stream("types").open_in_place()?;
/// while let Some(looked) = stream.look(|frame| frame.bytes.u16(12))? {
///     if let Looked::Frame(Some(ethertype)) = looked {
///         println!("{ethertype:#06x}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RingStream {
    queue: QueueStream,
}

impl RingStream {
    pub(super) fn of(queue: QueueStream) -> Self {
        Self { queue }
    }

    /// Waits for the next event. A frame is shown to `look`, once or, if the producer overtook the
    /// first look, not at all afterwards; `look` may also be called for a frame that turns out to be
    /// missed. Returns `None` when the source came to its end and everything was looked at.
    ///
    /// # Errors
    /// Returns the errors of [`Stream::next`](super::Stream::next).
    #[inline(always)]
    pub fn look<R>(&mut self, look: impl FnMut(&RingFrame<'_>) -> R) -> Result<Option<Looked<R>>> {
        self.queue.look(look)
    }

    /// The listener of the stream, with its position, its contract and the ledger of its queue.
    #[must_use]
    pub fn listener(&self) -> &Listener {
        self.queue.listener()
    }
}

impl From<Listener> for RingStream {
    /// Returns a stream of the events that `listener` has not read yet.
    fn from(listener: Listener) -> Self {
        let contract = listener.contract();
        Self::of(QueueStream::new(listener, contract))
    }
}
