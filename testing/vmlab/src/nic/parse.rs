//! Recognition of packets in a frame, for RSS and for the descriptor's packet type.
//!
//! Datasheet, section 7.1.6 (packet types) and 7.1.2.8 (RSS input).

/// Packet types of a descriptor, datasheet section 7.1.6.2, from bit 4 of its first word.
mod packet_type {
    pub(super) const IPV4: u16 = 1 << 0;
    pub(super) const IPV4_EXTENDED: u16 = 1 << 1;
    pub(super) const IPV6: u16 = 1 << 2;
    pub(super) const TCP: u16 = 1 << 4;
    pub(super) const UDP: u16 = 1 << 5;
    pub(super) const SCTP: u16 = 1 << 6;
}

/// Source and destination address, in the form that RSS hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addresses<'a> {
    None,
    Ipv4(&'a [u8; 8]),
    Ipv6(&'a [u8; 32]),
}

/// Source and destination port, where there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport<'a> {
    Other,
    Tcp(&'a [u8]),
    Udp(&'a [u8]),
}

/// The result of the recognition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) packet_type: u16,
    pub(super) addresses: Addresses<'a>,
    pub(super) transport: Transport<'a>,
    /// The tag of a frame with an 802.1Q header.
    pub(super) vlan: Option<u16>,
}

/// Bytes of the two MAC addresses.
const ADDRESSES: usize = 12;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86DD;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_SCTP: u8 = 132;

impl<'a> Packet<'a> {
    /// Recognises the packet in a frame. `vet` is the EtherType of a VLAN tag.
    pub(super) fn parse(frame: &'a [u8], vet: u16) -> Self {
        let mut packet = Self {
            packet_type: 0,
            addresses: Addresses::None,
            transport: Transport::Other,
            vlan: None,
        };
        let mut at = ADDRESSES;
        let mut ethertype = be16(frame, at);
        if ethertype == Some(vet) {
            packet.vlan = be16(frame, at + 2);
            at += 4;
            ethertype = be16(frame, at);
        }
        let ip = frame.get(at + 2..).unwrap_or(&[]);
        match ethertype {
            Some(ETHERTYPE_IPV4) => packet.ipv4(ip),
            Some(ETHERTYPE_IPV6) => packet.ipv6(ip),
            _ => {}
        }
        packet
    }

    fn ipv4(&mut self, ip: &'a [u8]) {
        let Some((fixed, _)) = ip.split_first_chunk::<20>() else {
            return;
        };
        let header = usize::from(fixed[0] & 0xF) * 4;
        if fixed[0] >> 4 != 4 || header < 20 {
            return;
        }
        self.packet_type = packet_type::IPV4;
        if header > 20 {
            self.packet_type |= packet_type::IPV4_EXTENDED;
        }
        self.addresses = ip[12..]
            .first_chunk()
            .map_or(Addresses::None, Addresses::Ipv4);
        // The ports of a fragment (an offset, or more fragments to come) are not used, even where
        // the fragment contains them.
        let fragment = be16(fixed, 6).is_some_and(|flags| flags & 0x3FFF != 0);
        if !fragment {
            self.transport(fixed[9], ip.get(header..).unwrap_or(&[]));
        }
    }

    fn ipv6(&mut self, ip: &'a [u8]) {
        let Some((fixed, rest)) = ip.split_first_chunk::<40>() else {
            return;
        };
        if fixed[0] >> 4 != 6 {
            return;
        }
        self.packet_type = packet_type::IPV6;
        self.addresses = fixed[8..]
            .first_chunk()
            .map_or(Addresses::None, Addresses::Ipv6);
        self.transport(fixed[6], rest);
    }

    fn transport(&mut self, protocol: u8, segment: &'a [u8]) {
        let ports = segment.get(..4);
        match protocol {
            PROTOCOL_TCP => self.packet_type |= packet_type::TCP,
            PROTOCOL_UDP => self.packet_type |= packet_type::UDP,
            PROTOCOL_SCTP => self.packet_type |= packet_type::SCTP,
            _ => {}
        }
        self.transport = match (protocol, ports) {
            (PROTOCOL_TCP, Some(ports)) => Transport::Tcp(ports),
            (PROTOCOL_UDP, Some(ports)) => Transport::Udp(ports),
            _ => Transport::Other,
        };
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(fragment: [u8; 2], tag: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; ADDRESSES];
        frame.extend(tag);
        frame.extend([
            0x08,
            0x00,
            0x45,
            0,
            0,
            32,
            0,
            1,
            fragment[0],
            fragment[1],
            64,
            17,
            0,
            0,
        ]);
        frame.extend([
            10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0x56, 0x78, 0, 12, 0, 0, 1, 2, 3, 4,
        ]);
        frame
    }

    #[test]
    fn parser_skips_vlan_tag() {
        for tag in [&[][..], &[0x81, 0, 0x20, 7]] {
            let frame = udp([0x40, 0], tag);
            let packet = Packet::parse(&frame, 0x8100);
            assert_eq!(packet.packet_type, packet_type::IPV4 | packet_type::UDP);
            assert_eq!(
                packet.addresses,
                Addresses::Ipv4(&[10, 0, 0, 1, 10, 0, 0, 2])
            );
            assert_eq!(packet.transport, Transport::Udp(&[0x12, 0x34, 0x56, 0x78]));
            assert_eq!(packet.vlan, tag.last().map(|&low| 0x2000 | u16::from(low)));
        }
    }

    #[test]
    fn fragment_has_no_ports() {
        for fragment in [[0x20, 0], [0, 5]] {
            let frame = udp(fragment, &[]);
            let packet = Packet::parse(&frame, 0x8100);
            assert_eq!(packet.packet_type, packet_type::IPV4);
            assert_eq!(packet.transport, Transport::Other);
        }
    }

    #[test]
    fn parser_survives_truncated_frames() {
        let frame = udp([0, 0], &[0x81, 0, 0, 1]);
        for end in 0..=frame.len() {
            Packet::parse(&frame[..end], 0x8100);
        }
    }
}
