//! Tests of `bytes=auto`: the innermost headers tell frames in tunnels apart, and frames that
//! nothing can tell apart are not duplicates.

use hpcap_engine::stages::Dedup;
use hpcap_source::Frame;
use proptest::prelude::*;

use super::dedup_cases::{dedup, of_one_flow, seen};

const MS: u64 = 1_000_000;

/// A layer around a packet. A layer that cannot carry the packet falls back to a similar one.
#[derive(Debug, Clone, Copy)]
enum Layer {
    Vlan,
    QinQ,
    Mpls(usize),
    PseudoWire,
    Pppoe,
    IpInIp,
    Gre,
    NvGre,
    Erspan,
    Vxlan,
    Geneve,
    GtpU,
    HopByHop,
}

/// The kind of a packet (an EtherType or `ETHERNET`) and its bytes.
type Packet = (u16, Vec<u8>);
const ETHERNET: u16 = 0x6558;

fn be(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_be_bytes()
}

fn ipv4(protocol: u8, id: u16, body: &[u8]) -> Packet {
    let mut packet = vec![0x45, 0];
    packet.extend(be(20 + body.len()));
    packet.extend(id.to_be_bytes());
    packet.extend([0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(body);
    (0x0800, packet)
}

fn ipv6(next: u8, body: &[u8]) -> Packet {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(be(body.len()));
    packet.extend([next, 64]);
    packet.extend([0xfd; 32]);
    packet.extend(body);
    (0x86dd, packet)
}

/// Builds a UDP datagram without a checksum, as hardware sends it.
fn udp(port: u16, body: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0xc3, 0x50];
    datagram.extend(port.to_be_bytes());
    datagram.extend(be(8 + body.len()));
    datagram.extend([0, 0]);
    datagram.extend(body);
    datagram
}

fn tcp(seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0, 1, 0, 2];
    segment.extend(seq.to_be_bytes());
    segment.extend([0, 0, 0, 9, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// Puts the packet into a frame with addresses, unless it is a frame already.
fn ethernet((kind, packet): Packet) -> Vec<u8> {
    if kind == ETHERNET {
        return packet;
    }
    let mut frame = vec![2; 12];
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

impl Layer {
    fn around(self, inner: Packet) -> Packet {
        let (kind, bytes) = inner.clone();
        let with = |head: &[u8], bytes: &[u8]| [head, bytes].concat();
        let tagged = |tpids: &[u16]| {
            let frame = ethernet(inner.clone());
            let tags: Vec<u8> = tpids
                .iter()
                .flat_map(|tpid| [(tpid >> 8) as u8, *tpid as u8, 0, 5])
                .collect();
            (ETHERNET, [&frame[..12], &tags, &frame[12..]].concat())
        };
        match self {
            Self::Vlan => tagged(&[0x8100]),
            Self::QinQ => tagged(&[0x88a8, 0x8100]),
            Self::Mpls(labels) if kind == 0x0800 || kind == 0x86dd => {
                let mut stack = vec![[0, 1, 0, 64]; labels];
                stack[labels - 1][2] |= 1;
                (0x8847, with(&stack.concat(), &bytes))
            }
            Self::Mpls(_) | Self::PseudoWire => {
                let head = [0, 1, 1, 64, 0, 0, 0, 0];
                (0x8847, with(&head, &ethernet(inner)))
            }
            Self::Pppoe if kind == 0x0800 => {
                let mut head = vec![0x11, 0, 0, 1];
                head.extend(be(bytes.len() + 2));
                head.extend([0, 0x21]);
                (0x8864, with(&head, &bytes))
            }
            Self::IpInIp if kind == 0x0800 => ipv4(4, 0, &bytes),
            Self::IpInIp if kind == 0x86dd => ipv6(41, &bytes),
            Self::Gre if kind != ETHERNET => {
                let head = [&[0x20, 0][..], &kind.to_be_bytes(), &[0, 0, 0, 7]].concat();
                ipv4(47, 0, &with(&head, &bytes))
            }
            Self::Gre | Self::NvGre | Self::Pppoe | Self::IpInIp => {
                let head = [0x20, 0, 0x65, 0x58, 0, 0, 5, 0];
                ipv4(47, 0, &with(&head, &ethernet(inner)))
            }
            Self::Erspan => {
                let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 5, 0, 0, 0, 0];
                ipv4(47, 0, &with(&head, &ethernet(inner)))
            }
            Self::Vxlan => {
                let head = [8, 0, 0, 0, 0, 0, 5, 0];
                ipv4(17, 0, &udp(4789, &with(&head, &ethernet(inner))))
            }
            Self::Geneve => {
                let head = [1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 0];
                ipv6(17, &udp(6081, &with(&head, &ethernet(inner))))
            }
            Self::GtpU if kind == 0x0800 || kind == 0x86dd => {
                let mut head = vec![0x34, 255];
                head.extend(be(bytes.len() + 8));
                head.extend([0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 5, 0]);
                ipv4(17, 0, &udp(2152, &with(&head, &bytes)))
            }
            Self::GtpU => Self::Vxlan.around(inner),
            Self::HopByHop if kind == 0x86dd && bytes.len() > 40 => {
                let options = [bytes[6], 0, 1, 4, 0, 0, 0, 0];
                ipv6(0, &[&options, &bytes[40..]].concat())
            }
            Self::HopByHop => inner,
        }
    }
}

fn layer() -> impl Strategy<Value = Layer> {
    prop_oneof![
        Just(Layer::Vlan),
        Just(Layer::QinQ),
        (1..4_usize).prop_map(Layer::Mpls),
        Just(Layer::PseudoWire),
        Just(Layer::Pppoe),
        Just(Layer::IpInIp),
        Just(Layer::Gre),
        Just(Layer::NvGre),
        Just(Layer::Erspan),
        Just(Layer::Vxlan),
        Just(Layer::Geneve),
        Just(Layer::GtpU),
        Just(Layer::HopByHop),
    ]
}

/// Builds a frame of a TCP segment inside `layers`.
fn framed(layers: &[Layer], v6: bool, segment: &[u8]) -> Vec<u8> {
    let packet = if v6 {
        ipv6(6, segment)
    } else {
        ipv4(6, 0, segment)
    };
    ethernet(
        layers
            .iter()
            .fold(packet, |packet, layer| layer.around(packet)),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Different segments of a connection are no duplicates, whatever the layers around them are.
    #[test]
    fn segments_in_tunnels_stay_distinct(
        layers in prop::collection::vec(layer(), 0..5),
        v6 in any::<bool>(),
        payload in prop_oneof![Just(0_usize), Just(50), Just(400)],
    ) {
        let mut dedup = dedup("on");
        let frames: Vec<_> = (0..20)
            .map(|n| framed(&layers, v6, &tcp(n * 1000, &vec![7; payload])))
            .collect();
        let all: Vec<_> = frames.iter().map(|f| (&f[..], MS)).collect();
        prop_assert_eq!(seen(&mut dedup, &all), vec![false; 20]);
    }

    /// A copy is found as long as the fields that identify it are among the compared bytes.
    #[test]
    fn copies_in_a_tunnel_are_found(layer in layer(), v6 in any::<bool>()) {
        let mut dedup = dedup("on");
        let frame = framed(&[layer], v6, &tcp(1, &[7; 400]));
        prop_assert_eq!(seen(&mut dedup, &[(&frame, MS), (&frame, MS)]), vec![false, true]);
    }

    /// For any bytes, whole or cut, of any link type, the filter reads no byte that is not there,
    /// and frames that differ in a compared byte are no duplicates.
    #[test]
    fn filter_survives_any_bytes(
        data in prop::collection::vec(any::<u8>(), 1..300),
        head in prop::sample::select(vec![
            vec![], vec![2; 12], [vec![2; 12], vec![8, 0, 0x45]].concat(),
            [vec![2; 12], vec![0x86, 0xdd, 0x60]].concat(), [vec![2; 12], vec![0x88, 0x47]].concat(),
        ]),
        cut in any::<prop::sample::Index>(),
        link_type in prop::sample::select(vec![1_u32, 101, 113, 276, 105, 0]),
    ) {
        let whole = [head, data].concat();
        let there = whole[..=cut.index(whole.len())].to_vec();
        let settings = "bytes=auto".parse().unwrap();
        let mut dedup = Dedup::new(settings, link_type).unwrap();
        let mut is_duplicate = |data: &[u8]| {
            let frame = Frame::new(data, whole.len() as u32, 1, 0);
            dedup.apply(&mut [frame], &mut Vec::new()).0 == 0
        };
        prop_assert!(!is_duplicate(&there));
        let mut other = there.clone();
        other[0] ^= 1;
        prop_assert!(!is_duplicate(&other));
    }
}

/// 100 segments in VXLAN over a tagged link, as hardware sends them: outer id 0, no checksum.
#[test]
fn segments_in_vxlan_stay() {
    let frames: Vec<_> = (0..100)
        .map(|n| framed(&[Layer::Vxlan, Layer::Vlan], false, &tcp(n, &[7; 400])))
        .collect();
    let all: Vec<_> = frames.iter().map(|f| (&f[..], MS)).collect();
    assert_eq!(seen(&mut dedup("on"), &all), [false; 100]);
    // With the original's rule, all of them look like one frame.
    let original = seen(&mut dedup("bytes=70"), &all);
    assert_eq!(original.iter().filter(|copy| **copy).count(), 99);
}

/// A frame that is longer than the compared bytes has duplicates only if it is a datagram with an
/// identification number or a checksum. Shorter frames are compared as a whole.
#[test]
fn frame_without_identifying_field_is_no_copy() {
    let datagram = |id: u16, sum: u8, bytes: usize| {
        let mut body = udp(9999, &vec![7; bytes]);
        body[7] = sum;
        ethernet(ipv4(17, id, &body))
    };
    for (frame, expected) in [
        (datagram(0, 0, 400), false),
        (datagram(1, 0, 400), true),
        (datagram(0, 1, 400), true),
        (datagram(0, 0, 100), true),
        (ethernet((0x88b5, vec![7; 400])), false),
        (ethernet((0x88b5, vec![7; 100])), true),
        (ethernet(ipv4(115, 3, &[7; 400])), false),
    ] {
        let copies = [(&frame[..], MS), (&frame[..], MS)];
        assert_eq!(
            seen(&mut dedup("on"), &copies),
            [false, expected],
            "{frame:?}"
        );
    }
}

#[test]
fn fields_are_ignored_in_tunnels_too() {
    let frame = framed(&[Layer::Vxlan, Layer::Vlan], false, &tcp(1, &[7; 400]));
    let mut other_tag = frame.clone();
    other_tag[15] = 6;
    let without = framed(&[Layer::Vxlan], false, &tcp(1, &[7; 400]));
    let frames = [&frame, &other_tag, &without].map(|f| (&f[..], MS));
    assert_eq!(
        seen(&mut dedup("ignore=vlan"), &frames),
        [false, true, true]
    );
    assert_eq!(seen(&mut dedup("on"), &frames), [false; 3]);
    let plain = of_one_flow(1);
    assert_eq!(
        seen(&mut dedup("on"), &[(&plain, MS), (&plain, MS)]),
        [false, true]
    );
}
