//! Regression tests for faults of the original's files, one for each fault.

use hpcap_raw::padding::padding_header;
use hpcap_raw::{DamageKind, Placed, Writer};

use crate::check::report;
use crate::original;
use testkit::raw::{self as made, Frame, file, read};

/// The padding at the start of a file claimed 1 to 11 bytes more than it had.
#[test]
fn integrity_01_start_padding_too_long() {
    for by in 1..=11_u16 {
        let frames: Vec<Frame> = (0..40_u64)
            .map(|i| Frame::new(made::EPOCH_NS + i * 700, 60, made::contents(60, i, false)))
            .collect();
        let mut bytes = padding_header(300 + by).as_bytes().to_vec();
        bytes.extend_from_slice(&made::contents(300, 1, false));
        let (rest, offsets) = file(&frames, 0);
        bytes.extend_from_slice(&rest[usize::try_from(offsets[0]).unwrap()..]);
        let seen = read(&bytes);
        assert_eq!(seen.frames_only(), frames, "{by}");
        let by = u8::try_from(by).unwrap();
        assert_eq!(seen.damage[0].kind, DamageKind::PaddingTooLong { by });
        assert_eq!(seen.damage.len(), 1);
    }
}

/// Readers stopped at the first padding, and most files began with padding.
#[test]
fn integrity_03_readers_stop_at_the_first_padding() {
    let sizes: Vec<usize> = (0..3000_usize).map(|i| 60 + i * 7919 % 1454).collect();
    let files = original::files(&sizes, 200);
    let padded = files
        .iter()
        .filter(|(bytes, _)| bytes[..8] == [0; 8])
        .count();
    assert!(
        padded * 2 > files.len(),
        "{padded} of {} start with padding",
        files.len()
    );
    for (bytes, frames) in files {
        assert_eq!(read(&bytes).frames_only(), frames);
    }
}

/// A recorder that was stopped left a file without closing padding and with its last record cut.
#[test]
fn integrity_04_no_final_padding_and_a_cut_record() {
    let (bytes, frames) =
        original::files(&(0..200).map(|i| 60 + i % 700).collect::<Vec<_>>(), 3).remove(0);
    let cut = read(&bytes[..8192]);
    assert!(cut.frames.len() > 5);
    assert_eq!(cut.frames_only(), frames[..cut.frames.len()]);
    assert_eq!(cut.damage.len(), 1);
    assert!(matches!(
        cut.damage[0].kind,
        DamageKind::CutRecord { .. } | DamageKind::CutHeader
    ));
}

/// Several producer threads published bytes that were reserved but not yet written.
#[test]
fn integrity_08_unwritten_regions_and_disorder() {
    let mut frames: Vec<Frame> = (0..60_u64)
        .map(|i| Frame::new(made::EPOCH_NS + i * 700, 90, made::contents(90, i, false)))
        .collect();
    // The threads stored frames slightly out of order.
    for pair in frames.chunks_mut(2) {
        pair.reverse();
    }
    let (mut bytes, offsets) = file(&frames, 0);
    assert_eq!(read(&bytes).frames_only(), frames, "disorder is no damage");
    assert!(report(&bytes).times_backwards > 0);
    for first in [10, 30] {
        let at = |i: usize| usize::try_from(offsets[i]).unwrap();
        bytes[at(first)..at(first + 3)].fill(0);
    }
    let seen = read(&bytes);
    let whole: Vec<Frame> = (0..60)
        .filter(|i| !(10..13).contains(i) && !(30..33).contains(i))
        .map(|i| frames[i].clone())
        .collect();
    assert_eq!(seen.frames_only(), whole);
    assert!(seen.damage.iter().all(|d| d.kind == DamageKind::Unwritten));
}

/// A file could exceed 2 GiB when its writer did not support padding.
#[test]
fn integrity_09_offsets_do_not_stop_at_32_bits() {
    // A source that generates records until offsets exceed 2^32.
    struct Endless {
        left: u64,
        record: Vec<u8>,
        at: usize,
    }
    impl std::io::Read for Endless {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let mut n = 0;
            while n < buf.len() && self.left > 0 {
                let step = (self.record.len() - self.at).min(buf.len() - n);
                buf[n..n + step].copy_from_slice(&self.record[self.at..self.at + step]);
                n += step;
                self.at += step;
                if self.at == self.record.len() {
                    self.at = 0;
                    self.left -= 1;
                }
            }
            Ok(n)
        }
    }
    let mut writer = Writer::new(Vec::new());
    assert_eq!(
        writer.frame(9, 1, 65_535, &vec![3; 65_535]).unwrap(),
        Placed::Stored
    );
    writer.flush().unwrap();
    let record = writer.close(0).unwrap().0[..65_547].to_vec();
    let count = (1_u64 << 32) / 65_547 + 10;
    let mut reader = hpcap_raw::Reader::new(Endless {
        left: count,
        record,
        at: 0,
    });
    let mut last = 0;
    let mut seen = 0;
    while reader.advance().unwrap() {
        assert!(reader.frame().is_some());
        last = reader.range().start;
        seen += 1;
    }
    assert_eq!(seen, count);
    assert!(last > 1 << 32);
}

/// Padding exposed former content of the ring.
#[test]
fn integrity_10_padding_leaks_nothing() {
    let mut writer = Writer::new(Vec::new());
    assert_eq!(writer.header(&made::header()).unwrap(), Placed::Stored);
    assert_eq!(writer.frame(9, 1, 60, &[0xaa; 60]).unwrap(), Placed::Stored);
    let end = usize::try_from(writer.offset()).unwrap();
    let (bytes, _) = writer.close(256 << 10).unwrap();
    let mut at = end;
    while at < bytes.len() {
        let body = usize::from(u16::from_le_bytes([bytes[at + 8], bytes[at + 9]]));
        assert!(bytes[at + 12..at + 12 + body].iter().all(|b| *b == 0));
        at += 12 + body;
    }
    assert_eq!(at, bytes.len());
}

/// Readers stopped at frames longer than 2048 bytes, confused the two lengths, and lost
/// nanoseconds.
#[test]
fn integrity_11_long_frames_both_lengths_and_nanoseconds() {
    let frames = vec![
        Frame::new(made::EPOCH_NS + 1, 9000, made::contents(9000, 1, false)),
        Frame::new(
            made::EPOCH_NS + 999_999_999,
            9000,
            made::contents(64, 2, false),
        ),
        Frame::new(
            made::EPOCH_NS + 1_000_000_001,
            65_535,
            made::contents(65_535, 3, false),
        ),
        Frame::new(made::EPOCH_NS + 1_000_000_002, 60, Vec::new()),
    ];
    let (bytes, _) = file(&frames, 0);
    assert_eq!(read(&bytes).frames_only(), frames);
}

/// Files did not say where and how they were recorded.
#[test]
fn integrity_12_files_say_where_they_are_from() {
    let (bytes, _) = file(&[], 4096);
    let mut reader = hpcap_raw::Reader::new(&bytes[..]);
    let event = reader.next().unwrap().unwrap();
    let hpcap_raw::Event::FileStart(header) = event else {
        panic!("{event:?}");
    };
    assert_eq!(*header, made::header());
}
