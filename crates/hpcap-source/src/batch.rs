//! The frames of one harvest, which a source keeps and lends to its caller.

use hpcap::{Count, Reason};

use super::{BATCH, Frame, Harvest, State};

/// Up to [`BATCH`] frames. The frames point into memory of the source that owns the batch; the
/// contract of [`Batch::push`] ties the two together.
#[derive(Debug)]
pub(crate) struct Batch {
    frames: Vec<Frame<'static>>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            frames: Vec::with_capacity(BATCH),
        }
    }

    /// Removes all frames, so that their memory may change again.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.frames.len() >= BATCH
    }

    /// Adds a frame of `len` bytes, of which `data` was captured,
    /// with its time: `sec` seconds and `nsec` nanoseconds since 1970.
    ///
    /// # Safety
    /// The bytes of `data` must neither move nor change until [`clear`](Self::clear) is called, or
    /// until the borrow of [`lend`](Self::lend) has ended. They must belong to the value that owns
    /// this batch (behind a pointer, so that moving that value does not move them), or be constant.
    pub(crate) unsafe fn push(&mut self, data: &[u8], len: u32, sec: u64, nsec: u32) {
        // SAFETY: the caller keeps the bytes alive and still for as long as the frame is in
        // the batch, and `lend` shortens the lifetime to that of its borrow.
        let data: &'static [u8] = unsafe { std::slice::from_raw_parts(data.as_ptr(), data.len()) };
        self.frames.push(Frame::new(data, len, sec, nsec));
    }

    /// Says that this machine sent the frame that was added last.
    pub(crate) fn mark_last_as_sent(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.set_sent();
        }
    }

    /// Lends the frames as a harvest of a source that never ends by itself, with the frames that are `lost`.
    pub(crate) fn harvest<'a>(&'a mut self, lost: &'a [(Reason, Count)]) -> Harvest<'a> {
        let state = match self.is_empty() {
            true => State::Idle,
            false => State::Busy,
        };
        Harvest {
            frames: self.lend(),
            lost,
            state,
        }
    }

    /// Lends the frames. The owner must clear the batch before it uses it again, because the
    /// borrower may have changed it.
    pub(crate) fn lend<'a>(&'a mut self) -> &'a mut [Frame<'a>] {
        let (frames, count) = (
            self.frames.as_mut_ptr().cast::<Frame<'a>>(),
            self.frames.len(),
        );
        // SAFETY: only the lifetime changes, and it becomes shorter. A borrower may store frames of
        // the shorter lifetime in the slice; nothing reads them afterwards, since every source
        // clears its batch before it fills or lends it again, and a frame has no destructor.
        unsafe { std::slice::from_raw_parts_mut(frames, count) }
    }
}
