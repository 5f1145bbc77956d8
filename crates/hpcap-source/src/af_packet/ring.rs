//! The receive ring of TPACKET_V3: blocks of frames in memory shared with the kernel.
//!
//! A block belongs to the kernel until it says `TP_STATUS_USER`, then to us, all of its bytes,
//! until we say `TP_STATUS_KERNEL`. Blocks are filled, handed over and given back in turn.

use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::batch::Batch;
use super::super::interface::Link;
use super::cooked::{self, From};
use super::vlan;

/// Where a block's own header keeps its status.
const STATUS_OFFSET: usize = offset_of!(libc::tpacket_block_desc, hdr);
const FRAME_HEADER_BYTES: usize = size_of::<libc::tpacket3_hdr>();

/// The ring, and the place up to which it is read.
#[derive(Debug)]
pub(super) struct Ring {
    memory: NonNull<u8>,
    block_bytes: usize,
    blocks: usize,
    /// The block that is read, or the one that is handed over next.
    block: usize,
    reading: Option<Reading>,
    /// Frames with the kernel's time, which all have unless the NIC was asked for its own.
    stamped_by_kernel: u64,
    /// The number that the kernel gives to the block after the last one that was taken.
    next_seq: u64,
}

// SAFETY: the mapping is memory that this value alone owns in this process; the kernel's part in
// it does not depend on threads.
unsafe impl Send for Ring {}

/// The place in the block that is ours now.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// The block's number: the kernel counts those that it fills.
    seq: u64,
    frames_left: u32,
    /// Offset in the block of the next frame's header.
    next: usize,
}

/// Where a frame is in its block, after its header was found to make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: usize,
    caplen: usize,
    /// Offset of the header after this one; only of use when there is one.
    next: usize,
}

