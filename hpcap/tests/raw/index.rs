//! The block index: what it leads to has every frame of the time asked for.

use std::fs;

use hpcap::raw::{Index, Reader};
use hpcap::{Kind, Timestamp};
use proptest::prelude::*;

use crate::made::{self, file, frames};

fn from(bytes: &[u8], start: u64, end: u64) -> Vec<Timestamp> {
    let from = usize::try_from(start).unwrap();
    let mut reader = Reader::new(&bytes[from..]).at(start);
    let mut times = Vec::new();
    while let Some(found) = reader.next().unwrap() {
        if found.offset >= end {
            break;
        }
        assert!(
            !matches!(found.event, hpcap::raw::Event::Damage(_)),
            "{found:?}"
        );
        if let hpcap::raw::Event::Frame(frame) = found.event {
            times.push(frame.time);
        }
    }
    times
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn it_misses_no_frame(
        frames in frames(1..300),
        block in 2000_u64..20_000,
        a in 0..310_000_000_u64,
        b in 0..310_000_000_u64,
    ) {
        let (bytes, offsets) = file(&frames, block);
        let index = Index::build(&bytes[..], block).unwrap();
        // A block in which no record starts has no entry, where it is the last.
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
        let (start, end) = index.range(Some(range[0]), Some(range[1]));
        let there = from(&bytes, start, end);
        for frame in &frames {
            let is_wanted = frame.time >= range[0] && frame.time <= range[1];
            prop_assert!(!is_wanted || there.contains(&frame.time));
        }
        prop_assert_eq!(index.range(None, None), (index.entries[0].offset, bytes.len() as u64));
    }

    #[test]
    fn damage_is_noticed(at in any::<prop::sample::Index>(), mask in 1..=255_u8) {
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
fn it_is_saved_beside_the_file_and_belongs_to_it() {
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
