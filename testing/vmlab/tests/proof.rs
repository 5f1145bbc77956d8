//! The proof detects every fault of a recording, and accepts a recording without faults.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::raw::{FileHeader, FileName, Gap, LedgerTag, Writer};
use hpcap::{Count, Ledger, QueueName, Reason, Timestamp};
use nix::time::{ClockId, clock_gettime};
use proptest::prelude::*;
use vmlab::nic::Outcome;
use vmlab::traffic::content::Frames;
use vmlab::traffic::proof::{Proof, prove};
use vmlab::traffic::{Record, Runs, Segment};

/// What the producer did with a frame that the NIC delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    RingFull,
    Duplicate,
    Filtered,
}

/// An item in the file of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Frame { len: u16, data: Vec<u8> },
    Gap(u64),
}

/// The file of a queue before it is written.
#[derive(Debug, Clone, Default)]
struct Queue {
    items: Vec<Item>,
    ledger: Ledger,
}

/// The record of a NIC, and the files that a producer without faults writes for it.
struct Scene {
    record: Record,
    queues: BTreeMap<u16, Queue>,
}

fn scene(content: &str, frames: &[(Outcome, Fate)]) -> Scene {
    let mut record = Record::new("nic0", true);
    let mut queues = BTreeMap::<u16, Queue>::new();
    let mut refused = 0;
    // Two segments test the transition between them, too.
    for (n, part) in frames.chunks(frames.len().div_ceil(2).max(1)).enumerate() {
        let content = &content.replace("start=1", &format!("start={}", n + 1));
        record.segments.push(Segment {
            source: content.clone(),
            content: content.clone(),
            runs: Runs::default(),
        });
        let mut source = Frames::open(&content.parse().unwrap()).unwrap();
        for (outcome, fate) in part {
            let frame = source.next().unwrap().unwrap();
            record.add(*outcome, frame.len());
            match outcome {
                Outcome::Delivered { queue } => {
                    queues.entry(*queue).or_default().take(frame, *fate);
                }
                // The driver either refuses and counts the frame, or stores a part of it.
                Outcome::Spoiled { queue } if *fate == Fate::Stored => {
                    queues
                        .entry(*queue)
                        .or_default()
                        .take(&frame[..frame.len() - 1], *fate);
                }
                Outcome::Spoiled { .. } => refused += 1,
                _ => {}
            }
        }
    }
    let (missed, errors) = (record.totals.missed, record.totals.errors);
    let first = &mut queues.entry(0).or_default().ledger;
    first[Reason::NicMissed] = Count::new(missed.frames, 0);
    first[Reason::NicError] = Count::new(errors.frames + refused, errors.bytes);
    Scene { record, queues }
}

impl Queue {
    fn take(&mut self, frame: &[u8], fate: Fate) {
        let reason = match fate {
            Fate::Stored => Reason::Captured,
            Fate::RingFull => Reason::RingFull,
            Fate::Duplicate => Reason::Duplicate,
            Fate::Filtered => Reason::Filtered,
        };
        self.ledger[reason] += Count::new(1, frame.len() as u64);
        match (fate, self.items.last_mut()) {
            (Fate::Stored, _) => self.items.push(Item::Frame {
                len: frame.len() as u16,
                data: frame.to_vec(),
            }),
            (Fate::RingFull, Some(Item::Gap(lost))) => *lost += 1,
            (Fate::RingFull, _) => self.items.push(Item::Gap(1)),
            (Fate::Duplicate | Fate::Filtered, _) => {}
        }
    }

    fn stored(&self) -> Vec<usize> {
        let is_frame =
            |(at, item): (usize, &Item)| matches!(item, Item::Frame { .. }).then_some(at);
        self.items.iter().enumerate().filter_map(is_frame).collect()
    }

