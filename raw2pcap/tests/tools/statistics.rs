//! Tests of the pcapng statistics of each interface, read by a reader of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use hpcap::raw::{FileHeader, Gap, LedgerTag, RecordingId, Writer};
use hpcap::{Count, Ledger, QueueName, Reason, Timestamp};

use crate::samples::{START, contents, exits, ns, raw2pcap, stderr};

/// An interface of a file: its snapshot length and the numbers of its statistics by option.
#[derive(Debug, Default, PartialEq, Eq)]
struct Interface {
    snaplen: u32,
    numbers: BTreeMap<u16, u64>,
}

const START_TIME: u16 = 2;
const END_TIME: u16 = 3;
const RECEIVED: u16 = 4;
const DROPPED: u16 = 5;
const ACCEPTED: u16 = 6;
const OS_DROPPED: u16 = 7;
const DELIVERED: u16 = 8;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Returns the interfaces of a file, and the number of its frames.
fn interfaces(path: &Path) -> (Vec<Interface>, u64) {
    let bytes = fs::read(path).unwrap();
    let (mut found, mut frames, mut at) = (Vec::<Interface>::new(), 0, 0);
    while at < bytes.len() {
        let (kind, length) = (word(&bytes, at), word(&bytes, at + 4) as usize);
        let block = &bytes[at + 8..at + length - 4];
        match kind {
            1 => found.push(Interface {
                snaplen: word(block, 4),
                ..Interface::default()
            }),
            6 => frames += 1,
            5 => {
                let interface = &mut found[word(block, 0) as usize];
                let mut option = 12;
                while option < block.len() {
                    let head = word(block, option);
                    let (code, bytes) = (head as u16, (head >> 16) as usize);
                    if code == 0 {
                        break;
                    }
                    let (low, high) = (word(block, option + 4), word(block, option + 8));
                    let number = if code == START_TIME || code == END_TIME {
                        u64::from(low) << 32 | u64::from(high)
                    } else {
                        u64::from(high) << 32 | u64::from(low)
                    };
                    assert!(interface.numbers.insert(code, number).is_none());
                    option += 4 + bytes.next_multiple_of(4);
                }
            }
            _ => {}
        }
        at += length;
    }
    (found, frames)
}

fn lost(counts: &[(Reason, u64)]) -> Ledger {
    let mut ledger = Ledger::default();
    for (reason, frames) in counts {
        ledger[*reason] = Count::new(*frames, frames * 60);
    }
    ledger
}

/// Stores a file of a recording. It has `frames` frames of ports 0, 1 and so on, a millisecond
/// apart from second `from` on, cut to `caplen`. Each entry of `losses` adds a loss behind the
/// frame of its number.
fn store(dir: &Path, from: u64, caplen: u32, frames: u64, losses: &[(u64, Reason, u64)]) {
    let mut writer = Writer::new(Vec::new());
    let header = FileHeader {
        start: Timestamp::from_ns(ns(from, 0) - 5_000_000),
        link_type: 1,
        caplen,
        queue: Some(QueueName::new(0, 0)),
        interface: "veth0".into(),
        host: "probe".into(),
        clock_source: "engine".into(),
        // The files belong to one recording whose settings were changed between them.
        recording: RecordingId::from_bytes([1; 16]),
        file_number: from,
        stream_off: from << 31,
        ..FileHeader::default()
    };
    let _ = writer.header(&header).unwrap();
    let mut ledger = lost(&[(Reason::Captured, frames)]);
    let time = |i: u64| ns(from, i * 1_000_000);
    for i in 0..frames {
        let data = contents(u8::try_from(i % 200).unwrap());
        let kept = &data[..if caplen == 0 { 60 } else { caplen as usize }];
        let (sec, nsec) = (time(i) / 1_000_000_000, (time(i) % 1_000_000_000) as u32);
        let _ = writer.frame(sec, nsec, 60, kept).unwrap();
        for (_, reason, count) in losses.iter().filter(|(behind, ..)| *behind == i) {
            let lost = lost(&[(*reason, *count)]);
            ledger += &lost;
            let gap = Gap {
                from: Some(Timestamp::from_ns(time(i))),
                until: Timestamp::from_ns(time(i + 1)),
                lost,
                ..Gap::default()
            };
            let _ = writer.gap(&gap).unwrap();
        }
    }
    let end = Timestamp::from_ns(time(frames) + 7_000_000);
    let _ = writer
        .ledger(&LedgerTag {
            end,
            ledger,
            ..LedgerTag::default()
        })
        .unwrap();
    let path = dir.join(format!("{}_hpcap0_0.raw", START + from));
    fs::write(path, writer.close(4096).unwrap().0).unwrap();
}

