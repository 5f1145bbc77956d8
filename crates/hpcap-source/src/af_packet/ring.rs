//! The receive ring of TPACKET_V3: blocks of frames in memory shared with the kernel.
//!
//! The kernel owns a block until it sets `TP_STATUS_USER`; then the source owns all of the block's
//! bytes until it sets `TP_STATUS_KERNEL`. Blocks are filled, handed over and given back in turn.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::batch::Batch;
use crate::stream::Traits;
use hpcap_host::interface::Link;

/// Offset of the status in a block.
const STATUS_OFFSET: usize = offset_of!(libc::tpacket_block_desc, hdr);

/// The ring, and the position up to which it was read.
#[derive(Debug)]
pub(super) struct Ring {
    memory: NonNull<u8>,
    pub(super) block_bytes: usize,
    blocks: usize,
    /// The block that is read now, or the next one that the kernel hands over.
    block: usize,
    reading: Option<Reading>,
    /// Number of frames with the kernel's time, which is every frame unless the NIC was asked for
    /// its time.
    pub(super) stamped_by_kernel: u64,
    /// The number that the kernel gives to the block after the last one that was opened.
    next_seq: u64,
    /// Number of frames in the blocks that were opened.
    handed_over: u64,
}

// SAFETY: this value alone owns the mapping in this process, and the kernel's use of it does not
// depend on threads.
unsafe impl Send for Ring {}

/// The position in the block that is read now.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// The block's number; the kernel numbers the blocks in the order in which it fills them.
    seq: u64,
    frames_left: u32,
    /// Offset in the block of the next frame's header.
    next: usize,
}

impl Ring {
    /// Maps the ring that was set up on `fd`.
    pub(super) fn map(fd: &OwnedFd, block_bytes: u32, blocks: u32) -> io::Result<Self> {
        let (block_bytes, blocks) = (block_bytes as usize, blocks as usize);
        // SAFETY: a new mapping, placed by the kernel; the result is checked.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                block_bytes * blocks,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self {
            memory,
            block_bytes,
            blocks,
            block: 0,
            reading: None,
            stamped_by_kernel: 0,
            // The kernel numbers blocks from 1.
            next_seq: 1,
            handed_over: 0,
        })
    }

    /// Returns the first byte of the block that is read now.
    pub(super) fn start(&self) -> *mut u8 {
        // SAFETY: `block` is below `blocks`, so the offset is inside the mapping.
        unsafe { self.memory.as_ptr().add(self.block * self.block_bytes) }
    }

    fn status(&self) -> &AtomicU32 {
        self.status_of(self.block)
    }

    fn status_of(&self, block: usize) -> &AtomicU32 {
        assert!(block < self.blocks);
        // SAFETY: the assertion keeps the block inside the mapping. A block starts on a page
        // boundary with a `tpacket_block_desc`, so the status is aligned. The kernel shares the
        // word, and this process writes it only through this reference.
        unsafe {
            let start = self.memory.as_ptr().add(block * self.block_bytes);
            AtomicU32::from_ptr(start.add(STATUS_OFFSET).cast())
        }
    }

    /// Gives the block back to the kernel if all of its frames have been taken. The caller has
    /// cleared the batch that they were lent with, so nothing uses them any more.
    pub(super) fn release(&mut self) {
        if self.reading.is_some_and(|r| r.frames_left == 0) {
            self.status()
                .store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.block = (self.block + 1) % self.blocks;
            self.reading = None;
        }
    }

    /// Returns whether all frames of the block that is read were taken, so that it can be given
    /// back.
    pub(super) fn is_block_read(&self) -> bool {
        self.reading.is_some_and(|r| r.frames_left == 0)
    }

    /// Returns the number of the block that is read, or of the next block.
    pub(super) fn seq(&self) -> u64 {
        self.reading.map_or(self.next_seq, |r| r.seq)
    }

    /// If every block is owned by this process, so that the kernel has none to fill, returns the
    /// number of the block that it fills next. Frames lost until then are missing before that
    /// block.
    pub(super) fn seq_after_full(&self) -> Option<u64> {
        let last = (self.block + self.blocks - 1) % self.blocks;
        let is_ours =
            |block| self.status_of(block).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        // Blocks are filled in turn, so the last one is handed over only after all others.
        (is_ours(self.block) && is_ours(last)).then(|| self.seq() + self.blocks as u64)
    }

    /// Returns whether every frame of every block that was handed over has been taken.
    pub(super) fn is_drained(&self) -> bool {
        self.reading.is_none() && self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0
    }

    /// Returns the number of frames in the blocks that the kernel has handed over, as far as they were opened.
    pub(super) fn handed_over(&self) -> u64 {
        self.handed_over
    }

    /// Opens the next block if the kernel has handed it over. Returns the position in the open
    /// block.
    fn open_block(&mut self) -> Option<Reading> {
        if self.reading.is_none()
            && self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
        {
            // SAFETY: a block starts with this structure, all fields of which are integers, and
            // since the load above the block belongs to this process.
            let block = unsafe { self.start().cast::<libc::tpacket_block_desc>().read() };
            // SAFETY: `bh1` is the only member of the union.
            let header = unsafe { block.hdr.bh1 };
            self.next_seq = header.seq_num + 1;
            self.handed_over += u64::from(header.num_pkts);
            self.reading = Some(Reading {
                seq: header.seq_num,
                frames_left: header.num_pkts,
                next: header.offset_to_first_pkt as usize,
            });
        }
        self.reading
    }

    /// Adds the next frames of one block to `batch`, with their VLAN tags, and with headers where
    /// `link` is cooked, and what is known of each frame to `traits`. Without `traits`, a frame that
    /// the loopback interface both sends and receives is added only once. Returns how many frames
    /// are lost because the block contradicts itself.
    pub(super) fn take(
        &mut self,
        batch: &mut Batch,
        link: Link,
        mut traits: Option<&mut Vec<Traits>>,
    ) -> u64 {
        let Some(mut reading) = self.open_block() else {
            return 0;
        };
        let mut unreadable = 0;
        while reading.frames_left > 0 && !batch.is_full() {
            match self.take_frame(reading.next, batch, link, traits.as_deref_mut()) {
                Some(next) => {
                    reading.frames_left -= 1;
                    reading.next = next;
                }
                None => {
                    unreadable = u64::from(reading.frames_left);
                    reading.frames_left = 0;
                }
            }
        }
        self.reading = Some(reading);
        unreadable
    }

    /// Returns the number of frames since the last call that do not have the NIC's time.
    pub(super) fn take_stamped_by_kernel(&mut self) -> u64 {
        std::mem::take(&mut self.stamped_by_kernel)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping has this length, and nothing refers to it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.block_bytes * self.blocks) };
    }
}
