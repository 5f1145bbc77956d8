//! Ethernet frames that are special on their way through Linux.

const Q: [u8; 4] = [0x81, 0x00, 0x20, 0x64];
const PRIORITY: [u8; 4] = [0x81, 0x00, 0x00, 0x00];
const SERVICE: [u8; 4] = [0x88, 0xa8, 0xe0, 0x05];
/// An EtherType that IEEE reserves for experiments: no protocol of the kernel takes its frames.
const EXPERIMENT: u16 = 0x88b5;

fn frame(tags: &[[u8; 4]], ethertype: u16, payload: usize) -> Vec<u8> {
    let mut frame = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02".to_vec();
    frame.extend(tags.concat());
    frame.extend(ethertype.to_be_bytes());
    frame.extend((0..payload).map(|n| u8::try_from(n % 251).unwrap()));
    frame
}

/// Returns frames of every kind that Linux treats specially: without payload, of the shortest and
/// of the longest size that an MTU of 9000 bytes allows, with one to four VLAN tags, with a length
/// in place of a type, and with a type that the payload does not match.
///
/// A veth pair with an MTU of 9000 bytes delivers each of them. The shortest payload behind a tag
/// is 2 bytes: with less, the kernel drops the frame before any socket sees it.
#[must_use]
pub fn special_frames() -> Vec<Vec<u8>> {
    let mut frames: Vec<_> = [0, 1, 2, 45, 46, 47, 1499, 1500, 1501, 8986, 9000]
        .into_iter()
        .map(|payload| frame(&[], EXPERIMENT, payload))
        .collect();
    for payload in [3, 9000] {
        frames.push(frame(&[Q], EXPERIMENT, payload));
    }
    for tags in [
        &[Q][..],
        &[PRIORITY],
        &[SERVICE],
        &[SERVICE, Q],
        &[Q, Q],
        &[SERVICE, Q, PRIORITY, Q],
    ] {
        for payload in [2, 46, 1500] {
            frames.push(frame(tags, EXPERIMENT, payload));
        }
    }
    let ieee_802_3 = frame(&[], 46, 46);
    let not_really_ip = frame(&[], 0x0800, 46);
    let mut broadcast = frame(&[Q], 0x0806, 46);
    broadcast[..6].fill(0xff);
    frames.extend([ieee_802_3, not_really_ip, broadcast]);
    frames
}
