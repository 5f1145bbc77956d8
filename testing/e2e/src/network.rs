//! The veth pair of the tests, and which frames it delivers.

/// Name of the interface that a sender sends from.
pub const SEND: &str = "veth0";
/// Name of the other end, where a capture listens.
pub const CAPTURE: &str = "veth1";

/// Creates the pair [`SEND`], [`CAPTURE`].
pub fn veth_pair(mtu: u32) {
    testkit::network::create_veth_pair(SEND, CAPTURE, mtu);
}

const HEADER: usize = 14;
const TAG: usize = 4;

/// What happens to a frame between the two ends of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The frame arrives at the other end.
    Arrives,
    /// The frame is shorter than an Ethernet header and cannot be sent.
    TooShort,
    /// The frame is longer than the interfaces accept.
    TooLong,
    /// Nothing follows the VLAN tag: the kernel drops the frame on arrival, before any socket sees it.
    Dropped,
}

/// Predicts what happens to `frame` between two interfaces with this MTU.
#[must_use]
pub fn fate(frame: &[u8], mtu: usize) -> Fate {
    if frame.len() < HEADER {
        return Fate::TooShort;
    }
    let tagged = matches!(frame[12..14], [0x81, 0x00] | [0x88, 0xa8]);
    let room = if frame[12..14] == [0x81, 0x00] {
        TAG
    } else {
        0
    };
    if frame.len() > mtu + HEADER + room {
        Fate::TooLong
    } else if tagged && frame.len() < HEADER + TAG + 2 {
        Fate::Dropped
    } else {
        Fate::Arrives
    }
}
