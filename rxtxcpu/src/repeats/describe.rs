//! A frame in a few words: its addresses and what it carries.

use std::fmt;

use hpcap_packet::{Ethernet, Ip, Network, Packet};

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

/// Writes bytes as hexadecimal numbers with colons between them, as in a MAC address.
fn hexadecimal(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.join(":")
}

/// The name of a protocol after the headers of IP.
fn protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmp6",
        132 => "sctp",
        _ => return None,
    })
}

fn write_flow(ip: &Ip, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (from, to) = (ip.source, ip.destination);
    match ip.ports() {
        Some((source, destination)) => {
            write!(f, "{from} port {source} > {to} port {destination}, ")?;
        }
        None => write!(f, "{from} > {to}, ")?,
    }
    match protocol_name(ip.protocol) {
        Some(name) => f.write_str(name),
        None => write!(f, "protocol {}", ip.protocol),
    }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = Packet::parse(&self.bytes.into(), self.link_type);
        match (packet.network, packet.ethernet, packet.ether_type) {
            (Network::Ip(ip), ..) => write_flow(&ip, f),
            (
                _,
                Some(Ethernet {
                    source,
                    destination,
                    ..
                }),
                Some(kind),
            ) => {
                let (from, to) = (hexadecimal(&source.0), hexadecimal(&destination.0));
                write!(f, "{from} > {to}, type 0x{kind:04x}")
            }
            _ => {
                let start = &self.bytes[..self.bytes.len().min(16)];
                write!(f, "starts with {}", hexadecimal(start))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IPV4: u16 = 0x0800;
    const IPV6: u16 = 0x86dd;

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
