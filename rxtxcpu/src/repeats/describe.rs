//! A frame in a few words: its addresses and what it carries.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hpcap::pcapfile::LINK_TYPE_ETHERNET;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// The first bytes of a frame.
#[derive(Debug)]
pub(super) struct Described<'a> {
    bytes: &'a [u8],
    link_type: u32,
}

impl<'a> Described<'a> {
    pub(super) fn new(bytes: &'a [u8], link_type: u32) -> Self {
        Self { bytes, link_type }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Returns the type of an Ethernet frame, and what is behind its tags.
fn payload(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let mut at = 12;
    while TAGS.contains(&u16_at(bytes, at)?) {
        at += 4;
    }
    Some((u16_at(bytes, at)?, bytes.get(at + 2..)?))
}

/// What an IP packet says of its way.
struct Ends {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    ports: Option<(u16, u16)>,
}

fn ends(kind: u16, packet: &[u8]) -> Option<Ends> {
    let (from, to, protocol, rest): (IpAddr, IpAddr, u8, &[u8]) = match kind {
        IPV4 => {
            let address = |at: usize| {
                let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(Ipv4Addr::from(bytes).into())
            };
            let header = usize::from(packet.first()? & 15) * 4;
            (
                address(12)?,
                address(16)?,
                *packet.get(9)?,
                packet.get(header..)?,
            )
        }
        IPV6 => {
            let address = |at: usize| {
                let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(Ipv6Addr::from(bytes).into())
            };
            (
                address(8)?,
                address(24)?,
                *packet.get(6)?,
                packet.get(40..)?,
            )
        }
        _ => return None,
    };
    let has_ports = matches!(protocol, 6 | 17 | 132);
    let ports = has_ports
        .then(|| u16_at(rest, 0).zip(u16_at(rest, 2)))
        .flatten();
    Some(Ends {
        from,
        to,
        protocol,
        ports,
    })
}

/// Writes six bytes as a MAC address.
fn mac(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.join(":")
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = match self.link_type {
            LINK_TYPE_ETHERNET => payload(self.bytes),
            _ => None,
        };
        let Some((kind, packet)) = found else {
            let start = &self.bytes[..self.bytes.len().min(16)];
            return write!(f, "starts with {}", mac(start));
        };
        let Some(Ends {
            from,
            to,
            protocol,
            ports,
        }) = ends(kind, packet)
        else {
            let (to, from) = (mac(&self.bytes[..6]), mac(&self.bytes[6..12]));
            return write!(f, "{from} > {to}, type 0x{kind:04x}");
        };
        let protocol = match protocol {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "icmp6".to_owned(),
            132 => "sctp".to_owned(),
            other => format!("protocol {other}"),
        };
        match ports {
            Some((source, destination)) => {
                write!(
                    f,
                    "{from} port {source} > {to} port {destination}, {protocol}"
                )
            }
            None => write!(f, "{from} > {to}, {protocol}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u16, packet: &[u8]) -> Vec<u8> {
        let addresses = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        [&addresses[..], &kind.to_be_bytes(), packet].concat()
    }

    fn text(bytes: &[u8]) -> String {
        Described::new(bytes, 1).to_string()
    }

    #[test]
    fn flow_is_named() {
        let mut tcp = vec![0x45; 1];
        tcp.resize(20, 0);
        tcp[9] = 6;
        tcp[12..20].copy_from_slice(&[122, 0, 0, 0, 205, 0, 0, 0]);
        tcp.extend([0xd4, 0xf5, 0, 80]);
        let expected = "122.0.0.0 port 54517 > 205.0.0.0 port 80, tcp";
        assert_eq!(text(&frame(IPV4, &tcp)), expected);
        let tagged = [&[0, 5, 8, 0][..], &tcp].concat();
        assert_eq!(text(&frame(0x8100, &tagged)), expected);
        let arp = "02:00:00:00:00:02 > 02:00:00:00:00:01, type 0x0806";
        assert_eq!(text(&frame(0x0806, &[0; 28])), arp);
    }

    proptest! {
        #[test]
        fn any_bytes_are_described(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(!text(&bytes).is_empty());
            for kind in [IPV4, IPV6, 0x8100] {
                prop_assert!(!text(&frame(kind, &bytes)).is_empty());
            }
        }
    }
}
