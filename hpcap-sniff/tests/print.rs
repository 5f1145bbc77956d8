//! The printed lines of frames of each kind.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod lab;

use std::fs::File;

use hpcap::Timestamp;
use hpcap::pcapfile::{PcapWriter, Precision};
use hpcap_sniff::print::Style;
use lab::{engine, sniffed};
use proptest::prelude::*;
use serde_json::Value;
use testkit::packets::{ethernet, ipv4, one_of_each_kind, tcp};

/// Captures `frames` and returns the text of them.
fn printed(frames: &[Vec<u8>], style: Style) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcap");
    let file = File::create(&path).unwrap();
    let mut writer = PcapWriter::new(file, 1, 65_535, Precision::Nanoseconds);
    for (n, frame) in (1_700_000_000..).zip(frames) {
        let len = u32::try_from(frame.len()).unwrap();
        writer.frame(Timestamp::new(n, 5), len, frame).unwrap();
    }
    writer.into_inner().unwrap();
    let (text, totals) = sniffed(
        &engine(&format!("pcap:{}", path.display())),
        style,
        "",
        None,
    );
    assert_eq!(totals.frames, frames.len() as u64);
    text
}

#[test]
fn lines_agree_with_tcpdump() {
    let text = printed(&one_of_each_kind(), Style::Line);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    let v4 = "192.168.0.48";
    let expected = [
        format!(
            "IP {v4}.80 > 192.168.4.78.40000: Flags [S.], seq 1000, ack 2000, win 500, length 0"
        ),
        format!("IP {v4}.53 > 192.168.4.78.40000: UDP, length 12"),
        format!("IP {v4} > 192.168.4.78: ICMP echo request, id 1, seq 2, length 10"),
        format!("IP {v4}.80 > 192.168.4.78.81: SCTP tag 0x00000009, chunk 3, length 14"),
        format!("IP {v4} > 192.168.4.78: GRE protocol 0x0800, key 0x00000005, length 48"),
        format!("IP {v4}.53 > 192.168.4.78.40000: UDP, length 12, fragment 7@0+"),
        format!("IP {v4} > 192.168.4.78: protocol 17, length 16, fragment 7@1480+"),
        "IP6 2001:db8::1.53 > 2001:db8::2.40000: UDP, length 12".into(),
        "IP6 2001:db8::1.53 > 2001:db8::2.40000: UDP, length 12".into(),
        "IP6 2001:db8::1.53 > 2001:db8::2.40000: UDP, length 12, fragment 0@0".into(),
        "IP6 2001:db8::1 > 2001:db8::2: ICMP6 echo request, id 3, seq 4, length 8".into(),
        format!("vlan 5 p 3, IP {v4}.53 > 192.168.4.78.40000: UDP, length 12"),
        "vlan 7, vlan 5, IP6 2001:db8::1.53 > 2001:db8::2.40000: UDP, length 12".into(),
        "ARP, Request who-has 10.0.0.2 tell 10.0.0.1".into(),
        "00:11:09:61:eb:0e > 00:10:22:fd:c4:d6, ethertype 0x88cc, length 54".into(),
        "00:11:09:61:eb:0e > 00:10:22:fd:c4:d6, 802.3, length 17".into(),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn lines_agree_with_the_log_of_2006() {
    let frame = ethernet(0x0800, &ipv4(6, &tcp(57_758, 5632, 0x10, &[1; 8])));
    let text = printed(&[frame], Style::Log);
    let (place, headers) = text.split_once('\n').unwrap();
    assert!(
        place.contains(", size: 62, off: ") && place.contains(": entry: 0, cpu: "),
        "{place}"
    );
    assert_eq!(
        headers,
        "\t00:11:09:61:eb:0e -> 00:10:22:fd:c4:d6, type: 0800, \
         192.168.0.48:57758 -> 192.168.4.78:5632, proto: 6\n"
    );
}

#[test]
fn json_has_every_header() {
    let text = printed(&one_of_each_kind(), Style::Json);
    let objects: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let tcp = &objects[0];
    assert_eq!(tcp["time"], "2023-11-14T22:13:20.000000005Z");
    assert_eq!(tcp["source_mac"], "00:11:09:61:eb:0e");
    assert_eq!(
        (&tcp["type"], &tcp["protocol"]),
        (&"0x0800".into(), &6.into())
    );
    assert_eq!((&tcp["flags"], &tcp["seq"]), (&"S.".into(), &1000.into()));
    assert_eq!(objects[3]["sctp_chunk"], 3);
    assert_eq!(objects[4]["gre_protocol"], "0x0800");
    assert_eq!(objects[6]["fragment_offset"], 1480);
    assert_eq!(objects[10]["icmp_seq"], 4);
    assert_eq!(objects[12]["vlans"], serde_json::json!([7, 5]));
    assert_eq!(objects[13]["arp_operation"], 1);
    assert_eq!(objects[14]["type"], "0x88cc");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a frame contains, a terminal gets printable characters, tabs and the ends of lines.
    #[test]
    fn frames_cannot_control_a_terminal(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..120), 1..20),
        kinds in proptest::collection::vec(prop::sample::select(vec![0x0800_u16, 0x86dd, 0x0806, 0x8100, 7]), 20),
    ) {
        let frames: Vec<Vec<u8>> = bodies.iter().zip(kinds).map(|(b, kind)| ethernet(kind, b)).collect();
        for style in [Style::Line, Style::Log, Style::Json] {
            let text = printed(&frames, style);
            prop_assert!(text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\t')), "{text:?}");
            if style == Style::Json {
                for line in text.lines() {
                    prop_assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
                }
            }
        }
    }
}