    fn write(&self, folder: &Path, queue: u16) -> PathBuf {
        let name = QueueName::new(3, u32::from(queue));
        let path = folder.join(FileName::new(1_700_000_000, name).to_string());
        let mut writer = Writer::new(File::create(&path).unwrap());
        let header = FileHeader {
            queue: Some(name),
            ..FileHeader::default()
        };
        let _ = writer.header(&header).unwrap();
        for (n, item) in self.items.iter().enumerate() {
            let _ = match item {
                Item::Frame { len, data } => {
                    writer.frame(1_700_000_000, n as u32, u32::from(*len), data)
                }
                Item::Gap(frames) => {
                    let mut lost = Ledger::default();
                    lost[Reason::RingFull] = Count::new(*frames, 0);
                    // A gap record may report frames that the NIC lost at any position.
                    lost[Reason::NicMissed] = Count::new(7, 0);
                    writer.gap(&Gap {
                        from: None,
                        until: Timestamp::from_ns(1),
                        open: false,
                        lost,
                    })
                }
            }
            .unwrap();
        }
        let end = LedgerTag {
            end: Timestamp::from_ns(1),
            ledger: self.ledger,
            ..LedgerTag::default()
        };
        let _ = writer.ledger(&end).unwrap();
        writer.close(4096).unwrap();
        path
    }
}

impl Scene {
    fn prove(&self) -> Proof {
        let folder = tempfile::tempdir().unwrap();
        for (queue, content) in &self.queues {
            content.write(folder.path(), *queue);
        }
        prove(&self.record, &[folder.path().to_owned()]).unwrap()
    }

    /// Returns the complaints of the proof as one text.
    fn complaints(&self) -> String {
        self.prove().complaints().collect::<Vec<_>>().join("\n")
    }
}

fn fates(removed: bool) -> impl Strategy<Value = Fate> {
    let other = if removed { 1 } else { 0 };
    prop_oneof![
        8 => Just(Fate::Stored),
        1 => Just(Fate::RingFull),
        other => Just(Fate::Duplicate),
        other => Just(Fate::Filtered),
    ]
}

fn frames(removed: bool, spoiled: bool) -> impl Strategy<Value = Vec<(Outcome, Fate)>> {
    let outcome = prop_oneof![
        8 => (0u16..2).prop_map(|queue| Outcome::Delivered { queue }),
        1 => Just(Outcome::Missed),
        1 => Just(Outcome::Error),
        1 => Just(Outcome::Filtered),
        1 => Just(Outcome::Down),
        1 => Just(Outcome::Discarded),
        u32::from(spoiled) => (0u16..2).prop_map(|queue| Outcome::Spoiled { queue }),
    ];
    proptest::collection::vec((outcome, fates(removed)), 2..120)
}

