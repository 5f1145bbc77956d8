//! The headers after those of IP.

use hpcap::listener::RingBytes;

use super::Next;

/// The header after those of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A segment of TCP.
    Tcp(Tcp),
    /// A datagram of UDP or UDP-Lite.
    Udp(Udp),
    /// A packet of SCTP.
    Sctp(Sctp),
    /// A message of ICMP.
    Icmp(Icmp),
    /// A message of ICMPv6.
    Icmp6(Icmp),
    /// A tunnel of GRE.
    Gre(Gre),
    /// A header that is unknown, cut, or in an earlier fragment.
    None,
}

/// Flags of TCP, as in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The letters of tcpdump, in its order.
    pub const LETTERS: [(u8, u8); 8] = [
        (0x01, b'F'),
        (0x02, b'S'),
        (0x04, b'R'),
        (0x08, b'P'),
        (0x10, b'.'),
        (0x20, b'U'),
        (0x40, b'E'),
        (0x80, b'W'),
    ];

    /// Whether the field `ack` is valid.
    #[must_use]
    pub fn has_ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// A segment of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// Port of the source.
    pub source: u16,
    /// Port of the destination.
    pub destination: u16,
    /// Sequence number of the first byte.
    pub seq: u32,
    /// Sequence number of the byte that is expected next.
    pub ack: u32,
    /// The flags.
    pub flags: TcpFlags,
    /// The window, not scaled.
    pub window: u16,
    /// Bytes of data, as the headers say.
    pub payload: u32,
}

/// A datagram of UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Udp {
    /// Port of the source.
    pub source: u16,
    /// Port of the destination.
    pub destination: u16,
    /// Bytes of data, as the header says.
    pub payload: u32,
}

/// A packet of SCTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sctp {
    /// Port of the source.
    pub source: u16,
    /// Port of the destination.
    pub destination: u16,
    /// The verification tag.
    pub tag: u32,
    /// Type of the first chunk; `None` if it is cut.
    pub chunk: Option<u8>,
}

/// A message of ICMP or ICMPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// Type of the message.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Identifier and number of an echo request or reply.
    pub echo: Option<(u16, u16)>,
}

/// A header of GRE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gre {
    /// EtherType of what is inside.
    pub protocol: u16,
    /// The key, if there is one; of version 1 (PPTP), length and number of the call.
    pub key: Option<u32>,
}

impl Transport {
    /// Reads the header `next` of a packet with `payload` bytes from there on; `None` if it is cut.
    #[inline]
    pub(super) fn parse(bytes: &RingBytes<'_>, next: Next<u8>, payload: u32) -> Option<Self> {
        let at = next.at;
        Some(match next.kind {
            1 => Self::Icmp(icmp(bytes, at, [8, 0])?),
            58 => Self::Icmp6(icmp(bytes, at, [128, 129])?),
            6 => Self::Tcp(tcp(bytes, at, payload)?),
            17 | 136 => Self::Udp(udp(bytes, at)?),
            132 => Self::Sctp(sctp(bytes, at)?),
            47 => Self::Gre(gre(bytes, at)?),
            _ => Self::None,
        })
    }

    /// Reads the ports with which the header `next` starts; `None` if it has none.
    pub(super) fn ports_at(bytes: &RingBytes<'_>, next: Next<u8>) -> Option<(u16, u16)> {
        let has_ports = matches!(next.kind, 6 | 17 | 132 | 136);
        has_ports
            .then(|| bytes.u16(next.at).zip(bytes.u16(next.at + 2)))
            .flatten()
    }

    /// Ports of the source and of the destination of a header that is whole.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp(Tcp {
                source,
                destination,
                ..
            })
            | Self::Udp(Udp {
                source,
                destination,
                ..
            })
            | Self::Sctp(Sctp {
                source,
                destination,
                ..
            }) => Some((*source, *destination)),
            Self::Icmp(_) | Self::Icmp6(_) | Self::Gre(_) | Self::None => None,
        }
    }
}

#[inline]
fn tcp(bytes: &RingBytes<'_>, at: usize, payload: u32) -> Option<Tcp> {
    let h = bytes.array::<20>(at)?;
    let header_bytes = u32::from(h[12] >> 4) * 4;
    Some(Tcp {
        source: u16::from_be_bytes([h[0], h[1]]),
        destination: u16::from_be_bytes([h[2], h[3]]),
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        flags: TcpFlags(h[13]),
        window: u16::from_be_bytes([h[14], h[15]]),
        payload: payload.saturating_sub(header_bytes),
    })
}

#[inline]
fn udp(bytes: &RingBytes<'_>, at: usize) -> Option<Udp> {
    let h = bytes.array::<8>(at)?;
    Some(Udp {
        source: u16::from_be_bytes([h[0], h[1]]),
        destination: u16::from_be_bytes([h[2], h[3]]),
        payload: u32::from(u16::from_be_bytes([h[4], h[5]])).saturating_sub(8),
    })
}

fn sctp(bytes: &RingBytes<'_>, at: usize) -> Option<Sctp> {
    let h = bytes.array::<12>(at)?;
    Some(Sctp {
        source: u16::from_be_bytes([h[0], h[1]]),
        destination: u16::from_be_bytes([h[2], h[3]]),
        tag: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        chunk: bytes.u8(at + 12),
    })
}

/// Reads a message of ICMP, whose echo request and reply have the types `echo`.
fn icmp(bytes: &RingBytes<'_>, at: usize, echo: [u8; 2]) -> Option<Icmp> {
    let [kind, code, ..] = bytes.array::<4>(at)?;
    let numbers = || Some((bytes.u16(at + 4)?, bytes.u16(at + 6)?));
    Some(Icmp {
        kind,
        code,
        echo: echo.contains(&kind).then(numbers).flatten(),
    })
}

/// Reads a header of GRE (RFC 2784, RFC 2890, RFC 2637).
fn gre(bytes: &RingBytes<'_>, at: usize) -> Option<Gre> {
    const CHECKSUM_OR_ROUTING: u16 = 0xc000;
    const KEY: u16 = 0x2000;
    let flags = bytes.u16(at)?;
    let checksum_bytes = if flags & CHECKSUM_OR_ROUTING != 0 {
        4
    } else {
        0
    };
    let key = match flags & KEY {
        0 => None,
        _ => Some(bytes.u32(at + 4 + checksum_bytes)?),
    };
    Some(Gre {
        protocol: bytes.u16(at + 2)?,
        key,
    })
}
