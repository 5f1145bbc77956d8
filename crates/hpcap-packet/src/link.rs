//! Ethernet, VLAN tags and ARP.

use std::net::Ipv4Addr;

use hpcap::listener::RingBytes;

use super::{Arp, Cut, Ethernet, Ip, Mac, Network, Next, Packet, VLANS_MAX, Vlan};

const LINK_TYPE_ETHERNET: u32 = 1;
/// A packet of IP without a header of the link: RAW, IPV4 and IPV6.
const LINK_TYPES_IP: [u32; 3] = [101, 228, 229];

const TYPE_IPV4: u16 = 0x0800;
const TYPE_ARP: u16 = 0x0806;
const TYPE_IPV6: u16 = 0x86dd;
/// From this value on, the field is a type; below, it is a length.
const TYPE_MIN: u16 = 0x600;
/// Bytes of an ARP message about IPv4 on Ethernet.
const ARP_BYTES: usize = 28;

pub(super) fn parse(bytes: &RingBytes<'_>, link_type: u32) -> Packet {
    if link_type == LINK_TYPE_ETHERNET {
        return ethernet(bytes);
    }
    let mut packet = Packet {
        ethernet: None,
        ether_type: None,
        network: Network::Other,
        cut: None,
    };
    if LINK_TYPES_IP.contains(&link_type) {
        packet.ether_type = bytes.u8(0).and_then(|first| match first >> 4 {
            4 => Some(TYPE_IPV4),
            6 => Some(TYPE_IPV6),
            _ => None,
        });
        network(bytes, 0, &mut packet);
    }
    packet
}

#[inline]
fn ethernet(bytes: &RingBytes<'_>) -> Packet {
    let mut packet = Packet {
        ethernet: None,
        ether_type: None,
        network: Network::Other,
        cut: None,
    };
    let (Some(destination), Some(source)) = (bytes.array(0), bytes.array(6)) else {
        packet.cut = Some(Cut::Ethernet);
        return packet;
    };
    let mut header = Ethernet {
        destination: Mac(destination),
        source: Mac(source),
        vlans: [Vlan::default(); VLANS_MAX],
        vlan_count: 0,
    };
    let payload = tags(bytes, &mut header);
    packet.ethernet = Some(header);
    match payload {
        None => packet.cut = Some(Cut::Ethernet),
        Some(payload) => {
            packet.ether_type = Some(payload.kind);
            network(bytes, payload.at, &mut packet);
        }
    }
    packet
}

/// Reads the VLAN tags, and returns the type of what comes after them; `None` if that is cut.
#[inline]
fn tags(bytes: &RingBytes<'_>, header: &mut Ethernet) -> Option<Next<u16>> {
    let mut at = 12;
    loop {
        let kind = bytes.u16(at)?;
        // IEEE 802.1Q is 0x8100, 802.1ad is 0x88a8; 0x9100 was used before 802.1ad.
        let is_tag = matches!(kind, 0x8100 | 0x88a8 | 0x9100);
        if !is_tag || header.vlan_count == VLANS_MAX {
            return Some(Next { kind, at: at + 2 });
        }
        header.vlans[header.vlan_count] = Vlan(bytes.u16(at + 2)?);
        header.vlan_count += 1;
        at += 4;
    }
}

#[inline]
fn network(bytes: &RingBytes<'_>, at: usize, packet: &mut Packet) {
    let (network, cut) = match packet.ether_type {
        Some(TYPE_IPV4) => ip(Ip::parse_v4(bytes, at), Cut::Ipv4),
        Some(TYPE_IPV6) => ip(Ip::parse_v6(bytes, at), Cut::Ipv6),
        Some(TYPE_ARP) => arp(bytes, at),
        Some(length) if length < TYPE_MIN => (Network::Llc, None),
        _ => (Network::Other, None),
    };
    packet.network = network;
    packet.cut = cut;
}

#[inline]
fn ip(parsed: Option<(Ip, Option<Cut>)>, header: Cut) -> (Network, Option<Cut>) {
    match parsed {
        Some((ip, cut)) => (Network::Ip(ip), cut),
        None => (Network::Other, Some(header)),
    }
}

fn arp(bytes: &RingBytes<'_>, at: usize) -> (Network, Option<Cut>) {
    let Some(message) = bytes.array::<ARP_BYTES>(at) else {
        return (Network::Other, Some(Cut::Arp));
    };
    // Hardware is Ethernet, the protocol is IPv4, and their addresses have 6 and 4 bytes.
    if message[..6] != [0, 1, 8, 0, 6, 4] {
        return (Network::Other, None);
    }
    let pair = |at: usize| {
        let m = &message[at..];
        (
            Mac([m[0], m[1], m[2], m[3], m[4], m[5]]),
            Ipv4Addr::new(m[6], m[7], m[8], m[9]),
        )
    };
    let arp = Arp {
        operation: u16::from_be_bytes([message[6], message[7]]),
        sender: pair(8),
        target: pair(18),
    };
    (Network::Arp(arp), None)
}
