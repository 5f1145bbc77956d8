//! One receive queue of the interface: takes the frames of its socket, and gives the chunks back.

use hpcap::Result;
use hpcap::error::Context;

use super::super::BATCH;
use super::super::batch::Batch;
use super::super::losses::Gaps;
use super::super::prefetch::prefetch_line;
use super::clock::{Clock, Stamp};
use super::program::STAMP_BYTES;
use super::socket::Socket;

/// Longest frame in bytes: what the kernel can join in one frame, with all headers.
const FRAME_BYTES_MAX: usize = 128 << 10;
/// Room for the frames of one batch that are in several chunks.
const JOINED_BYTES: usize = 1 << 20;

/// Memory in which frames that arrived in several chunks are put together.
#[derive(Debug)]
pub(super) struct Joined {
    memory: Box<[u8]>,
    used: usize,
}

impl Joined {
    pub(super) fn new() -> Self {
        Self {
            memory: vec![0; JOINED_BYTES].into(),
            used: 0,
        }
    }

    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// Returns whether there is room for the longest frame.
    fn has_room(&self) -> bool {
        self.memory.len() - self.used >= FRAME_BYTES_MAX
    }
}

/// The result of [`Queue::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The next frame is in the batch.
    Frame,
    /// The next frame makes no sense and was skipped.
    Damaged,
    /// The next frame has to wait for the next batch.
    Later,
}

/// A queue with its socket.
#[derive(Debug)]
pub(super) struct Queue {
    /// The number of the queue in the interface.
    pub(super) number: u32,
    pub(super) socket: Socket,
    /// Number of descriptors taken so far. The receive ring's counter is its lower half.
    taken: u64,
    /// Number of descriptors that can be taken, as of the last look.
    ready: u32,
    /// Number of chunks given to the kernel so far, modulo 2^32.
    filled: u32,
    /// The chunks of taken frames, which go back to the kernel when the batch is released.
    lent: Vec<u64>,
    /// The bits of an address that are its place in a chunk.
    in_chunk: u64,
    gaps: Gaps,
    drops: u64,
}

/// The next frame of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    descriptor: libc::xdp_desc,
    /// The first byte; `None` if the descriptor leads out of the memory.
    start: Option<*mut u8>,
    pub(super) stamp: Stamp,
}

/// Number of frames between one that is taken and one whose memory is loaded into the cache.
const AHEAD: u32 = 6;

impl Queue {
    /// Gives all chunks of `socket`, which is to have the frames of queue `number`, to the kernel.
    pub(super) fn new(number: u32, socket: Socket) -> Self {
        let (chunks, bytes) = (socket.memory.chunks, socket.memory.chunk_bytes);
        for chunk in 0..chunks {
            socket.fill.put(chunk, u64::from(chunk) * u64::from(bytes));
        }
        socket.fill.0.set_produced(chunks);
        Self {
            number,
            taken: 0,
            ready: 0,
            filled: chunks,
            lent: Vec::with_capacity(BATCH * FRAME_BYTES_MAX / bytes as usize),
            // The length of a chunk is a power of two.
            in_chunk: u64::from(bytes) - 1,
            gaps: Gaps::default(),
            drops: 0,
            socket,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the ring counts modulo 2^32"
    )]
    fn position(&self) -> u32 {
        self.taken as u32
    }

    /// Gives the chunks of taken frames back to the kernel. No frame may be lent any more.
    ///
    /// If the kernel has no chunks left for a frame, all frames that it has dropped so far are
    /// missing behind those that wait in the receive ring.
    pub(super) fn release(&mut self) -> Result<()> {
        if self.lent.is_empty() {
            return Ok(());
        }
        // Chunks that are neither in the receive ring nor lent are the kernel's.
        let end = self.end_of_received();
        let used = end - self.taken + self.lent.len() as u64;
        let spare = u64::from(self.socket.memory.chunks).saturating_sub(used);
        let before = (spare < self.chunks_of_longest_frame()).then_some(end);
        if let Some(before) = before {
            self.note_drops(before)?;
        }
        for chunk in self.lent.drain(..) {
            self.socket.fill.put(self.filled, chunk);
            self.filled = self.filled.wrapping_add(1);
        }
        self.socket.fill.0.set_produced(self.filled);
        if let Some(before) = before {
            // Frames that the kernel dropped between the call above and this one.
            self.note_drops(before)?;
        }
        if self.socket.fill.0.needs_wakeup() {
            self.socket.wake();
        }
        Ok(())
    }

    fn chunks_of_longest_frame(&self) -> u64 {
        FRAME_BYTES_MAX as u64 / u64::from(self.socket.memory.chunk_bytes)
    }

    /// Returns the number of the descriptor that the kernel puts in next.
    fn end_of_received(&self) -> u64 {
        let waiting = self
            .socket
            .receive
            .0
            .produced()
            .wrapping_sub(self.position());
        self.taken + u64::from(waiting)
    }

    /// Notes the frames that were dropped since the last call as missing before descriptor `before`.
    fn note_drops(&mut self, before: u64) -> Result<()> {
        let now = self
            .socket
            .drops()
            .context(|| "read the statistics of an AF_XDP socket")?;
        self.gaps.missed_before(before, now - self.drops);
        self.drops = now;
        Ok(())
    }

    /// Reads the counter of dropped frames.
    pub(super) fn count(&mut self) -> Result<()> {
        let before = self.end_of_received();
        self.note_drops(before)
    }

    /// Looks how many frames wait. Returns whether there are any.
    pub(super) fn refresh(&mut self) -> bool {
        self.ready = self
            .socket
            .receive
            .0
            .produced()
            .wrapping_sub(self.position());
        self.ready > 0
    }

