//! Tests of the parser: what it finds in good frames, and that no frame can harm it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::IpAddr;

use hpcap_packet::{Cut, Ends, Fragment, Gre, Ip, Network, Packet, Transport};
use proptest::prelude::*;
use testkit::packets::{
    ethernet, extension, ipv4, ipv4_part, ipv6, join, one_of_each_kind, tag, tcp, udp,
};

const ETHERNET: u32 = 1;

fn parse(frame: &[u8]) -> Packet {
    Packet::parse(&frame.into(), ETHERNET)
}

fn ip_of(frame: &[u8]) -> Ip {
    match parse(frame).network {
        Network::Ip(ip) => ip,
        other => panic!("{other:?}"),
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn tcp_is_parsed_whole() {
    let ip = ip_of(&ethernet(0x0800, &ipv4(6, &tcp(80, 40_000, 0x18, b"data"))));
    let Transport::Tcp(segment) = ip.transport else {
        panic!("{ip:?}");
    };
    assert_eq!((segment.source, segment.destination), (80, 40_000));
    assert_eq!(
        (segment.seq, segment.ack, segment.window),
        (1000, 2000, 500)
    );
    assert_eq!((segment.flags.0, segment.payload), (0x18, 4));
    assert_eq!(ip.source, address("192.168.0.48"));
    assert_eq!((ip.protocol, ip.hop_limit, ip.payload), (6, 64, 24));
}

#[test]
fn options_of_ipv4_are_skipped() {
    let mut packet = ipv4(17, &join(&[&[1; 8], &udp(5, 6, &[])]));
    packet[0] = 0x47;
    let ends = parse(&ethernet(0x0800, &packet)).ends().unwrap();
    assert_eq!(ends.ports, Some((5, 6)));
}

#[test]
fn tags_are_read_from_the_outermost() {
    let inner = tag(5, 0x0800, &ipv4(17, &udp(1, 2, &[])));
    let packet = parse(&ethernet(0x88a8, &tag(0xe007, 0x8100, &inner)));
    let tags = packet.ethernet.unwrap();
    let ids: Vec<u16> = tags.vlans().iter().map(|vlan| vlan.id()).collect();
    assert_eq!((ids, tags.vlans()[0].priority()), (vec![7, 5], 7));
    assert_eq!(packet.ends().unwrap().ports, Some((1, 2)));
}

#[test]
fn extension_headers_are_skipped() {
    let packet = udp(1, 2, b"abc");
    let chain = extension(43, 2, &extension(60, 0, &extension(17, 1, &packet)));
    let ip = ip_of(&ethernet(0x86dd, &ipv6(0, &chain)));
    assert_eq!((ip.protocol, ip.payload), (17, 11));
    assert_eq!(ip.transport.ports(), Some((1, 2)));
}

#[test]
fn authentication_header_counts_in_words() {
    let header = join(&[&[17, 4, 0, 0], &[0; 20]]);
    let ip = ip_of(&ethernet(
        0x86dd,
        &ipv6(51, &join(&[&header, &udp(1, 2, &[])])),
    ));
    assert_eq!(ip.transport.ports(), Some((1, 2)));
}

#[test]
fn only_the_first_fragment_has_ports() {
    let body = udp(1, 2, &[7; 24]);
    let first = ip_of(&ethernet(0x0800, &ipv4_part(17, 0x2000, &body)));
    let later = ip_of(&ethernet(0x0800, &ipv4_part(17, 0x0003, &body)));
    assert_eq!(first.transport.ports(), Some((1, 2)));
    let expected = Fragment {
        id: 7,
        offset: 24,
        more: false,
    };
    assert_eq!(
        (later.fragment, later.transport),
        (Some(expected), Transport::None)
    );
}

#[test]
fn fragments_of_ipv6_have_their_place() {
    let header = [&[17, 0], &(1480_u16 | 1).to_be_bytes()[..], &[0, 0, 1, 0]].concat();
    let ip = ip_of(&ethernet(
        0x86dd,
        &ipv6(44, &join(&[&header, &udp(1, 2, &[])])),
    ));
    let expected = Fragment {
        id: 256,
        offset: 1480,
        more: true,
    };
    assert_eq!((ip.fragment, ip.protocol), (Some(expected), 17));
    assert_eq!(ip.transport, Transport::None);
}

#[test]
fn gre_has_its_key() {
    let body = [&[0xa0, 0, 0x65, 0x58], &[0; 4][..], &[0, 0, 0, 9]].concat();
    let ip = ip_of(&ethernet(0x0800, &ipv4(47, &body)));
    let expected = Gre {
        protocol: 0x6558,
        key: Some(9),
    };
    assert_eq!(ip.transport, Transport::Gre(expected));
}

#[test]
fn packets_without_a_link_are_parsed() {
    for link_type in [101, 228] {
        let packet = Packet::parse(&ipv4(17, &udp(1, 2, &[]))[..].into(), link_type);
        assert_eq!(packet.ends().unwrap().ports, Some((1, 2)));
        assert_eq!((packet.ethernet, packet.ether_type), (None, Some(0x0800)));
    }
    assert_eq!(
        Packet::parse(&[0x45; 60][..].into(), 105).network,
        Network::Other
    );
}

#[test]
fn cut_frames_name_the_header() {
    let frame = ethernet(0x0800, &ipv4(17, &udp(1, 2, &[])));
    let cut = |bytes: usize| parse(&frame[..bytes]).cut;
    assert_eq!(
        (cut(0), cut(13)),
        (Some(Cut::Ethernet), Some(Cut::Ethernet))
    );
    assert_eq!((cut(14), cut(33)), (Some(Cut::Ipv4), Some(Cut::Ipv4)));
    assert_eq!(
        (cut(34), cut(41)),
        (Some(Cut::Transport), Some(Cut::Transport))
    );
    assert_eq!(cut(42), None);
}

#[test]
fn ports_outlive_a_cut_header() {
    let frame = ethernet(0x0800, &ipv4(6, &tcp(1, 2, 0, &[])));
    let ports = |bytes: usize| parse(&frame[..bytes]).ends().unwrap().ports;
    assert_eq!((ports(37), ports(38)), (None, Some((1, 2))));
}

/// Appending bytes to a frame changes nothing that the parser found in it, except that fewer headers are cut.
fn agrees(short: &Packet, long: &Packet) -> bool {
    let is_kept = |found: Option<Ends>| {
        found.is_none_or(|ends| {
            let whole = long.ends().unwrap();
            ends.source == whole.source && ends.ports.is_none_or(|ports| whole.ports == Some(ports))
        })
    };
    short.ethernet.is_none_or(|header| {
        let whole = long.ethernet.unwrap();
        header.source == whole.source && whole.vlans().starts_with(header.vlans())
    }) && is_kept(short.ends())
}

proptest! {
    #[test]
    fn any_bytes_are_parsed(frame in proptest::collection::vec(any::<u8>(), 0..200), link: u8) {
        for link_type in [1, 101, 228, u32::from(link)] {
            let packet = Packet::parse(&frame[..].into(), link_type);
            prop_assert!(packet.ethernet.is_none_or(|header| header.vlans().len() <= 4));
        }
    }

    /// Random bytes hardly ever reach the deeper headers, so real frames are damaged.
    #[test]
    fn damaged_frames_are_parsed(
        number in 0..one_of_each_kind().len(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frame = one_of_each_kind().swap_remove(number);
        for (at, byte) in damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        let whole = parse(&frame);
        let part = parse(&frame[..cut.index(frame.len() + 1)]);
        prop_assert!(agrees(&part, &whole), "{part:?} of {whole:?}");
    }

    #[test]
    fn ports_are_found_behind_any_headers(
        ports: (u16, u16),
        tags in proptest::collection::vec(0..4096_u16, 0..4),
        extensions in proptest::collection::vec((prop::sample::select(vec![0_u8, 43, 60]), 0..3_u8), 0..5),
    ) {
        let mut body = udp(ports.0, ports.1, &[]);
        let mut next = 17;
        for (kind, more) in extensions.iter().rev() {
            body = extension(next, *more, &body);
            next = *kind;
        }
        let mut body = ipv6(next, &body);
        let mut kind = 0x86dd;
        for id in tags.iter().rev() {
            body = tag(*id, kind, &body);
            kind = 0x8100;
        }
        let packet = parse(&ethernet(kind, &body));
        let ids: Vec<u16> = packet.ethernet.unwrap().vlans().iter().map(|v| v.id()).collect();
        prop_assert_eq!(ids, tags);
        prop_assert_eq!(packet.ends().unwrap().ports, Some(ports));
    }
}