const CONTENT: &str = "gen:size=60-200,start=1";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proof_accepts_correct_recording(frames in frames(true, true)) {
        let proof = scene(CONTENT, &frames).prove();
        prop_assert!(proof.holds(), "{}", proof);
    }

    #[test]
    fn ledger_proves_spoiled_frames_without_files(count in 1u64..20) {
        let spoiled = (Outcome::Spoiled { queue: 1 }, Fate::RingFull);
        let mut frames = vec![(Outcome::Delivered { queue: 0 }, Fate::Stored)];
        frames.extend((0..count).map(|_| spoiled));
        let mut scene = scene(CONTENT, &frames);
        let proof = scene.prove();
        prop_assert!(proof.holds(), "{}", proof);
        let ledger = &mut scene.queues.get_mut(&0).unwrap().ledger;
        ledger[Reason::NicError] = Count::default();
        prop_assert!(!scene.prove().holds());
    }

    #[test]
    fn gaps_prove_identical_frames(frames in frames(false, false)) {
        // The frames of this file are all the same.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("same.pcap");
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1] {
            file.extend(word.to_le_bytes());
        }
        for _ in 0..frames.len() {
            for word in [1u32, 0, 60, 60] {
                file.extend(word.to_le_bytes());
            }
            file.extend([9; 60]);
        }
        std::fs::write(&path, file).unwrap();
        let proof = scene(&format!("pcap:{}", path.display()), &frames).prove();
        prop_assert!(proof.holds(), "{}", proof);
    }

    #[test]
    fn proof_finds_removed_frame(frames in frames(true, false), at: prop::sample::Index) {
        let mut scene = scene(CONTENT, &frames);
        let queue = scene.queues.get_mut(&0).unwrap();
        let stored = queue.stored();
        prop_assume!(!stored.is_empty());
        queue.items.remove(stored[at.index(stored.len())]);
        let found = scene.complaints();
        prop_assert!(!found.is_empty());
    }

    #[test]
    fn proof_finds_changed_byte(
        frames in frames(false, false),
        at: prop::sample::Index,
        byte: prop::sample::Index,
    ) {
        let mut scene = scene(CONTENT, &frames);
        let queue = scene.queues.get_mut(&0).unwrap();
        let stored = queue.stored();
        prop_assume!(!stored.is_empty());
        let Item::Frame { data, .. } = &mut queue.items[stored[at.index(stored.len())]] else {
            unreachable!()
        };
        let byte = byte.index(data.len());
        data[byte] ^= 0x10;
        let found = scene.complaints();
        prop_assert!(found.contains(&format!("1 of its bytes differ, the first at {byte}:")), "{}", found);
    }

    #[test]
    fn proof_finds_swapped_frames(frames in frames(true, false), at: prop::sample::Index) {
        let mut scene = scene(CONTENT, &frames);
        let queue = scene.queues.get_mut(&0).unwrap();
        let stored = queue.stored();
        prop_assume!(stored.len() >= 2);
        let at = at.index(stored.len() - 1);
        queue.items.swap(stored[at], stored[at + 1]);
        let found = scene.complaints();
        prop_assert!(!found.is_empty());
    }

    #[test]
    fn proof_finds_repeated_frame(frames in frames(true, false), at: prop::sample::Index) {
        let mut scene = scene(CONTENT, &frames);
        let queue = scene.queues.get_mut(&0).unwrap();
        let stored = queue.stored();
        prop_assume!(!stored.is_empty());
        let at = stored[at.index(stored.len())];
        let twice = queue.items[at].clone();
        queue.items.insert(at, twice);
        let found = scene.complaints();
        prop_assert!(
            found.contains("there twice, or too late") || found.contains("there already"),
            "{}", found
        );
    }

    #[test]
    fn proof_finds_ledger_off_by_one(
        frames in frames(true, false),
        reason in 0usize..7,
        more: bool,
        bytes: bool,
    ) {
        let mut scene = scene(CONTENT, &frames);
        let ledger = &mut scene.queues.get_mut(&0).unwrap().ledger;
        let reason = Reason::ALL[reason];
        // The number of bytes that the NIC lost is not always known.
        let bytes = bytes && !matches!(reason, Reason::NicMissed | Reason::NicError);
        let field = if bytes { &mut ledger[reason].bytes } else { &mut ledger[reason].frames };
        prop_assume!(more || *field > 0);
        *field = if more { *field + 1 } else { *field - 1 };
        let found = scene.complaints();
        prop_assert!(!found.is_empty());
    }

    #[test]
    fn proof_finds_moved_gap(frames in frames(false, false), at: prop::sample::Index) {
        let mut scene = scene(CONTENT, &frames);
        let queue = scene.queues.get_mut(&0).unwrap();
        let items = &mut queue.items;
        let is_seam = |pair: &[Item]| matches!(pair, [Item::Frame { .. }, Item::Gap(_)]);
        let seams: Vec<_> = (0..items.len().saturating_sub(1))
            .filter(|n| is_seam(&items[*n..n + 2]))
            .collect();
        prop_assume!(!seams.is_empty());
        let at = seams[at.index(seams.len())];
        items.swap(at, at + 1);
        let found = scene.complaints();
        prop_assert!(!found.is_empty());
    }

    #[test]
    fn proof_finds_frame_of_other_queue(frames in frames(false, false)) {
        let mut scene = scene(CONTENT, &frames);
        let Some(other) = scene.queues.get(&1).filter(|q| !q.stored().is_empty()).cloned() else {
            return Ok(());
        };
        let foreign = other.items[other.stored()[0]].clone();
        scene.queues.get_mut(&0).unwrap().items.insert(0, foreign);
        let found = scene.complaints();
        prop_assert!(found.contains("which the NIC put into queue 1"), "{}", found);
    }
}