    /// Returns how many frames are known to be missing before the next one, once.
    pub(super) fn take_missing(&mut self) -> u64 {
        self.gaps.reached(self.taken)
    }

    /// Returns whether frames are missing before the next one. A report of losses stands before
    /// the frames of its batch, so the batch must end here.
    pub(super) fn is_at_gap(&self) -> bool {
        self.gaps.next().is_some_and(|entry| entry <= self.taken)
    }

    /// Returns the bytes of a chunk, or `None` if the descriptor leads out of the memory.
    fn bytes(&self, descriptor: &libc::xdp_desc) -> Option<*mut u8> {
        let memory = &self.socket.memory;
        let in_chunk = descriptor.addr & self.in_chunk;
        let inside = in_chunk >= STAMP_BYTES as u64
            && in_chunk + u64::from(descriptor.len) <= self.in_chunk + 1
            && descriptor.addr < memory.mapped.bytes() as u64;
        // SAFETY: the address is inside the mapping, whose length is a multiple of that of a chunk.
        inside.then(|| unsafe {
            let at = usize::try_from(descriptor.addr).unwrap_or(0);
            memory.mapped.start().add(at)
        })
    }

    /// Loads the chunk of a frame that is taken soon into the cache. Chunks do not follow each other
    /// in memory, so the processor does not do so by itself.
    fn prefetch(&self) {
        if self.ready > AHEAD
            && let Some(start) = self.bytes(&self.descriptor_after(AHEAD))
        {
            prefetch_line(start.wrapping_sub(STAMP_BYTES));
            prefetch_line(start);
        }
    }

    /// Returns the next frame, which stays where it is; `None` if none is ready.
    pub(super) fn next(&self, clock: &Clock) -> Option<Next> {
        if self.ready == 0 {
            return None;
        }
        self.prefetch();
        let descriptor = self.descriptor_after(0);
        let start = self.bytes(&descriptor);
        let stamp = start.map_or_else(
            || clock.without_stamp(),
            |start| {
                // SAFETY: `bytes` checked that the chunk has room for a stamp before the frame; the
                // kernel does not write to the chunk before it gets it back.
                clock.stamp(unsafe { start.sub(STAMP_BYTES).cast::<[u64; 2]>().read_unaligned() })
            },
        );
        Some(Next {
            descriptor,
            start,
            stamp,
        })
    }

    /// Takes the frame that [`next`](Self::next) has returned.
    pub(super) fn take(&mut self, next: &Next, batch: &mut Batch, joined: &mut Joined) -> Taken {
        let Next {
            descriptor, stamp, ..
        } = next;
        if descriptor.options & libc::XDP_PKT_CONTD != 0 {
            return self.take_joined(*stamp, batch, joined);
        }
        self.advance(1);
        self.lend(descriptor);
        let Some(start) = next.start else {
            return Taken::Damaged;
        };
        // SAFETY: `bytes` checked that the frame is inside its chunk. The kernel does not write to
        // the chunk before it gets it back.
        let data = unsafe { std::slice::from_raw_parts(start, descriptor.len as usize) };
        // SAFETY: the chunk goes back to the kernel, and the memory away, only after the batch was
        // cleared.
        unsafe { batch.push(data, descriptor.len, stamp.sec, stamp.nsec) };
        Taken::Frame
    }

    /// Takes a frame whose bytes are in several chunks, and puts it together.
    fn take_joined(&mut self, stamp: Stamp, batch: &mut Batch, joined: &mut Joined) -> Taken {
        if !joined.has_room() {
            return Taken::Later;
        }
        let continues = |d: &libc::xdp_desc| d.options & libc::XDP_PKT_CONTD != 0;
        let mut chunks = 1;
        while continues(&self.descriptor_after(chunks - 1)) {
            chunks += 1;
            if chunks > self.ready {
                // The kernel has not handed over the rest yet.
                return Taken::Later;
            }
        }
        let (start, mut length, mut whole) = (joined.used, 0, true);
        for number in 0..chunks {
            let descriptor = self.descriptor_after(number);
            let part = descriptor.len as usize;
            match self.bytes(&descriptor) {
                Some(from) if length + part <= FRAME_BYTES_MAX => {
                    let to = &mut joined.memory[start + length..][..part];
                    // SAFETY: `bytes` checked that the part is inside its chunk, which the kernel
                    // does not write to before it gets it back.
                    to.copy_from_slice(unsafe { std::slice::from_raw_parts(from, part) });
                    length += part;
                }
                _ => whole = false,
            }
        }
        for _ in 0..chunks {
            let descriptor = self.socket.receive.descriptor(self.position());
            self.advance(1);
            self.lend(&descriptor);
        }
        if !whole {
            return Taken::Damaged;
        }
        joined.used += length.next_multiple_of(8);
        let data = &joined.memory[start..start + length];
        let len = u32::try_from(length).unwrap_or(u32::MAX);
        // SAFETY: the memory is behind a pointer, and reused only after the batch was cleared.
        unsafe { batch.push(data, len, stamp.sec, stamp.nsec) };
        Taken::Frame
    }

    fn descriptor_after(&self, number: u32) -> libc::xdp_desc {
        let position = self.position().wrapping_add(number);
        self.socket.receive.descriptor(position)
    }

    fn advance(&mut self, descriptors: u32) {
        self.taken += u64::from(descriptors);
        self.ready -= descriptors;
    }

    /// Notes the chunk of a taken descriptor, to give it back later.
    fn lend(&mut self, descriptor: &libc::xdp_desc) {
        self.lent.push(descriptor.addr & !self.in_chunk);
    }

    /// Tells the kernel which descriptors were taken.
    pub(super) fn publish(&self) {
        self.socket.receive.0.set_consumed(self.position());
    }

    /// Number of descriptors taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}