/// Checks what a frame's header, at offset `at` of a block, says about places in the block.
fn place(header: &libc::tpacket3_hdr, at: usize, block_bytes: usize) -> Option<Place> {
    let offset = usize::from(header.tp_mac);
    let start = at.checked_add(offset)?;
    let caplen = header.tp_snaplen as usize;
    let end = start.checked_add(caplen)?;
    let next = at.checked_add(header.tp_next_offset as usize)?;
    (offset >= FRAME_HEADER_BYTES && end <= block_bytes && header.tp_snaplen <= header.tp_len)
        .then_some(Place {
            start,
            caplen,
            next,
        })
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
            // The kernel counts from 1.
            next_seq: 1,
        })
    }

    /// The first byte of the block that is read now.
    fn start(&self) -> *mut u8 {
        // SAFETY: `block` is below `blocks`, so the offset is inside the mapping.
        unsafe { self.memory.as_ptr().add(self.block * self.block_bytes) }
    }

    fn status(&self) -> &AtomicU32 {
        self.status_of(self.block)
    }

    fn status_of(&self, block: usize) -> &AtomicU32 {
        assert!(block < self.blocks);
        // SAFETY: inside the mapping: the block is one of those that there are. A block starts with a `tpacket_block_desc`, on a page's edge, so the status is
        // aligned. The kernel and we change it; nobody uses it in any other way than as this.
        unsafe {
            let start = self.memory.as_ptr().add(block * self.block_bytes);
            AtomicU32::from_ptr(start.add(STATUS_OFFSET).cast())
        }
    }

    /// Gives the block back if all of its frames have been taken. Nothing may use them any more:
    /// the batch that they were lent with has been cleared.
    pub(super) fn release(&mut self) {
        if self.reading.is_some_and(|r| r.frames_left == 0) {
            self.status()
                .store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.block = (self.block + 1) % self.blocks;
            self.reading = None;
        }
    }

    /// Whether all frames of the block that is read were taken, so that it can be given back.
    pub(super) fn is_block_read(&self) -> bool {
        self.reading.is_some_and(|r| r.frames_left == 0)
    }

    /// The number of the block that is read, or the next one to be.
    pub(super) fn seq(&self) -> u64 {
        self.reading.map_or(self.next_seq, |r| r.seq)
    }

    /// The number of the block that the kernel fills next, where it has none to fill: every block
    /// is ours. What it loses meanwhile is missing before the first frame of that block.
    pub(super) fn seq_after_full(&self) -> Option<u64> {
        let last = (self.block + self.blocks - 1) % self.blocks;
        let is_ours =
            |block| self.status_of(block).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        // Blocks are filled in turn: when the last one is ours, all are.
        (is_ours(self.block) && is_ours(last)).then(|| self.seq() + self.blocks as u64)
    }

    /// Whether every frame of every block that was handed over has been taken.
    pub(super) fn is_drained(&self) -> bool {
        self.reading.is_none() && self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0
    }

    /// Starts on the next block, if the kernel has handed it over.
    fn open_block(&mut self) -> Option<Reading> {
        if self.reading.is_none()
            && self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
        {
            // SAFETY: a block starts with this structure, which is integers throughout, and the
            // block is ours since the load above.
            let block = unsafe { self.start().cast::<libc::tpacket_block_desc>().read() };
            // SAFETY: the union has this one member.
            let header = unsafe { block.hdr.bh1 };
            self.next_seq = header.seq_num + 1;
            self.reading = Some(Reading {
                seq: header.seq_num,
                frames_left: header.num_pkts,
                next: header.offset_to_first_pkt as usize,
            });
        }
        self.reading
    }

    /// Adds the next frames of one block to `batch`; VLAN tags, and headers of cooked frames, are
    /// put before them as `link` has them. Returns how many frames could not be found, although the block should have them.
    pub(super) fn take(&mut self, batch: &mut Batch, link: Link) -> u64 {
        let Some(mut reading) = self.open_block() else {
            return 0;
        };
        let mut unreadable = 0;
        while reading.frames_left > 0 && !batch.is_full() {
            match self.take_frame(reading.next, batch, link) {
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

    /// Adds the frame whose header is at offset `at` of the block; returns where the next one
    /// is. `None` when the offsets lead out of the block.
    fn take_frame(&mut self, at: usize, batch: &mut Batch, link: Link) -> Option<usize> {
        if at.checked_add(FRAME_HEADER_BYTES)? > self.block_bytes {
            return None;
        }
        // SAFETY: the header is inside the block, the block is ours, and the structure is
        // integers throughout; the read does not ask for alignment.
        let header = unsafe {
            self.start()
                .add(at)
                .cast::<libc::tpacket3_hdr>()
                .read_unaligned()
        };
        let Place {
            mut start,
            mut caplen,
            next,
        } = place(&header, at, self.block_bytes)?;
        if header.tp_status & libc::TP_STATUS_TS_RAW_HARDWARE == 0 {
            self.stamped_by_kernel += 1;
        }
        let mut len = header.tp_len;
        let tag = (header.tp_status & libc::TP_STATUS_VLAN_VALID != 0).then(|| {
            let known = header.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
            let tpid = if known { header.hv1.tp_vlan_tpid } else { 0 };
            #[allow(clippy::cast_possible_truncation, reason = "16 bits in a wider field")]
            let tci = header.hv1.tp_vlan_tci as u16;
            vlan::tag(tpid, tci)
        });
        if link.is_cooked() {
            let from = self.from(at)?;
            if from.is_seen_again() {
                return Some(next);
            }
            let added = self.put_header(&from, start, tag)?;
            start -= added;
            caplen += added;
            len = len.saturating_add(u32::try_from(added).unwrap_or(0));
        } else if let Some(tag) = tag.filter(|_| link.has_addresses()) {
            let room_start = start - vlan::TAG_BYTES;
            // SAFETY: `place` found the frame to be inside the block, behind a header that is
            // longer than a tag, so the room is inside the block, too. The block is ours, and
            // nothing else refers to these bytes: other frames have their own.
            let room = unsafe {
                std::slice::from_raw_parts_mut(
                    self.start().add(room_start),
                    caplen + vlan::TAG_BYTES,
                )
            };
            if vlan::put_back(room, tag) {
                start = room_start;
                caplen += vlan::TAG_BYTES;
                len = len.saturating_add(vlan::TAG_BYTES as u32);
            }
        }
        // SAFETY: inside the block, as `place` found, which is ours.
        let data = unsafe { std::slice::from_raw_parts(self.start().add(start), caplen) };
        // SAFETY: the bytes stay, unchanged, until the block goes back to the kernel, or the
        // ring is unmapped: both happen only after the batch was cleared.
        unsafe { batch.push(data, len, header.tp_sec.into(), header.tp_nsec) };
        Some(next)
    }
}

/// Where a frame's address stands behind its header.
const ADDRESS_OFFSET: usize = FRAME_HEADER_BYTES.next_multiple_of(16);

impl Ring {
    /// Where the frame whose header is at `at` came from.
    fn from(&self, at: usize) -> Option<From> {
        let start = at.checked_add(ADDRESS_OFFSET)?;
        if start.checked_add(size_of::<libc::sockaddr_ll>())? > self.block_bytes {
            return None;
        }
        // SAFETY: the structure is inside the block, which is ours, and is integers throughout;
        // the read does not ask for alignment.
        let address = unsafe {
            self.start()
                .add(start)
                .cast::<libc::sockaddr_ll>()
                .read_unaligned()
        };
        Some(From::of(&address))
    }

    /// Puts the header of a cooked frame before the frame at `start`. Returns its bytes.
    fn put_header(&mut self, from: &From, start: usize, tag: Option<[u8; 4]>) -> Option<usize> {
        const ROOM: usize = cooked::HEADER_BYTES + vlan::TAG_BYTES;
        let room_start = start.checked_sub(ROOM)?;
        // SAFETY: `place` found the frame to be inside the block, behind a header that is longer
        // than the room. The block is ours, and nothing else refers to these bytes: the kernel
        // leaves as much free before each frame (PACKET_RESERVE).
        let room = unsafe { &mut *self.start().add(room_start).cast::<[u8; ROOM]>() };
        Some(from.put(room, tag))
    }

    /// Frames since the last call whose time the NIC has not given.
    pub(super) fn take_stamped_by_kernel(&mut self) -> u64 {
        std::mem::take(&mut self.stamped_by_kernel)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is as long as it was made, and nothing refers to it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.block_bytes * self.blocks) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 4096;

    fn header(mac: u16, snaplen: u32, next: u32) -> libc::tpacket3_hdr {
        // SAFETY: integers throughout; zero is a valid value.
        let mut header: libc::tpacket3_hdr = unsafe { std::mem::zeroed() };
        header.tp_mac = mac;
        header.tp_snaplen = snaplen;
        header.tp_len = snaplen;
        header.tp_next_offset = next;
        header
    }

    #[test]
    fn offsets_that_lead_out_of_the_block_are_refused() {
        let good = place(&header(82, 60, 160), 48, BLOCK);
        assert_eq!(
            good,
            Some(Place {
                start: 130,
                caplen: 60,
                next: 208
            })
        );
        assert!(place(&header(82, 0, 0), 48, BLOCK).is_some());
        for (header, at) in [
            (header(82, 60, 0), BLOCK - 141),      // the frame ends outside
            (header(47, 60, 0), 48),               // the frame starts in its own header
            (header(82, u32::MAX, 0), 48),         // far too long
            (header(82, 60, 0), usize::MAX - 100), // wraps
        ] {
            assert_eq!(place(&header, at, BLOCK), None);
        }
        let mut longer_than_its_frame = header(82, 60, 0);
        longer_than_its_frame.tp_len = 59;
        assert_eq!(place(&longer_than_its_frame, 48, BLOCK), None);
    }
}
