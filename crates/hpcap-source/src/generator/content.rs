//! The content of a generated frame, and the check of a received one.
//!
//! A frame consists of Ethernet, an optional VLAN tag, IPv4 and UDP headers, then the stamp: 2 bytes of magic, the
//! sequence number and the time of sending, 8 bytes each, most significant byte first. The rest is a fill that depends
//! only on the sequence number. Addresses and ports follow from the flow's 24-bit number, which is also the low part of
//! the source address. A receiver can therefore compute every byte of the frame.

use super::sizes::mix;

/// Length of untagged Ethernet, IPv4 and UDP headers.
pub(super) const HEADER_BYTES: usize = 42;
/// Length of a VLAN tag.
pub(super) const TAG_BYTES: usize = 4;
const STAMP_BYTES: usize = 18;
const MAGIC: [u8; 2] = *b"HP";
/// Number of bits of a flow's number.
pub(super) const FLOW_BITS: u32 = 24;
/// The step from one word of the fill to the next. Adding an odd constant visits all 64-bit
/// numbers, is cheap, and vectorises well.
const FILL_STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Largest length that the IP and UDP headers can state. The headers of a longer datagram state 0,
/// like those of a datagram that the kernel hands over unsegmented (RFC 2675 has the same
/// convention).
const LENGTH_MAX: usize = u16::MAX as usize;

/// The numbers that identify a generated frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Number of the frame, counted from 0.
    pub seq: u64,
    /// Time of sending, in nanoseconds since 1970 by the sender's clock, or counted from `start=`.
    pub sent_ns: u64,
}

/// The headers of one flow. The length fields are zero, and the IP checksum is not computed yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// 12 bytes of MAC addresses, the optional tag, and the other headers; only `bytes` of them are
    /// used.
    octets: [u8; HEADER_BYTES + TAG_BYTES],
    bytes: usize,
    /// Ones' complement sum of the IP header with length and checksum zero.
    ip_sum: u32,
}