fn delivered(frames: usize) -> Vec<(Outcome, Fate)> {
    vec![(Outcome::Delivered { queue: 0 }, Fate::Stored); frames]
}

#[test]
fn proof_locates_first_difference() {
    let mut scene = scene(CONTENT, &delivered(20));
    let items = &mut scene.queues.get_mut(&0).unwrap().items;
    items.swap(3, 5);
    let found = scene.complaints();
    for part in [
        "1700000000_hpcap3_0.raw at byte ",
        "(record 4)",
        "expected frame 3 (",
        "found frame 5, which was sent later: frames are out of order; frame 3 is in ",
        "(record 6)",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

#[test]
fn spoiled_frame_must_be_counted_or_stored() {
    let spoiled = (Outcome::Spoiled { queue: 0 }, Fate::Stored);
    let mut frames = delivered(6);
    frames.insert(3, spoiled);
    let mut scene = scene(CONTENT, &frames);
    assert_eq!(scene.prove().queues[0].spoiled.frames, 1);
    // The frame was refused but not counted.
    scene.queues.get_mut(&0).unwrap().items.remove(3);
    let found = scene.complaints();
    assert!(found.contains("the ledger counts"), "{found}");
    // The frame is counted as received damaged.
    let ledger = &mut scene.queues.get_mut(&0).unwrap().ledger;
    let bytes = scene.record.totals.spoiled[&0].bytes - 1;
    ledger[Reason::Captured] = ledger[Reason::Captured] - Count::new(1, bytes);
    ledger[Reason::NicError] += Count::new(1, 0);
    let proof = scene.prove();
    assert!(proof.holds(), "{proof}");
    assert_eq!(proof.queues[0].refused, 1);
}

#[test]
fn proof_reports_unexplained_frame() {
    let mut scene = scene(CONTENT, &delivered(20));
    scene.queues.get_mut(&0).unwrap().items.remove(7);
    let found = scene.complaints();
    assert!(
        found.contains("neither a gap record nor the ledger says so"),
        "{found}"
    );
}

#[test]
fn proof_reports_frames_after_last_file() {
    let mut scene = scene(CONTENT, &delivered(20));
    scene.queues.get_mut(&0).unwrap().items.truncate(15);
    let found = scene.complaints();
    assert!(found.contains("5 frames that the NIC delivered"), "{found}");
}

#[test]
fn proof_reports_queue_without_files() {
    let mut frames = delivered(5);
    frames.push((Outcome::Delivered { queue: 1 }, Fate::Stored));
    let mut scene = scene(CONTENT, &frames);
    scene.queues.remove(&1);
    let found = scene.complaints();
    assert!(found.contains("there is no file of queue 1"), "{found}");
}

#[test]
fn proof_reports_wrong_length() {
    let mut scene = scene(CONTENT, &delivered(5));
    let Item::Frame { len, data } = &mut scene.queues.get_mut(&0).unwrap().items[2] else {
        unreachable!()
    };
    *len += 1;
    data.push(0);
    let found = scene.complaints();
    assert!(
        found.contains("the bytes that are there are right"),
        "{found}"
    );
}

#[test]
fn proof_handles_a_million_frames() {
    // A user waits for this proof at the end of a test of the driver, so its cost grows with the frames, not faster.
    // A proof of ten times the frames takes about ten times as long; one that compares all with all, a hundred times.
    let cost = |frames: usize| {
        let scene = scene(
            &format!("gen:start=1,count={}", frames / 2),
            &delivered(frames),
        );
        let from = thread_time();
        let proof = scene.prove();
        assert!(proof.holds(), "{proof}");
        (thread_time() - from).as_secs_f64()
    };
    let (few, many) = (cost(100_000), cost(1_000_000));
    assert!(many < 40.0 * few, "{few} s and {many} s");
}

/// Returns the time that this thread has had a processor. Unlike the time on the clock, it does not grow with what
/// else the machine does.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}
