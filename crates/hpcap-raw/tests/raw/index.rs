//! Tests that the range found through a block index has every frame of the requested time.

use std::fs;

use hpcap_base::{Kind, Timestamp};
use hpcap_raw::{Index, Reader};
use proptest::prelude::*;

use testkit::raw::{self as made, file, frames};

fn from(bytes: &[u8], start: u64, end: u64) -> Vec<Timestamp> {
    let from = usize::try_from(start).unwrap();
    let mut reader = Reader::new(&bytes[from..]).at(start);
    let mut times = Vec::new();
    while reader.advance().unwrap() {
        if reader.range().start >= end {
            break;
        }
        let event = reader.event().unwrap();
        assert!(!matches!(event, hpcap_raw::Event::Damaged(_)), "{event:?}");
        if let hpcap_raw::Event::Frame(frame) = event {
            times.push(frame.time);
        }
    }
    times
}

/// Frames recorded by a clock that was set forwards or backwards a few times.
fn frames_of_any_time() -> impl Strategy<Value = Vec<made::Frame>> {
    let steps = proptest::collection::vec((any::<prop::sample::Index>(), 0..300_000_000_u64), 0..4);
    (frames(1..300), steps).prop_map(|(mut frames, steps)| {
        for (at, to) in steps {
            let at = at.index(frames.len());
            let before = frames[at].time.as_ns();
            for frame in &mut frames[at..] {
                let ns = made::EPOCH_NS + to + frame.time.as_ns() - before;
                frame.time = Timestamp::from_ns(ns);
            }
        }
        frames
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn index_misses_no_frame(
        frames in frames_of_any_time(),
        block in 2000_u64..20_000,
        a in 0..310_000_000_u64,
        b in 0..310_000_000_u64,
    ) {
        let (bytes, offsets) = file(&frames, block);
        let index = Index::build(&bytes[..], block).unwrap();
        // A last block in which no record starts has no entry.
        let blocks = bytes.len() as u64 / block;
        prop_assert!((1..=blocks).contains(&(index.entries.len() as u64)));
        for (i, entry) in index.entries.iter().enumerate() {
            let start = i as u64 * block;
            let first = offsets.iter().position(|o| *o >= entry.offset);
            if let (Some(time), Some(first)) = (entry.time, first) {
                prop_assert_eq!(time, frames[first].time);
                prop_assert!(offsets[first] < start + block);
            }
        }
        prop_assert_eq!(Index::from_bytes(&index.to_bytes()), Ok(index.clone()));
        let (low, high) = (a.min(b), a.max(b));
        let range = [low, high].map(|ns| Timestamp::from_ns(made::EPOCH_NS + ns));
        let parts = index.parts((Some(range[0]), Some(range[1])), None, None);
        let there: Vec<_> = parts
            .iter()
            .flat_map(|(start, end)| from(&bytes, *start, *end))
            .collect();
        for frame in &frames {
            let is_wanted = frame.time >= range[0] && frame.time <= range[1];
            prop_assert!(!is_wanted || there.contains(&frame.time));
        }
        let all = (index.entries[0].offset, bytes.len() as u64);
        prop_assert_eq!(index.parts((None, None), None, None), vec![all]);
    }

    #[test]
    fn damaged_index_is_refused(at in any::<prop::sample::Index>(), mask in 1..=255_u8) {
        let frames: Vec<_> = (0..200_u64)
            .map(|i| made::Frame::new(made::EPOCH_NS + i, 60, vec![1; 60]))
            .collect();
        let index = Index::build(&file(&frames, 4096).0[..], 4096).unwrap();
        let mut bytes = index.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        prop_assert!(Index::from_bytes(&bytes).is_err());
        prop_assert!(Index::from_bytes(&bytes[..at]).is_err());
    }
}

#[test]
fn index_belongs_to_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("1_hpcap0_0.raw");
    let (bytes, _) = file(&[made::Frame::new(made::EPOCH_NS, 60, vec![1; 60])], 4096);
    fs::write(&raw, &bytes).unwrap();
    assert_eq!(Index::load(&raw).unwrap(), None);
    let index = Index::build(&bytes[..], 4096).unwrap();
    assert_eq!(
        index.save(&raw).unwrap(),
        dir.path().join("1_hpcap0_0.raw.idx")
    );
    assert_eq!(Index::load(&raw).unwrap(), Some(index));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    fs::write(&raw, &bytes[1..]).unwrap();
    assert_eq!(Index::load(&raw).unwrap_err().kind(), Kind::Format);
}

/// An index of frames a millisecond apart, about a hundred of which are in each block of 8 KiB.
fn thousand(step: impl Fn(u64) -> u64) -> Index {
    thousand_in_blocks(8192, step)
}

fn thousand_in_blocks(block: u64, step: impl Fn(u64) -> u64) -> Index {
    let frames: Vec<_> = (0..1000)
        .map(|i| made::Frame::new(made::EPOCH_NS + step(i) * 1_000_000, 60, vec![1; 60]))
        .collect();
    Index::build(&file(&frames, block).0[..], block).unwrap()
}

fn at(ms: u64) -> Option<Timestamp> {
    Some(Timestamp::from_ns(made::EPOCH_NS + ms * 1_000_000))
}

#[test]
fn index_leads_past_other_blocks() {
    let index = thousand(|i| i);
    let parts = index.parts((at(500), at(501)), None, None);
    let [(start, end)] = parts[..] else {
        panic!("one part: {parts:?}");
    };
    assert!(end - start <= 4 * 8192, "{start} to {end}");
    assert_eq!(index.parts((at(5000), at(6000)), None, at(2000)), []);
    assert_eq!(index.parts((at(2), at(3)), at(0), None)[0].0, 0);
}

/// The clock is set back by 300 ms in the middle of the file.
#[test]
fn index_leads_past_blocks_between_parts() {
    let index = thousand_in_blocks(2048, |i| if i < 500 { i } else { i - 300 });
    let parts = index.parts((at(300), at(301)), None, None);
    // Three parts: both times that the clock passes over the range, and the step between them.
    assert_eq!(parts.len(), 3, "{parts:?}");
    for (start, end) in parts {
        assert!(end - start <= 4 * 2048, "{start} to {end}");
    }
}

#[test]
fn parts_include_holes_around_the_file() {
    let index = thousand(|i| i + 5000);
    let hole = (at(2000), at(3000));
    assert_eq!(index.parts(hole, at(4000), None), []);
    assert_eq!(index.parts(hole, at(1000), None)[0].0, 0);
    assert_eq!(index.parts(hole, None, None)[0].0, 0);
    let hole = (at(7000), at(8000));
    let end = Some(index.file_bytes);
    assert_eq!(index.parts(hole, None, at(6500)), []);
    assert_eq!(index.parts(hole, None, at(9000)).last().map(|s| s.1), end);
}

#[test]
fn block_of_unknown_times_is_never_left_out() {
    let mut index = thousand(|i| i);
    for entry in &mut index.entries {
        entry.span = None;
    }
    let all = (index.entries[0].offset, index.file_bytes);
    assert_eq!(index.parts((at(500), at(501)), None, None), [all]);
    assert_eq!(index.span(), None);
}

#[test]
fn impossible_offset_makes_no_index() {
    let mut index = thousand(|i| i);
    for offset in [1 << 63, u64::MAX, index.file_bytes + 1] {
        index.entries[3].offset = offset;
        let why = Index::from_bytes(&index.to_bytes()).unwrap_err();
        assert!(why.contains("offset"), "{why}");
    }
}

#[test]
fn index_of_version_1_is_read() {
    let index = thousand(|i| i);
    let mut bytes = index.to_bytes();
    bytes[8..16].copy_from_slice(&[1, 0, 0, 0, 16, 0, 0, 0]);
    let entries: Vec<u8> = bytes[48..]
        .chunks_exact(32)
        .flat_map(|e| e[..16].to_vec())
        .collect();
    bytes.truncate(48);
    let sum = bytes[..40]
        .iter()
        .chain(&entries)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    bytes[40..].copy_from_slice(&sum.to_le_bytes());
    bytes.extend(entries);
    let old = Index::from_bytes(&bytes).unwrap();
    assert_eq!(old.entries.len(), index.entries.len());
    for (old, new) in old.entries.iter().zip(&index.entries) {
        assert_eq!(
            (old.offset, old.time, old.span),
            (new.offset, new.time, None)
        );
    }
}
