//! One frame in a block of the receive ring.

use std::mem::size_of;

use hpcap_host::interface::Link;

use super::super::batch::Batch;
use super::super::prefetch::prefetch_line;
use super::cooked::{self, From};
use super::ring::Ring;
use super::vlan;
use crate::stream::Traits;

const FRAME_HEADER_BYTES: usize = size_of::<libc::tpacket3_hdr>();

/// The place of a frame in its block, taken from a header that passed the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: usize,
    caplen: usize,
    /// Offset of the next frame's header, which is meaningful only if there is another frame.
    next: usize,
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

/// Offset from a frame's header to its `sockaddr_ll`.
const ADDRESS_OFFSET: usize = FRAME_HEADER_BYTES.next_multiple_of(16);

/// Number of frames between one that is taken and one whose memory is loaded into the cache.
const AHEAD: usize = 4;
const CACHE_LINE_BYTES: usize = 64;
/// Bytes of such a frame that are loaded: its header, its address, and a short frame as a whole.
const PREFETCHED_BYTES: usize = 3 * CACHE_LINE_BYTES;

impl Ring {
    /// Adds the frame whose header is at offset `at` of the block. Returns the offset of the next
    /// header, or `None` if an offset leads out of the block.
    pub(super) fn take_frame(
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
        self.prefetch(at, next);
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
        let outgoing = self.from(at)?.kind == libc::PACKET_OUTGOING;
        if let Some(traits) = traits {
            traits.push(Traits {
                outgoing,
                tagged: tag.is_some(),
            });
        }
        // SAFETY: `place` checked that these bytes are inside the block, which belongs to this
        // process.
        let data = unsafe { std::slice::from_raw_parts(self.start().add(start), caplen) };
        // SAFETY: the bytes stay unchanged until the block goes back to the kernel or the ring is
        // unmapped; both happen only after the batch was cleared.
        unsafe { batch.push(data, len, header.tp_sec.into(), header.tp_nsec) };
        if outgoing {
            batch.mark_last_as_sent();
        }
        Some(next)
    }

    /// Loads the header and the first bytes of a frame that is taken soon into the cache: another processor wrote them, and its
    /// cache still has them. Frames stand one behind the other, so the next ones are expected to be as long as this one.
    fn prefetch(&self, at: usize, next: usize) {
        let expected = at + next.saturating_sub(at) * AHEAD;
        if expected + PREFETCHED_BYTES <= self.block_bytes {
            for line in (0..PREFETCHED_BYTES).step_by(CACHE_LINE_BYTES) {
                // The address is inside the block.
                prefetch_line(self.start().wrapping_add(expected + line));
            }
        }
    }

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
