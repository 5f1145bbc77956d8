//! Tests that the checker names each problem and its position.

use hpcap_base::{Count, Ledger, Reason, Timestamp};
use hpcap_raw::check::{Checker, Problem, Report};
use hpcap_raw::padding::padding_header;
use hpcap_raw::{Gap, LedgerTag, Placed, Reader, Writer};

use crate::original;
use testkit::raw::{self as made, Frame, file};

pub(crate) fn report(bytes: &[u8]) -> Report {
    let checker = Checker::new().findings_max(1000);
    checker
        .check(Reader::new(bytes), None, false, &mut |_| Ok(()))
        .unwrap()
}

fn problems(bytes: &[u8]) -> Vec<(u64, Problem)> {
    let findings = report(bytes).findings;
    findings.iter().map(|f| (f.offset, f.problem)).collect()
}

/// Returns a file with ten frames of 100 bytes (records of 112 bytes), and the offsets of its
/// records.
fn ten() -> (Vec<u8>, Vec<u64>) {
    let frames = made::equal_frames(10, 100);
    file(&frames, 0)
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

#[test]
fn sound_file_has_no_findings() {
    let (bytes, _) = ten();
    let report = report(&bytes);
    assert!(report.is_sound());
    assert_eq!(report.findings, []);
    assert_eq!(report.frames, Count::new(10, 1000));
    assert_eq!(report.first, Some(Timestamp::from_ns(made::EPOCH_NS)));
    assert_eq!(report.last, Some(Timestamp::from_ns(made::EPOCH_NS + 9000)));
    assert_eq!(report.file_bytes, bytes.len() as u64);
    let header = report.header.unwrap();
    assert_eq!(
        (header.interface.as_str(), header.queue.as_deref()),
        ("veth0", Some("hpcap0:1"))
    );
}

#[test]
fn cut_header_is_a_defect() {
    let (bytes, offsets) = ten();
    let cut = &bytes[..at(offsets[9]) + 5];
    let found = problems(cut);
    assert!(
        matches!(found[0], (o, Problem::CutHeader) if o == offsets[9]),
        "{found:?}"
    );
    assert!(matches!(found[1], (_, Problem::NotClosed)));
}

#[test]
fn cut_record_is_a_defect() {
    let (bytes, offsets) = ten();
    let cut = &bytes[..at(offsets[9]) + 12 + 33];
    let expected = Problem::CutRecord {
        caplen: 100,
        there: 33,
    };
    assert!(problems(cut).contains(&(offsets[9], expected)));
    assert_eq!(report(cut).frames.frames, 9);
}

#[test]
fn missing_closing_padding_is_a_warning() {
    let (bytes, _) = ten();
    let open = &bytes[..bytes.len() - 12];
    assert_eq!(problems(open), [(open.len() as u64, Problem::NotClosed)]);
    assert_eq!(problems(&[]), [(0, Problem::NotClosed)]);
    // The checker does not expect closing padding in a file that a recorder is writing.
    let report = Checker::new()
        .check(Reader::new(open), None, true, &mut |_| Ok(()))
        .unwrap();
    assert!(report.is_sound() && report.under_way);
}

#[test]
fn impossible_lengths_and_times_are_defects() {
    let (mut bytes, offsets) = ten();
    // One frame gets 100 captured bytes of 99, another one 10^9 nanoseconds.
    bytes[at(offsets[2]) + 10] = 99;
    bytes[at(offsets[7]) + 4..at(offsets[7]) + 8].copy_from_slice(&1_000_000_000_u32.to_le_bytes());
    let found = problems(&bytes);
    assert_eq!(
        found[..2],
        [
            (
                offsets[2],
                Problem::CaplenBeyondLen {
                    caplen: 100,
                    len: 99
                }
            ),
            (
                offsets[7],
                Problem::Nanoseconds {
                    nsec: 1_000_000_000
                }
            ),
        ]
    );
    assert_eq!(
        report(&bytes).frames.frames,
        10,
        "both are given all the same"
    );
    // The additional second makes the time go back at the next frame.
    assert!(matches!(found[2], (o, Problem::TimeBackwards { .. }) if o == offsets[8]));
    assert_eq!(report(&bytes).times_backwards, 1);
}

#[test]
fn padding_with_two_lengths_is_a_defect() {
    let (bytes, _) = ten();
    let mut padded = bytes[..bytes.len() - 12].to_vec();
    let end = padded.len() as u64;
    let mut header = padding_header(40);
    header.len = 41;
    padded.extend_from_slice(header.as_bytes());
    padded.extend_from_slice(&[0; 40]);
    let expected = Problem::PaddingLengths {
        caplen: 40,
        len: 41,
    };
    assert!(
        problems(&padded).contains(&(end, expected)),
        "{:?}",
        problems(&padded)
    );
}

#[test]
fn bytes_without_records_are_defects() {
    let (mut bytes, offsets) = ten();
    let (from, to) = (at(offsets[4]), at(offsets[6]));
    bytes[from..to].copy_from_slice(&made::contents(to - from, 99, false));
    let found = report(&bytes);
    let finding = found.findings[0];
    assert_eq!(finding.problem, Problem::Unreadable);
    // The frame before the damage can be lost, too, because no record after it confirms its length.
    assert!((offsets[3]..=offsets[4]).contains(&finding.offset));
    assert_eq!(finding.offset + finding.skipped, offsets[6]);
    assert_eq!(found.skipped_bytes, finding.skipped);
}

#[test]
fn unwritten_zeros_are_a_defect() {
    let (mut bytes, offsets) = ten();
    bytes[at(offsets[4])..at(offsets[6])].fill(0);
    let found = report(&bytes);
    assert_eq!(found.findings[0].problem, Problem::Unwritten);
    assert_eq!(found.findings[0].offset, offsets[4]);
    assert_eq!(found.findings[0].skipped, offsets[6] - offsets[4]);
    assert_eq!(found.frames.frames, 8);
}

#[test]
fn unusual_sizes_and_times_are_warnings() {
    let sizes = [1519_u16, 59, 60, 1518];
    let frames: Vec<Frame> = sizes
        .iter()
        .enumerate()
        .map(|(i, size)| {
            let i = i as u64;
            let ns = made::EPOCH_NS + [5, 4, 3, 9][usize::try_from(i).unwrap()] * 1_000_000_000;
            Frame::new(ns, *size, made::contents(usize::from(*size), i, false))
        })
        .collect();
    let (bytes, offsets) = file(&frames, 0);
    let start_sec = made::EPOCH_NS / 1_000_000_000 + 5;
    let found = Checker::new()
        .check(Reader::new(&bytes[..]), Some(start_sec), false, &mut |_| {
            Ok(())
        })
        .unwrap();
    assert!(found.is_sound(), "these are warnings");
    assert_eq!(found.warnings, 5);
    let all: Vec<_> = found
        .findings
        .iter()
        .map(|f| (f.offset, f.problem))
        .collect();
    let by_ns = 1_000_000_000;
    assert_eq!(
        all,
        [
            (offsets[0], Problem::LongFrame { caplen: 1519 }),
            (offsets[1], Problem::ShortFrame { caplen: 59 }),
            (offsets[1], Problem::TimeBackwards { by_ns }),
            (offsets[2], Problem::BeforeName { start_sec }),
            (offsets[2], Problem::TimeBackwards { by_ns }),
        ]
    );
    assert_eq!(
        (found.times_backwards, found.worst_backwards_ns),
        (2, by_ns)
    );
    let without = Checker::new().short_frames(false);
    let found = without
        .check(Reader::new(&bytes[..]), None, false, &mut |_| Ok(()))
        .unwrap();
    assert_eq!(found.warnings, 3);
}

#[test]
fn frames_behind_padding_are_reported() {
    let (bytes, _) = ten();
    let mut twice = bytes.clone();
    let (more, _) = ten();
    // The same frames follow again, without a file header.
    twice.extend_from_slice(&more[usize::try_from(668).unwrap()..]);
    let padding = bytes.len() as u64 - 12;
    assert!(
        problems(&twice).contains(&(padding, Problem::AfterPadding)),
        "{:?}",
        problems(&twice)
    );
    // A whole file after another one is a concatenation, which is allowed.
    let both = [bytes, more].concat();
    assert!(
        !problems(&both)
            .iter()
            .any(|(_, p)| *p == Problem::AfterPadding)
    );
}

/// About one in sixty files of the original has such padding.
#[test]
fn too_long_start_padding_is_reported() {
    let sizes: Vec<usize> = (0..4000_usize).map(|i| 60 + i * 7919 % 1454).collect();
    let mut seen = 0;
    for (bytes, frames) in original::files(&sizes, 400) {
        let found = report(&bytes);
        assert_eq!(found.frames.frames, frames.len() as u64);
        for finding in &found.findings {
            assert!(
                matches!(finding.problem, Problem::PaddingTooLong { .. }),
                "{finding}"
            );
            seen += 1;
        }
    }
    assert!(seen > 0, "no such file among the {} made", sizes.len());
}

#[test]
fn gap_has_place_time_and_reason() {
    let mut lost = Ledger::default();
    lost[Reason::RingFull] = Count::new(12, 720);
    lost[Reason::NicMissed] = Count::new(3, 0);
    let gap = Gap {
        from: Some(Timestamp::new(5, 0)),
        until: Timestamp::new(6, 0),
        open: false,
        lost,
    };
    let mut end = Ledger::default();
    end[Reason::Captured] = Count::new(2, 120);
    end[Reason::RingFull] = Count::new(12, 720);
    let mut writer = Writer::new(Vec::new());
    assert_eq!(writer.header(&made::header()).unwrap(), Placed::Stored);
    assert_eq!(writer.frame(5, 0, 60, &[0; 60]).unwrap(), Placed::Stored);
    let offset = writer.offset();
    assert_eq!(writer.gap(&gap).unwrap(), Placed::Stored);
    assert_eq!(writer.frame(6, 0, 60, &[1; 60]).unwrap(), Placed::Stored);
    let tag = LedgerTag {
        end: Timestamp::new(6, 1),
        ledger: end,
        ..LedgerTag::default()
    };
    assert_eq!(writer.ledger(&tag).unwrap(), Placed::Stored);
    let found = report(&writer.close(0).unwrap().0);
    assert!(found.is_sound() && found.findings.is_empty());
    assert_eq!((found.gaps, found.lost), (1, lost));
    assert_eq!(found.missing[0].offset, offset);
    assert_eq!(
        found.missing[0].to_string(),
        format!(
            "byte {offset}: {} to {}: 12 ring_full, 3 nic_missed",
            Timestamp::new(5, 0).local(),
            Timestamp::new(6, 0).local()
        )
    );
    assert_eq!(found.ledger, Some(end));
    let json: serde_json::Value = serde_json::to_value(&found).unwrap();
    assert_eq!(json["lost"]["ring_full"]["frames"], 12);
    assert_eq!(
        json["missing"][0]["until"],
        "1970-01-01T00:00:06.000000000Z"
    );
}

/// Records of the thesis' version, which have one 32-bit length and no captured length.
pub(crate) fn old_variant(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for f in frames {
        bytes.extend_from_slice(&u32::try_from(f.time.sec()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&f.time.nsec().to_le_bytes());
        bytes.extend_from_slice(&u32::from(f.len).to_le_bytes());
        bytes.extend_from_slice(&f.data);
    }
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&50_u32.to_le_bytes());
    bytes.extend_from_slice(&[0xee; 50]);
    bytes
}

#[test]
fn older_variant_is_checked() {
    let frames: Vec<Frame> = (0..30_u64)
        .map(|i| {
            let size = u16::try_from(60 + i * 31 % 900).unwrap();
            Frame::new(
                made::EPOCH_NS + i,
                size,
                made::contents(size.into(), i, false),
            )
        })
        .collect();
    for count in [1, 2, 30] {
        let bytes = old_variant(&frames[..count]);
        let found = report(&bytes);
        assert!(
            found.old_variant && found.is_sound(),
            "{:?}",
            found.findings
        );
        assert_eq!(made::read(&bytes).frames_only(), frames[..count]);
    }
    // Damage within the older variant costs only a few frames.
    let mut bytes = old_variant(&frames);
    bytes[800..1400].copy_from_slice(&made::contents(600, 5, false));
    let seen = made::read(&bytes).frames_only();
    assert!(seen.len() >= 25, "{}", seen.len());
    assert!(seen.iter().all(|f| frames.contains(f)));
}

#[test]
fn marked_duplicates_are_counted() {
    let (bytes, offsets) = ten();
    let mut body = vec![0; 16];
    body[..8].copy_from_slice(b"HPCAPTAG");
    body[8] = 4;
    body[10] = 1;
    body[12] = 16;
    let mark = [padding_header(16).as_bytes(), &body].concat();
    let (head, tail) = bytes.split_at(at(offsets[3]));
    let marked = [head, &mark, tail].concat();
    let found = report(&marked);
    assert_eq!(found.duplicates, 1);
    assert_eq!(
        (found.frames.frames, found.defects, found.warnings),
        (10, 0, 0),
        "{found:?}"
    );
    assert_eq!(
        made::read(&marked).frames_only(),
        made::read(&bytes).frames_only()
    );
}