/// Converts `dir` to `x.pcapng`. Returns its interfaces and the number of its frames.
fn converted(dir: &Path, args: &[&str]) -> (Vec<Interface>, u64) {
    let args = [&[".", "-o", "x.pcapng", "--force"], args].concat();
    exits(&raw2pcap(&args, dir), 0);
    interfaces(&dir.join("x.pcapng"))
}

fn number(interface: &Interface, code: u16) -> u64 {
    interface.numbers[&code]
}

/// Asserts that tcpdump, if it is installed, reads `frames` frames in `x.pcapng`.
fn assert_tcpdump_reads(dir: &Path, frames: usize) {
    let run = Command::new("tcpdump")
        .args(["-nr", "x.pcapng"])
        .current_dir(dir)
        .output();
    match run {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: tcpdump is not installed");
        }
        run => {
            let run = run.unwrap();
            exits(&run, 0);
            assert_eq!(String::from_utf8_lossy(&run.stdout).lines().count(), frames);
        }
    }
}

#[test]
fn interfaces_have_separate_counts() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 0, 0, 100, &[(50, Reason::NicMissed, 7)]);
    store(dir.path(), 10, 40, 30, &[(20, Reason::RingFull, 5)]);
    let (found, frames) = converted(dir.path(), &[]);
    assert_eq!((found.len(), frames), (2, 130));
    let counts = |i: usize, codes: [u16; 4]| codes.map(|code| number(&found[i], code));
    let codes = [RECEIVED, DROPPED, OS_DROPPED, DELIVERED];
    assert_eq!(counts(0, codes), [107, 7, 0, 100]);
    assert_eq!(counts(1, codes), [35, 0, 5, 30]);
}

#[test]
fn filter_keeps_the_drop_counts() {
    let dir = tempfile::tempdir().unwrap();
    let losses = [(10, Reason::NicMissed, 7), (20, Reason::RingFull, 3)];
    store(dir.path(), 0, 0, 100, &losses);
    for (args, accepted, delivered) in [
        (&[][..], 103, 100),
        (&["--filter", "udp"], 103, 100),
        (&["--filter", "udp src port 53"], 4, 1),
        (&["--filter", "tcp"], 3, 0),
    ] {
        let (found, _) = converted(dir.path(), args);
        assert_eq!(number(&found[0], RECEIVED), 110, "{args:?}");
        assert_eq!(number(&found[0], DROPPED), 7, "{args:?}");
        assert_eq!(number(&found[0], OS_DROPPED), 3, "{args:?}");
        assert_eq!(number(&found[0], ACCEPTED), accepted, "{args:?}");
        assert_eq!(number(&found[0], DELIVERED), delivered, "{args:?}");
    }
}

#[test]
fn losses_after_last_frame_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 0, 0, 100, &[(99, Reason::RingFull, 9)]);
    for args in [&[][..], &["--from", "+50ms"], &["--filter", "udp"]] {
        let (found, _) = converted(dir.path(), args);
        assert_eq!(number(&found[0], OS_DROPPED), 9, "{args:?}");
    }
}

