//! IPv4, and IPv6 with its extension headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hpcap::listener::RingBytes;

use super::{Cut, Next, Transport};

/// Bytes of the shortest IPv4 header.
const IPV4_BYTES: usize = 20;
/// Bytes of the IPv6 header.
const IPV6_BYTES: usize = 40;
/// Limit of the extension headers that are skipped. Real packets have two or three.
const EXTENSIONS_MAX: usize = 64;

/// A packet of IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip {
    /// Address of the source.
    pub source: IpAddr,
    /// Address of the destination.
    pub destination: IpAddr,
    /// TTL of IPv4, hop limit of IPv6.
    pub hop_limit: u8,
    /// Number of the protocol after the headers of IP.
    pub protocol: u8,
    /// Bytes after the headers of IP, as these say; 0 of a jumbogram.
    pub payload: u32,
    /// Where this packet is in a larger one, if it is a fragment.
    pub fragment: Option<Fragment>,
    /// The header after those of IP.
    pub transport: Transport,
    /// The ports, if the captured bytes end behind them in the header after those of IP.
    cut_ports: Option<(u16, u16)>,
}

/// The place of a fragment in its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Number that all fragments of a packet have.
    pub id: u32,
    /// Bytes of the packet before this fragment.
    pub offset: u32,
    /// Whether fragments come after it.
    pub more: bool,
}

impl Ip {
    /// Ports of the source and of the destination. They are known even if the rest of their header is cut.
    #[must_use]
    #[inline]
    pub fn ports(&self) -> Option<(u16, u16)> {
        self.transport.ports().or(self.cut_ports)
    }

    /// Reads the packet at `at`; `None` if its header is cut or invalid.
    #[inline]
    pub(super) fn parse_v4(bytes: &RingBytes<'_>, at: usize) -> Option<(Self, Option<Cut>)> {
        let header = bytes.array::<IPV4_BYTES>(at)?;
        let header_bytes = usize::from(header[0] & 0xf) * 4;
        if header[0] >> 4 != 4 || header_bytes < IPV4_BYTES {
            return None;
        }
        let total = u16::from_be_bytes([header[2], header[3]]);
        let place = u16::from_be_bytes([header[6], header[7]]);
        let (offset, more) = (u32::from(place & 0x1fff) * 8, place & 0x2000 != 0);
        let fragment = (offset > 0 || more).then_some(Fragment {
            id: u16::from_be_bytes([header[4], header[5]]).into(),
            offset,
            more,
        });
        let address = |at: usize| {
            let a = &header[at..];
            IpAddr::V4(Ipv4Addr::new(a[0], a[1], a[2], a[3]))
        };
        let ip = Self {
            source: address(12),
            destination: address(16),
            hop_limit: header[8],
            protocol: header[9],
            payload: u32::from(total).saturating_sub(u32::from(header[0] & 0xf) * 4),
            fragment,
            transport: Transport::None,
            cut_ports: None,
        };
        let next = Next {
            kind: header[9],
            at: at + header_bytes,
        };
        Some(ip.with_transport(bytes, next))
    }

    /// Reads the packet at `at`; `None` if one of its headers is cut or invalid.
    #[inline]
    pub(super) fn parse_v6(bytes: &RingBytes<'_>, at: usize) -> Option<(Self, Option<Cut>)> {
        let header = bytes.array::<8>(at)?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let address = |at| bytes.array::<16>(at).map(|a| IpAddr::V6(Ipv6Addr::from(a)));
        let mut ip = Self {
            source: address(at + 8)?,
            destination: address(at + 24)?,
            hop_limit: header[7],
            protocol: header[6],
            payload: u16::from_be_bytes([header[4], header[5]]).into(),
            fragment: None,
            transport: Transport::None,
            cut_ports: None,
        };
        let first = Next {
            kind: header[6],
            at: at + IPV6_BYTES,
        };
        let Some(next) = ip.skip_extensions(bytes, first) else {
            return Some((ip, Some(Cut::Ipv6)));
        };
        Some(ip.with_transport(bytes, next))
    }

    /// Skips the extension headers of IPv6 (RFC 8200); `None` if one of them is cut.
    fn skip_extensions(&mut self, bytes: &RingBytes<'_>, mut next: Next<u8>) -> Option<Next<u8>> {
        for _ in 0..EXTENSIONS_MAX {
            self.protocol = next.kind;
            let is_later_fragment = self.fragment.is_some_and(|f| f.offset > 0);
            let length = match next.kind {
                // Hop-by-hop options, routing, destination options, mobility, HIP, shim6.
                0 | 43 | 60 | 135 | 139 | 140 if !is_later_fragment => {
                    (usize::from(bytes.u8(next.at + 1)?) + 1) * 8
                }
                // An authentication header counts its length in words of 4 bytes (RFC 4302).
                51 if !is_later_fragment => (usize::from(bytes.u8(next.at + 1)?) + 2) * 4,
                44 if self.fragment.is_none() => {
                    let place = bytes.u16(next.at + 2)?;
                    self.fragment = Some(Fragment {
                        id: bytes.u32(next.at + 4)?,
                        offset: (place & 0xfff8).into(),
                        more: place & 1 != 0,
                    });
                    8
                }
                _ => return Some(next),
            };
            let kind = bytes.u8(next.at)?;
            self.payload = self
                .payload
                .saturating_sub(u32::try_from(length).unwrap_or(0));
            next = Next {
                kind,
                at: next.at + length,
            };
        }
        self.protocol = next.kind;
        Some(next)
    }

    /// Adds the header `next`. Only the first fragment of a packet has it.
    #[inline]
    fn with_transport(mut self, bytes: &RingBytes<'_>, next: Next<u8>) -> (Self, Option<Cut>) {
        if self.fragment.is_some_and(|fragment| fragment.offset > 0) {
            return (self, None);
        }
        match Transport::parse(bytes, next, self.payload) {
            Some(transport) => {
                self.transport = transport;
                (self, None)
            }
            None => {
                self.cut_ports = Transport::ports_at(bytes, next);
                (self, Some(Cut::Transport))
            }
        }
    }
}
