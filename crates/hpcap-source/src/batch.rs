//! The frames of one harvest, kept by a source and lent to its caller.

use super::{BATCH, Frame};

/// Room for [`BATCH`] frames. The frames point into memory that the same source owns; what
/// ties the two together is [`Batch::push`]'s contract.
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

    /// Forgets all frames: their memory may change again.
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

    /// Adds `data`, of a frame of `len` bytes, stamped `sec` and `nsec`.
    ///
    /// # Safety
    /// The bytes of `data` stay where they are and do not change until [`clear`](Self::clear)
    /// is called, or until whatever [`lend`](Self::lend) borrowed has ended: they must
    /// belong to the value that owns this batch (behind a pointer, so that moving that value
    /// does not move them), or be constant.
    pub(crate) unsafe fn push(&mut self, data: &[u8], len: u32, sec: u64, nsec: u32) {
        // SAFETY: the caller keeps the bytes alive and still for as long as the frame is in
        // the batch, and `lend` shortens the lifetime to that of its borrow.
        let data: &'static [u8] = unsafe { std::slice::from_raw_parts(data.as_ptr(), data.len()) };
        self.frames.push(Frame::new(data, len, sec, nsec));
    }

    /// Lends the frames. The batch is to be cleared before it is used again: what the
    /// borrower left in it is not looked at.
    pub(crate) fn lend<'a>(&'a mut self) -> &'a mut [Frame<'a>] {
        let (frames, count) = (
            self.frames.as_mut_ptr().cast::<Frame<'a>>(),
            self.frames.len(),
        );
        // SAFETY: only the lifetime changes, and it gets shorter. A borrower may store frames
        // of the shorter lifetime in here; nothing reads them afterwards, since every source
        // clears its batch before it fills or lends it again, and a frame has no destructor.
        unsafe { std::slice::from_raw_parts_mut(frames, count) }
    }
}
