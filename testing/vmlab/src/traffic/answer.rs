//! A station at the other end of a NIC's wire that answers ARP and ping, so that a port in standard
//! mode has a neighbour. RFC 826, RFC 791, RFC 792; no fragments, no options, no VLAN.

use std::net::Ipv4Addr;

use crate::nic::Wire;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
/// An ARP request for Ethernet and IPv4, with addresses of 6 and 4 bytes.
const ARP_REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
const ARP_REPLY: u8 = 2;
const ARP_BYTES: usize = 28;
const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;
const IPV4_WITHOUT_OPTIONS: u8 = 0x45;
/// The flag "more fragments" and the fragment offset.
const IPV4_FRAGMENT: u16 = 0x3FFF;
const PROTOCOL_ICMP: u8 = 1;
const ICMP_ECHO: u8 = 8;
const ICMP_ECHO_REPLY: u8 = 0;
const TTL: u8 = 64;

/// A neighbour with one MAC and one IPv4 address.
#[derive(Debug, Clone)]
pub struct Neighbour {
    mac: [u8; 6],
    ip: Ipv4Addr,
}

impl Neighbour {
    /// Creates a neighbour with these addresses.
    #[must_use]
    pub fn new(mac: [u8; 6], ip: Ipv4Addr) -> Self {
        Self { mac, ip }
    }

    /// Creates the neighbour of NIC number `nic`, whose IPv4 address is 10.0.`nic`.1.
    #[must_use]
    pub fn of(nic: u8) -> Self {
        Self::new(
            [0x02, 0x68, 0x70, 0xFE, 0, nic],
            Ipv4Addr::new(10, 0, nic, 1),
        )
    }

    /// Returns the answer to a frame, if it has one.
    #[must_use]
    pub fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (header, body) = frame.split_at_checked(ETHERNET_BYTES)?;
        let (to, from) = (&header[..6], &header[6..12]);
        let (kind, body) = match header[12..] {
            ref t if *t == ETHERTYPE_ARP => (ETHERTYPE_ARP, self.arp(body)?),
            ref t if *t == ETHERTYPE_IPV4 && *to == self.mac => (ETHERTYPE_IPV4, self.ping(body)?),
            _ => return None,
        };
        Some([from, &self.mac, &kind, &body].concat())
    }

    fn arp(&self, body: &[u8]) -> Option<Vec<u8>> {
        let asked = body.get(..ARP_BYTES)?;
        let (head, rest) = asked.split_at(ARP_REQUEST.len());
        let (sender, target) = rest.split_at(10);
        if head != ARP_REQUEST || target[6..] != self.ip.octets() {
            return None;
        }
        let mut reply = [head, &self.mac, &self.ip.octets(), sender].concat();
        reply[7] = ARP_REPLY;
        Some(reply)
    }

    fn ping(&self, body: &[u8]) -> Option<Vec<u8>> {
        let ip = body.get(..IPV4_BYTES)?;
        let bytes = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let fragment = u16::from_be_bytes([ip[6], ip[7]]) & IPV4_FRAGMENT != 0;
        if ip[0] != IPV4_WITHOUT_OPTIONS
            || fragment
            || ip[9] != PROTOCOL_ICMP
            || ip[16..20] != self.ip.octets()
            || sum(ip) != 0
        {
            return None;
        }
        let asked = body.get(IPV4_BYTES..bytes)?;
        if asked.len() < 8 || asked[0] != ICMP_ECHO || sum(asked) != 0 {
            return None;
        }
        let mut reply = [ip, asked].concat();
        let (ip, icmp) = reply.split_at_mut(IPV4_BYTES);
        ip[8] = TTL;
        ip.copy_within(12..16, 16);
        ip[12..16].copy_from_slice(&self.ip.octets());
        icmp[0] = ICMP_ECHO_REPLY;
        for (part, at) in [(ip, 10), (icmp, 2)] {
            part[at..at + 2].fill(0);
            let checksum = sum(part).to_be_bytes();
            part[at..at + 2].copy_from_slice(&checksum);
        }
        Some(reply)
    }
}

