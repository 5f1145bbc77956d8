//! Segmentation and checksums that a sender on the same machine leaves to a NIC, although there is
//! none. The capture has the frames that a NIC would have sent.

use std::collections::BTreeMap;

use hpcap_e2e::recording::contents;
use hpcap_e2e::vm::{Vm, Wanted, scaled};
use testkit::pcap::Frame;

vm_tests!(
    a_stream_is_captured_in_segments_that_add_up_to_it: Wanted::PLAIN,
    a_check_sum_behind_a_vlan_tag_is_completed: Wanted::PLAIN,
);

const BYTES: u64 = 4_000_000;
const MTU: usize = 1500;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// EtherType and tag of VLAN 5.
const TAG: [u8; 4] = [0x81, 0, 0, 5];

/// Makes a veth pair: `wire` is captured, and receives what is sent on `send` in the
/// namespace `peer`.
fn capture_veth(vm: &Vm) {
    vm.sh("modprobe veth
        ip netns add peer
        ip link add wire type veth peer name send netns peer
        ip link set wire up; ip -n peer link set send up
        ip addr add 10.9.0.1/24 dev wire; ip -n peer addr add 10.9.0.2/24 dev send");
    vm.sh("modprobe hpcap ring_bytes=16M; modprobe hpcap_netdev interfaces=wire:0");
}

/// The network stack passes up to 64 KiB at once, with an incomplete checksum.
fn a_stream_is_captured_in_segments_that_add_up_to_it(vm: &Vm) {
    capture_veth(vm);
    let bytes = scaled(BYTES);
    vm.sh(&format!("head -c {bytes} /dev/urandom >/out/sent"));
    let recorder = vm.recorder("hpcap0", "raw");
    let listener = vm.background("busybox nc -l -p 9 -e /bin/sh -c 'cat >/out/received'");
    vm.until("busybox netstat -ltn | grep -q ':9 '");
    vm.sh("ip netns exec peer bash -c 'cat /out/sent >/dev/tcp/10.9.0.1/9'");
    listener.finish();
    vm.end_recorder(recorder, "raw");
    let at_once = vm.sh("cat /sys/class/net/wire/statistics/rx_packets");
    let at_once: usize = at_once.trim().parse().unwrap();

    let content = contents(&vm.out("raw"));
    assert_eq!((content.lost, content.damage.len()), (0, 0));
    let captured = content.frames.len();
    assert!(captured > 2 * at_once, "{captured} frames of {at_once}");
    let mut stream = BTreeMap::new();
    let mut first = None;
    for frame in &content.frames {
        assert!(frame.data.len() <= 14 + MTU, "{}", frame.data.len());
        let Some(tcp) = checked(frame, 14, TCP) else {
            continue;
        };
        let number = u32::from_be_bytes(tcp[4..8].try_into().unwrap());
        // SYN comes first, and counts as one byte.
        let first = *first.get_or_insert(number.wrapping_add(1));
        let data = &tcp[usize::from(tcp[12] >> 4) * 4..];
        if !data.is_empty() {
            stream.insert(number.wrapping_sub(first) as usize, data);
        }
    }
    let mut found: Vec<u8> = Vec::new();
    for (offset, data) in stream {
        assert!(offset <= found.len(), "nothing at {}", found.len());
        // A retransmitted segment may overlap the previous ones. It replaces everything from its
        // offset on.
        found.truncate(offset);
        found.extend(data);
    }
    let sent = std::fs::read(vm.out("sent")).unwrap();
    assert!(found == sent, "{} of {} bytes", found.len(), sent.len());
    assert!(found == std::fs::read(vm.out("received")).unwrap());
    vm.sh("modprobe -r hpcap_netdev hpcap");
}

fn a_check_sum_behind_a_vlan_tag_is_completed(vm: &Vm) {
    capture_veth(vm);
    vm.sh("modprobe 8021q
        ip -n peer link add link send name tagged type vlan id 5
        ip -n peer link set tagged up; ip -n peer addr add 10.9.5.2/24 dev tagged
        ip -n peer neigh add 10.9.5.1 lladdr 02:00:00:00:00:05 dev tagged");
    let recorder = vm.recorder("hpcap0", "raw");
    vm.sh("ip netns exec peer bash -c 'echo hello >/dev/udp/10.9.5.1/9'");
    vm.end_recorder(recorder, "raw");
    let content = contents(&vm.out("raw"));
    let tagged = content.frames.iter().filter(|f| f.data[12..16] == TAG);
    let datagrams: Vec<_> = tagged.filter_map(|f| checked(f, 18, UDP)).collect();
    assert_eq!(datagrams.len(), 1, "{content:?}");
    assert_eq!(&datagrams[0][8..], b"hello\n");
    vm.sh("modprobe -r hpcap_netdev hpcap");
}

/// Returns the payload of the IPv4 packet at `offset` if the packet has this protocol. The
/// checksums of the header and of the payload must be right.
fn checked(frame: &Frame, offset: usize, protocol: u8) -> Option<&[u8]> {
    let packet = &frame.data[offset..];
    if frame.data[offset - 2..offset] != [0x08, 0x00] || packet[9] != protocol {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let (ip, segment) = packet[..total].split_at(usize::from(packet[0] & 15) * 4);
    assert_eq!(sum(&[ip]), 0xFFFF, "{frame:?}");
    let length = u16::try_from(segment.len()).unwrap().to_be_bytes();
    let pseudo_header = [&ip[12..20], &[0, protocol], &length].concat();
    assert_eq!(sum(&[&pseudo_header, segment]), 0xFFFF, "{frame:?}");
    Some(segment)
}

/// Returns the checksum of RFC 1071, which is all ones over data that includes its right checksum.
fn sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|w| u32::from(u16::from_be_bytes([w[0], *w.get(1).unwrap_or(&0)])))
        .sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}