#[test]
fn range_has_its_own_counts() {
    let dir = tempfile::tempdir().unwrap();
    let losses = [(10, Reason::NicMissed, 7), (60, Reason::NicMissed, 2)];
    store(dir.path(), 0, 0, 100, &losses);
    let (found, frames) = converted(dir.path(), &["--from", "+50ms", "--to", "+20ms"]);
    assert_eq!(frames, 21);
    let codes = [RECEIVED, DROPPED, ACCEPTED, OS_DROPPED, DELIVERED];
    let counts = codes.map(|code| number(&found[0], code));
    assert_eq!(counts, [23, 2, 21, 0, 21]);
    assert_eq!(number(&found[0], START_TIME), ns(0, 50_000_000));
    assert_eq!(number(&found[0], END_TIME), ns(0, 70_000_000));
}

#[test]
fn counts_start_with_the_recording() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 0, 0, 100, &[]);
    let (found, _) = converted(dir.path(), &[]);
    assert_eq!(number(&found[0], START_TIME), ns(0, 0) - 5_000_000);
    assert_eq!(number(&found[0], END_TIME), ns(0, 107_000_000));
}

#[test]
fn split_files_count_their_own_frames() {
    let dir = tempfile::tempdir().unwrap();
    let losses = [(10, Reason::NicMissed, 7), (99, Reason::RingFull, 2)];
    store(dir.path(), 0, 0, 100, &losses);
    let args = [".", "-o", "x.pcapng", "--split-frames", "60"];
    exits(&raw2pcap(&args, dir.path()), 0);
    let counts = |name: &str| {
        let found = interfaces(&dir.path().join(name)).0;
        [RECEIVED, DROPPED, OS_DROPPED, DELIVERED].map(|code| number(&found[0], code))
    };
    assert_eq!(counts("x_0.pcapng"), [67, 7, 0, 60]);
    assert_eq!(counts("x_1.pcapng"), [42, 0, 2, 40]);
}

#[test]
fn empty_output_has_interfaces() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 0, 0, 10, &[]);
    for args in [&["--filter", "tcp"][..], &["--from", "2030-01-01"]] {
        let (found, frames) = converted(dir.path(), args);
        assert_eq!((found.len(), frames), (1, 0), "{args:?}");
        assert_tcpdump_reads(dir.path(), 0);
    }
}

#[test]
fn interfaces_share_one_snaplen() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 0, 0, 10, &[]);
    store(dir.path(), 10, 40, 10, &[]);
    let (found, _) = converted(dir.path(), &[]);
    assert_eq!(found[0].snaplen, found[1].snaplen);
    assert_tcpdump_reads(dir.path(), 20);
}

/// The range lies inside a gap, begins in it, or ends in it.
#[test]
fn range_reports_a_gap_it_touches() {
    let dir = tempfile::tempdir().unwrap();
    // There is a millisecond without frames behind the 50th.
    store(dir.path(), 0, 0, 100, &[(50, Reason::RingFull, 9)]);
    for (from, to, missing) in [
        ("0.0503", "0.0506", true),
        ("0.0503", "0.06", true),
        ("0.04", "0.0506", true),
        ("0.0511", "0.06", false),
        ("0.02", "0.0499", false),
    ] {
        let time = |after: &str| format!("{START}.{}", &after[2..]);
        let args = ["--from", &time(from), "--to", &time(to)];
        let args = [&[".", "-o", "x.pcapng", "--force"][..], &args].concat();
        for indexed in [false, true] {
            if indexed {
                crate::samples::index(&dir.path().join(format!("{START}_hpcap0_0.raw")));
            }
            let run = raw2pcap(&args, dir.path());
            exits(&run, 0);
            let said = stderr(&run).contains("9 ring_full");
            assert_eq!(said, missing, "{from} to {to}: {}", stderr(&run));
            let found = interfaces(&dir.path().join("x.pcapng")).0;
            let counted = found[0].numbers.get(&OS_DROPPED) == Some(&9);
            assert_eq!(counted, missing, "{from} to {to}");
        }
    }
}
