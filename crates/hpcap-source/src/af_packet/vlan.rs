//! VLAN tags: the kernel takes them out of received frames, and this module puts them back.

/// Length of the two MAC addresses before a tag.
const ADDRESSES_BYTES: usize = 12;
/// Length of a tag in bytes.
pub(super) const TAG_BYTES: usize = 4;

/// Builds a tag from what the kernel reports: TPID (0 if the kernel does not report one) and TCI.
pub(super) fn tag(tpid: u16, tci: u16) -> [u8; TAG_BYTES] {
    const TPID_8021Q: u16 = 0x8100;
    let tpid = if tpid == 0 { TPID_8021Q } else { tpid }.to_be_bytes();
    let tci = tci.to_be_bytes();
    [tpid[0], tpid[1], tci[0], tci[1]]
}

/// Puts `tag` into a frame. `room` is [`TAG_BYTES`] of free space and the captured bytes of the
/// frame behind it; afterwards, all of `room` is the frame. Returns `false`, with `room` unchanged,
/// if the frame is too short to have both addresses.
pub(super) fn put_back(room: &mut [u8], tag: [u8; TAG_BYTES]) -> bool {
    const END: usize = TAG_BYTES + ADDRESSES_BYTES;
    if room.len() < END {
        return false;
    }
    room.copy_within(TAG_BYTES..END, 0);
    room[ADDRESSES_BYTES..END].copy_from_slice(&tag);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_goes_between_addresses_and_type() {
        let mut room = *b"....ddddddssssssTTpayload";
        assert!(put_back(&mut room, *b"QQtt"));
        assert_eq!(&room, b"ddddddssssssQQttTTpayload");
        let mut bare = *b"....ddddddssssss";
        assert!(put_back(&mut bare, *b"QQtt"));
        assert_eq!(&bare, b"ddddddssssssQQtt");
        assert!(!put_back(&mut [0; 15], [0; 4]));
    }

    #[test]
    fn tag_without_a_tpid_is_802_1q() {
        assert_eq!(tag(0, 0x2064), [0x81, 0x00, 0x20, 0x64]);
        assert_eq!(tag(0x88a8, 5), [0x88, 0xa8, 0, 5]);
    }
}
