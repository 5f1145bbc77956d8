//! The sniffer on the ring of a running engine: what it prints, what it misses, and that every byte that it
//! looks at is right while the ring wraps.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod lab;

use hpcap::stream::Looked;
use hpcap::{Contract, Event};
use hpcap_packet::Packet;
use hpcap_sniff::print::Style;
use hpcap_source::generator::verify_cut;
use lab::{RING_BYTES, engine, sniffed, stream};
use serde_json::Value;

/// Looks at `frames` frames of a lossless stream, each byte of which must be that of the generator, in
/// their order.
fn verify(frames: u64) {
    let engine = engine(&format!("gen:size=60,count={frames}"));
    let mut stream = stream(&engine, Contract::Lossless);
    let mut copy = Vec::new();
    let mut next = 0;
    while let Some(looked) = stream
        .look(|frame| {
            copy.clear();
            frame.bytes.copy_to(&mut copy);
            let ports = Packet::parse(&frame.bytes, frame.link_type)
                .ends()
                .unwrap()
                .ports;
            assert!(ports.is_some(), "frame {next}");
            verify_cut(&copy, frame.len as usize).map(|stamp| stamp.seq)
        })
        .unwrap()
    {
        match looked {
            Looked::Frame(number) => {
                assert_eq!(number, Some(next));
                next += 1;
            }
            Looked::Event(event) => assert!(!matches!(event, Event::Missed(_)), "{event:?}"),
        }
    }
    assert_eq!(next, frames);
    assert!(
        stream.listener().position() > 3 * RING_BYTES,
        "the ring did not wrap"
    );
}

#[test]
fn every_byte_is_right_while_the_ring_wraps() {
    verify(100_000);
}

#[test]
#[ignore = "takes a minute without optimisation: cargo test --profile stress -p hpcap-sniff -- --ignored"]
fn ten_million_frames_are_right() {
    verify(10_000_000);
}

/// Looks at a producer that does not wait. What is seen and what is missed add up to what was captured.
#[test]
fn lossy_look_is_right_or_missed() {
    let engine = engine("gen:size=60,count=300000");
    let mut stream = stream(&engine, Contract::Lossy);
    let mut copy = Vec::new();
    let (mut seen, mut missed, mut last) = (0, 0, None);
    while let Some(looked) = stream
        .look(|frame| {
            copy.clear();
            frame.bytes.copy_to(&mut copy);
            verify_cut(&copy, frame.len as usize).map(|stamp| stamp.seq)
        })
        .unwrap()
    {
        match looked {
            Looked::Frame(number) => {
                let number = number.expect("a frame that was torn was not refused");
                assert!(last < Some(number), "{number} after {last:?}");
                last = Some(number);
                seen += 1;
            }
            Looked::Event(Event::Missed(gap)) => missed += gap.frames(),
            Looked::Event(_) => {}
        }
    }
    assert_eq!(seen + missed, 300_000);
}

#[test]
fn sniffer_prints_a_line_for_each_frame() {
    let (text, totals) = sniffed(&engine("gen:size=60,count=5000"), Style::Line, "", None);
    assert_eq!((text.lines().count(), totals.frames), (5000, 5000));
    assert_eq!(totals.bytes, 300_000);
    for line in text.lines() {
        assert!(
            line.contains(" IP ") && line.contains(": UDP, length 18"),
            "{line}"
        );
    }
}

#[test]
fn sniffer_stops_after_the_count() {
    let (text, totals) = sniffed(&engine("gen:size=60"), Style::Json, "", Some(70));
    assert_eq!((text.lines().count(), totals.frames), (70, 70));
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["number"], &last["len"]), (&70.into(), &60.into()));
}

#[test]
fn sniffer_prints_the_matching_frames() {
    for (filter, matching) in [("greater 61", 0), ("udp and less 60", 1000)] {
        let engine = engine("gen:size=60,count=1000");
        let (text, totals) = sniffed(&engine, Style::Line, filter, None);
        assert_eq!(text.lines().count(), matching, "{filter}");
        assert_eq!(totals.filtered, 1000 - totals.frames);
    }
}

#[test]
fn log_names_the_place_in_the_ring() {
    let (text, _) = sniffed(&engine("gen:size=60,count=40000"), Style::Log, "", None);
    let mut offset_before = 0;
    for (n, pair) in text.lines().collect::<Vec<_>>().chunks(2).enumerate() {
        let (place, headers) = (pair[0], pair[1]);
        let field = |name: &str| {
            let rest = place.split(&format!("{name}: ")).nth(1).unwrap();
            let text = rest.split([',', ':']).next().unwrap();
            match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
                None => text.parse().unwrap(),
            }
        };
        assert!(
            place.starts_with(&format!("dump {}: ptr: ", n + 1)),
            "{place}"
        );
        assert_eq!(
            (field("size"), field("ptr")),
            (60, field("off") % RING_BYTES)
        );
        assert_eq!(field("entry"), field("off") / (RING_BYTES / 4));
        assert!(field("off") > offset_before || n == 0, "{place}");
        assert!(
            place.contains("cpu: ") && !place.contains("cpu: ?"),
            "{place}"
        );
        assert!(
            headers.contains("type: 0800, ") && headers.ends_with("proto: 17"),
            "{headers}"
        );
        offset_before = field("off");
    }
}