impl Header {
    /// Builds the headers of flow number `flow` (24 bits are used) with the VLAN number `vlan` (12
    /// bits), if any.
    pub(super) fn new(flow: u32, vlan: Option<u16>) -> Self {
        let id = flow.to_be_bytes();
        let random = mix(u64::from(flow)).to_be_bytes();
        let tag = match vlan {
            Some(id) => vec![0x81, 0x00, (id >> 8).to_be_bytes()[1], id.to_be_bytes()[1]],
            None => Vec::new(),
        };
        let ip: [u8; 20] = [
            0x45,
            0,
            0,
            0, // length
            0,
            0,
            0x40,
            0, // do not fragment
            64,
            17,
            0,
            0, // checksum
            10,
            id[1],
            id[2],
            id[3], // source: a private address with the flow's number
            198,
            18 | (random[0] & 1),
            random[1],
            random[2], // destination: an address for benchmarks (RFC 2544)
        ];
        // Ports from 1024 on, so that no program takes the datagrams for those of a known protocol.
        let port = |high: u8, low: u8| [high | 0x04, low];
        let [sp, dp] = [port(random[3], random[4]), port(random[5], random[6])];

        let mut octets = [0; HEADER_BYTES + TAG_BYTES];
        let parts: [&[u8]; 7] = [
            &[0x02, 0x68, 0x70, random[1], random[2], random[7]], // locally administered
            &[0x06, 0x68, 0x70, id[1], id[2], id[3]],
            &tag,
            &[0x08, 0x00],
            &ip,
            &sp,
            &dp,
        ];
        let mut at = 0;
        for part in parts {
            octets[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let ip_sum = ip
            .chunks_exact(2)
            .map(|p| u32::from(u16::from_be_bytes([p[0], p[1]])))
            .sum();
        // The UDP length and checksum follow; a checksum of zero means that there is none.
        Self {
            octets,
            bytes: at + 4,
            ip_sum,
        }
    }

    /// Returns the offset of the IP header in the frame.
    #[inline]
    fn ip(&self) -> usize {
        self.bytes - 28
    }

    /// Returns these headers, completed for a frame of `len` bytes.
    #[inline]
    fn for_len(&self, len: usize) -> [u8; HEADER_BYTES + TAG_BYTES] {
        let mut octets = self.octets;
        let ip = self.ip();
        let ip_len = length(len.saturating_sub(ip).max(28));
        let udp_len = length(len.saturating_sub(ip).max(28) - 20);
        let mut sum = self.ip_sum + u32::from(ip_len);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
        let checksum = !(sum as u16);
        octets[ip + 2..ip + 4].copy_from_slice(&ip_len.to_be_bytes());
        octets[ip + 10..ip + 12].copy_from_slice(&checksum.to_be_bytes());
        octets[ip + 24..ip + 26].copy_from_slice(&udp_len.to_be_bytes());
        octets
    }

    /// Writes a whole frame into `frame`, or as much of its start as fits. A frame that is shorter
    /// than headers and stamp is cut, and its IP header states the smallest valid length.
    #[inline]
    pub(super) fn write(&self, frame: &mut [u8], stamp: Stamp) {
        let header = self.for_len(frame.len());
        if let Some((head, rest)) = frame.split_at_mut_checked(self.bytes)
            && let Some((place, fill)) = rest.split_at_mut_checked(STAMP_BYTES)
        {
            head.copy_from_slice(&header[..self.bytes]);
            place[..2].copy_from_slice(&MAGIC);
            place[2..10].copy_from_slice(&stamp.seq.to_be_bytes());
            place[10..18].copy_from_slice(&stamp.sent_ns.to_be_bytes());
            write_fill(fill, stamp.seq);
            return;
        }
        let mut whole = [0; HEADER_BYTES + TAG_BYTES + STAMP_BYTES];
        let bytes = self.bytes + STAMP_BYTES;
        self.write(&mut whole[..bytes], stamp);
        whole[..self.bytes].copy_from_slice(&header[..self.bytes]);
        let len = frame.len();
        frame.copy_from_slice(&whole[..len]);
    }
}

/// Returns the value of a 16-bit length field for `bytes`.
fn length(bytes: usize) -> u16 {
    if bytes > LENGTH_MAX {
        0
    } else {
        u16::try_from(bytes).unwrap_or(0)
    }
}

/// Writes the fill of frame `seq`: 64-bit words, each of which is the previous word plus a constant.
#[inline]
fn write_fill(fill: &mut [u8], seq: u64) {
    let mut word = mix(seq);
    let mut words = fill.chunks_exact_mut(8);
    for place in &mut words {
        place.copy_from_slice(&word.to_le_bytes());
        word = word.wrapping_add(FILL_STEP);
    }
    let rest = words.into_remainder();
    rest.copy_from_slice(&word.to_le_bytes()[..rest.len()]);
}

fn fill_is(fill: &[u8], seq: u64) -> bool {
    let mut word = mix(seq);
    let words = fill.chunks_exact(8);
    let rest = words.remainder();
    for found in words {
        if *found != word.to_le_bytes() {
            return false;
        }
        word = word.wrapping_add(FILL_STEP);
    }
    *rest == word.to_le_bytes()[..rest.len()]
}

/// Checks that `frame` is a generated frame and that every byte of it is as it was sent.
///
/// Returns its stamp, or `None` for any other frame, a damaged frame, and a frame too short to
/// carry a stamp (under 60 bytes, 64 with a VLAN tag).
#[must_use]
pub fn verify(frame: &[u8]) -> Option<Stamp> {
    verify_cut(frame, frame.len())
}

/// Like [`verify`], for a frame of `len` bytes of which only the first bytes are in `captured`.
/// Those must include the whole stamp.
#[must_use]
pub fn verify_cut(captured: &[u8], len: usize) -> Option<Stamp> {
    let vlan = match captured.get(12..16)? {
        [0x81, 0x00, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    let bytes = HEADER_BYTES + if vlan.is_some() { TAG_BYTES } else { 0 };
    if captured.len() > len || captured.len() < bytes + STAMP_BYTES {
        return None;
    }
    let (header, rest) = captured.split_at(bytes);
    let (stamp, fill) = rest.split_at(STAMP_BYTES);
    let ip = bytes - 28;
    let flow = u32::from_be_bytes([0, header[ip + 13], header[ip + 14], header[ip + 15]]);
    if vlan.is_some_and(|id| id > 0x0fff)
        || *header != Header::new(flow, vlan).for_len(len)[..bytes]
        || stamp[..2] != MAGIC
    {
        return None;
    }
    let number = |at: usize| stamp[at..at + 8].try_into().map(u64::from_be_bytes).ok();
    let stamp = Stamp {
        seq: number(2)?,
        sent_ns: number(10)?,
    };
    fill_is(fill, stamp.seq).then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip_checksum_is_right(frame: &[u8], ip: usize) -> bool {
        let sum: u32 = frame[ip..ip + 20]
            .chunks_exact(2)
            .map(|p| u32::from(u16::from_be_bytes([p[0], p[1]])))
            .sum();
        (sum & 0xffff) + (sum >> 16) == 0xffff
    }

    proptest! {
        #[test]
        fn verify_notices_every_changed_byte(
            size in 64usize..2000,
            flow in 0u32..1 << FLOW_BITS,
            vlan in proptest::option::of(0u16..4096),
            seq: u64,
            sent_ns: u64,
            damage: prop::sample::Index,
            bit in 0u8..8,
        ) {
            let mut frame = vec![0xee; size];
            let stamp = Stamp { seq, sent_ns };
            Header::new(flow, vlan).write(&mut frame, stamp);
            prop_assert_eq!(verify(&frame), Some(stamp));
            let ip = if vlan.is_some() { 18 } else { 14 };
            prop_assert!(ip_checksum_is_right(&frame, ip));
            prop_assert_eq!(usize::from(u16::from_be_bytes([frame[ip + 2], frame[ip + 3]])), size - ip);
            prop_assert_eq!(usize::from(u16::from_be_bytes([frame[ip + 24], frame[ip + 25]])), size - ip - 20);

            // The time of sending and a tag's number may have any value, so their damage goes
            // unnoticed.
            let at = damage.index(size);
            let time = ip + 28 + 10..ip + 28 + 18;
            let tag = if vlan.is_some() { 14..16 } else { 0..0 };
            frame[at] ^= 1 << bit;
            if time.contains(&at) {
                prop_assert_eq!(verify(&frame).map(|s| s.seq), Some(seq));
            } else if !tag.contains(&at) {
                prop_assert_eq!(verify(&frame), None);
            }
        }

        #[test]
        fn verify_survives_any_bytes(frame in proptest::collection::vec(any::<u8>(), 0..200), len in 0usize..300) {
            prop_assert_eq!(verify_cut(&frame, len), None);
        }
    }

    #[test]
    fn shortest_whole_frame_has_60_bytes() {
        let stamp = Stamp { seq: 1, sent_ns: 2 };
        let header = Header::new(3, None);
        for size in 14..60 {
            let mut frame = vec![0xee; size];
            header.write(&mut frame, stamp);
            assert_eq!(verify(&frame), None);
            assert_eq!(frame[..12], header.octets[..12], "{size}");
            assert_eq!(frame[12..14], [8, 0], "{size}");
        }
        let mut frame = vec![0; 60];
        header.write(&mut frame, stamp);
        assert_eq!(verify(&frame), Some(stamp));
    }

    #[test]
    fn cut_frame_verifies_up_to_its_end() {
        let stamp = Stamp {
            seq: 77,
            sent_ns: 2,
        };
        let mut frame = vec![0; 1514];
        Header::new(3, None).write(&mut frame, stamp);
        assert_eq!(verify_cut(&frame[..96], 1514), Some(stamp));
        assert_eq!(verify_cut(&frame[..59], 1514), None);
        assert_eq!(verify_cut(&frame[..96], 1513), None);
        frame[90] ^= 1;
        assert_eq!(verify_cut(&frame[..96], 1514), None);
    }

    #[test]
    fn frame_too_long_for_ip_has_length_zero() {
        let stamp = Stamp {
            seq: 77,
            sent_ns: 2,
        };
        let mut frame = vec![0; 70_000];
        Header::new(3, None).write(&mut frame, stamp);
        assert_eq!(frame[16..18], [0, 0]);
        assert_eq!(verify(&frame), Some(stamp));
    }
}
