//! The header (LINKTYPE_LINUX_SLL2) before each frame of a capture of all interfaces, which says
//! which interface the frame belongs to.

use super::vlan::TAG_BYTES;

/// Length of the header in bytes.
pub(super) const HEADER_BYTES: usize = 20;
/// Room to reserve before each frame: for the header, and for a VLAN tag behind it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "it is 24"
)]
pub(super) const HEADROOM_BYTES: libc::c_int = (HEADER_BYTES + TAG_BYTES) as libc::c_int;
/// `ARPHRD_LOOPBACK`, in the type of the header's field.
const LOOPBACK: u16 = libc::ARPHRD_LOOPBACK;

/// The origin of a frame, as the kernel reports it (`struct sockaddr_ll`).
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    pub(super) protocol: u16,
    pub(super) index: u32,
    pub(super) hardware: u16,
    pub(super) kind: u8,
    pub(super) address_bytes: u8,
    pub(super) address: [u8; 8],
}

impl From {
    /// Reads the address that the kernel wrote.
    pub(super) fn of(address: &libc::sockaddr_ll) -> Self {
        Self {
            protocol: u16::from_be(address.sll_protocol),
            index: address.sll_ifindex.cast_unsigned(),
            hardware: address.sll_hatype,
            kind: address.sll_pkttype,
            address_bytes: address.sll_halen,
            address: address.sll_addr,
        }
    }

    /// Returns whether the capture gets the frame a second time: the loopback interface receives
    /// every frame that it sends.
    pub(super) fn is_seen_again(&self) -> bool {
        self.hardware == LOOPBACK && self.kind == libc::PACKET_OUTGOING
    }

    /// Writes the header, and a VLAN tag that the kernel took out, into the room before a frame.
    /// Returns how many bytes at the end of the room are used.
    pub(super) fn put(
        &self,
        room: &mut [u8; HEADER_BYTES + TAG_BYTES],
        tag: Option<[u8; 4]>,
    ) -> usize {
        let (header, rest) = match tag {
            None => {
                let (_, header) = room.split_at_mut(TAG_BYTES);
                (header, &mut [][..])
            }
            Some(_) => room.split_at_mut(HEADER_BYTES),
        };
        let mut protocol = self.protocol.to_be_bytes();
        if let Some([tpid0, tpid1, tci0, tci1]) = tag {
            // The header names the tag's protocol; the tag names that of the data behind it.
            rest.copy_from_slice(&[tci0, tci1, protocol[0], protocol[1]]);
            protocol = [tpid0, tpid1];
        }
        header[..2].copy_from_slice(&protocol);
        header[2..4].fill(0);
        header[4..8].copy_from_slice(&self.index.to_be_bytes());
        header[8..10].copy_from_slice(&self.hardware.to_be_bytes());
        header[10] = self.kind;
        header[11] = self.address_bytes;
        header[12..].copy_from_slice(&self.address);
        HEADER_BYTES + rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: From = From {
        protocol: 0x0800,
        index: 7,
        hardware: 1,
        kind: 4,
        address_bytes: 6,
        address: [1, 2, 3, 4, 5, 6, 0, 0],
    };
    const HEADER: [u8; HEADER_BYTES] = [
        0x08, 0, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0,
    ];

    #[test]
    fn header_stands_right_before_the_frame() {
        let mut room = [0xee; HEADER_BYTES + TAG_BYTES];
        assert_eq!(FROM.put(&mut room, None), HEADER_BYTES);
        assert_eq!(room[..TAG_BYTES], [0xee; TAG_BYTES]);
        assert_eq!(room[TAG_BYTES..], HEADER);
    }

    #[test]
    fn tag_stands_between_header_and_frame() {
        let mut room = [0xee; HEADER_BYTES + TAG_BYTES];
        let used = FROM.put(&mut room, Some([0x81, 0, 0, 100]));
        assert_eq!(used, HEADER_BYTES + TAG_BYTES);
        assert_eq!(room[..2], [0x81, 0]);
        assert_eq!(room[2..HEADER_BYTES], HEADER[2..]);
        assert_eq!(room[HEADER_BYTES..], [0, 100, 0x08, 0]);
    }

    #[test]
    fn only_loopback_is_seen_again() {
        assert!(!FROM.is_seen_again());
        assert!(
            From {
                hardware: LOOPBACK,
                ..FROM
            }
            .is_seen_again()
        );
        assert!(
            !From {
                hardware: LOOPBACK,
                kind: 0,
                ..FROM
            }
            .is_seen_again()
        );
    }
}
