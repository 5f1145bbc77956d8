//! The receive ring of TPACKET_V3: blocks of frames in memory shared with the kernel.
//!
//! The kernel owns a block until it sets `TP_STATUS_USER`; then the source owns all of the block's
//! bytes until it sets `TP_STATUS_KERNEL`. Blocks are filled, handed over and given back in turn.

use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::batch::Batch;
use super::cooked::{self, From};
use super::vlan;
use hpcap_host::interface::Link;

/// Offset of the status in a block.
const STATUS_OFFSET: usize = offset_of!(libc::tpacket_block_desc, hdr);
const FRAME_HEADER_BYTES: usize = size_of::<libc::tpacket3_hdr>();

/// The ring, and the position up to which it was read.
#[derive(Debug)]
pub(super) struct Ring {
    memory: NonNull<u8>,
    block_bytes: usize,
    blocks: usize,
    /// The block that is read now, or the next one that the kernel hands over.
    block: usize,
    reading: Option<Reading>,
    /// Number of frames with the kernel's time, which is every frame unless the NIC was asked for
    /// its time.
    stamped_by_kernel: u64,
    /// The number that the kernel gives to the block after the last one that was opened.
    next_seq: u64,
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

/// The place of a frame in its block, taken from a header that passed the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: usize,
    caplen: usize,
    /// Offset of the next frame's header, which is meaningful only if there is another frame.
    next: usize,
}

/// What the kernel knows of a frame besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    /// Whether this host sent the frame.
    pub(super) outgoing: bool,
    /// Whether the kernel had taken a VLAN tag out of the frame.
    pub(super) tagged: bool,
}

/// Computes a frame's place from its header at offset `at`. `None` if the header contradicts itself
/// or leads out of the block.
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
            // The kernel numbers blocks from 1.
            next_seq: 1,
        })
    }

    /// Returns the first byte of the block that is read now.
    fn start(&self) -> *mut u8 {
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

    /// Adds the frame whose header is at offset `at` of the block. Returns the offset of the next
    /// header, or `None` if an offset leads out of the block.
    fn take_frame(
        &mut self,
        at: usize,
        batch: &mut Batch,
        link: Link,
        traits: Option<&mut Vec<Traits>>,
    ) -> Option<usize> {
        if at.checked_add(FRAME_HEADER_BYTES)? > self.block_bytes {
            return None;
        }
        // SAFETY: the header is inside the block, which belongs to this process, and all fields of
        // the structure are integers; the read needs no alignment.
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
            #[expect(clippy::cast_possible_truncation, reason = "16 bits in a wider field")]
            let tci = header.hv1.tp_vlan_tci as u16;
            vlan::tag(tpid, tci)
        });
        if link.is_cooked() {
            let from = self.from(at)?;
            if traits.is_none() && from.is_seen_again() {
                return Some(next);
            }
            let added = self.put_header(&from, start, tag)?;
            start -= added;
            caplen += added;
            len = len.saturating_add(u32::try_from(added).unwrap_or(0));
        } else if let Some(tag) = tag.filter(|_| link.has_addresses()) {
            let room_start = start - vlan::TAG_BYTES;
            // SAFETY: `place` checked that the frame is inside the block, behind a header that is
            // longer than a tag, so the room is inside the block, too. The block belongs to this
            // process, and no other frame includes these bytes.
            let room = unsafe {
                std::slice::from_raw_parts_mut(
                    self.start().add(room_start),
                    caplen + vlan::TAG_BYTES,
                )
            };
            if vlan::put_back(room, tag) {
                start = room_start;
                caplen += vlan::TAG_BYTES;
                #[expect(clippy::cast_possible_truncation, reason = "it is 4")]
                let tag_bytes = vlan::TAG_BYTES as u32;
                len = len.saturating_add(tag_bytes);
            }
        }
        if let Some(traits) = traits {
            traits.push(Traits {
                outgoing: self.from(at)?.kind == libc::PACKET_OUTGOING,
                tagged: tag.is_some(),
            });
        }
        // SAFETY: `place` checked that these bytes are inside the block, which belongs to this
        // process.
        let data = unsafe { std::slice::from_raw_parts(self.start().add(start), caplen) };
        // SAFETY: the bytes stay unchanged until the block goes back to the kernel or the ring is
        // unmapped; both happen only after the batch was cleared.
        unsafe { batch.push(data, len, header.tp_sec.into(), header.tp_nsec) };
        Some(next)
    }
}

/// Offset from a frame's header to its `sockaddr_ll`.
const ADDRESS_OFFSET: usize = FRAME_HEADER_BYTES.next_multiple_of(16);

impl Ring {
    /// Returns the origin of the frame whose header is at offset `at`, or `None` if the address
    /// would be outside the block.
    fn from(&self, at: usize) -> Option<From> {
        let start = at.checked_add(ADDRESS_OFFSET)?;
        if start.checked_add(size_of::<libc::sockaddr_ll>())? > self.block_bytes {
            return None;
        }
        // SAFETY: the structure is inside the block, which belongs to this process, and all of its
        // fields are integers; the read needs no alignment.
        let address = unsafe {
            self.start()
                .add(start)
                .cast::<libc::sockaddr_ll>()
                .read_unaligned()
        };
        Some(From::of(&address))
    }

    /// Writes the header of a cooked frame before the frame at `start`. Returns how many bytes it
    /// added.
    fn put_header(&mut self, from: &From, start: usize, tag: Option<[u8; 4]>) -> Option<usize> {
        const ROOM: usize = cooked::HEADER_BYTES + vlan::TAG_BYTES;
        let room_start = start.checked_sub(ROOM)?;
        // SAFETY: `place` checked that the frame is inside the block, behind a header that is
        // longer than the room. The block belongs to this process, and no other frame includes
        // these bytes: the kernel leaves this much room before each frame (PACKET_RESERVE).
        let room = unsafe { &mut *self.start().add(room_start).cast::<[u8; ROOM]>() };
        Some(from.put(room, tag))
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

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 4096;

    fn header(mac: u16, snaplen: u32, next: u32) -> libc::tpacket3_hdr {
        // SAFETY: all fields are integers, for which zero is a valid value.
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
            (header(82, u32::MAX, 0), 48),         // the frame is longer than the block
            (header(82, 60, 0), usize::MAX - 100), // the offsets overflow
        ] {
            assert_eq!(place(&header, at, BLOCK), None);
        }
        let mut longer_than_its_frame = header(82, 60, 0);
        longer_than_its_frame.tp_len = 59;
        assert_eq!(place(&longer_than_its_frame, 48, BLOCK), None);
    }
}