/// Returns the Internet checksum (RFC 1071), which is 0 over bytes that include their right
/// checksum.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum >> 16) + (sum & 0xFFFF);
    }
    !u16::try_from(sum).unwrap_or(0)
}

impl Wire for Neighbour {
    fn transmitted(&mut self, frame: &[u8], answers: &mut Vec<Vec<u8>>) {
        answers.extend(self.answer(frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: [u8; 6] = [2, 1, 2, 3, 4, 5];

    fn neighbour() -> Neighbour {
        Neighbour::of(3)
    }

    fn who_has(ip: [u8; 4]) -> Vec<u8> {
        let parts: [&[u8]; 8] = [
            &[0xFF; 6],
            &GUEST,
            &ETHERTYPE_ARP,
            &ARP_REQUEST,
            &GUEST,
            &[10, 0, 3, 2],
            &[0; 6],
            &ip,
        ];
        let mut frame = parts.concat();
        frame.resize(60, 0);
        frame
    }

    fn ping(payload: &[u8]) -> Vec<u8> {
        let mut icmp = [&[ICMP_ECHO, 0, 0, 0, 0x12, 0x34, 0, 1], payload].concat();
        let checksum = sum(&icmp).to_be_bytes();
        icmp[2..4].copy_from_slice(&checksum);
        let bytes = (IPV4_BYTES + icmp.len()) as u16;
        let [high, low] = bytes.to_be_bytes();
        let mut ip = vec![0x45, 0, high, low, 7, 7, 0x40, 0, 64, 1, 0, 0];
        ip.extend([10, 0, 3, 2, 10, 0, 3, 1]);
        let checksum = sum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&checksum);
        let mut frame = [&neighbour().mac[..], &GUEST, &ETHERTYPE_IPV4, &ip, &icmp].concat();
        frame.resize(frame.len().max(60), 0);
        frame
    }

    #[test]
    fn responder_answers_arp() {
        let reply = neighbour().answer(&who_has([10, 0, 3, 1])).unwrap();
        assert_eq!(reply[..6], GUEST);
        assert_eq!(reply[20..22], [0, ARP_REPLY]);
        assert_eq!(reply[22..28], neighbour().mac);
        assert_eq!(reply[28..32], [10, 0, 3, 1]);
        assert_eq!(reply[32..38], GUEST);
        assert_eq!(reply[38..42], [10, 0, 3, 2]);
        assert_eq!(neighbour().answer(&who_has([10, 0, 3, 9])), None);
    }

    #[test]
    fn responder_echoes_ping_payload() {
        for payload in [&[][..], &[1, 2, 3], &[9; 1000]] {
            let asked = ping(payload);
            let reply = neighbour().answer(&asked).unwrap();
            assert_eq!(reply[..6], GUEST);
            assert_eq!(reply[26..34], [10, 0, 3, 1, 10, 0, 3, 2]);
            assert_eq!(sum(&reply[14..34]), 0);
            assert_eq!(sum(&reply[34..]), 0);
            assert_eq!(reply[34], ICMP_ECHO_REPLY);
            assert_eq!(reply[38..42], [0x12, 0x34, 0, 1]);
            assert_eq!(&reply[42..], payload);
        }
    }

    #[test]
    fn responder_ignores_other_frames() {
        let asked = ping(&[5; 20]);
        for at in [0, 12, 14, 16, 20, 23, 30, 34, 36, 50] {
            let mut changed = asked.clone();
            changed[at] ^= 0x20;
            assert_eq!(neighbour().answer(&changed), None, "byte {at}");
        }
        for len in 0..asked.len() {
            let _ = neighbour().answer(&asked[..len]);
            let _ = neighbour().answer(&who_has([10, 0, 3, 1])[..len.min(60)]);
        }
    }
}
