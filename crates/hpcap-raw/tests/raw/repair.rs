//! Tests that a repaired file is sound and that a repair loses no byte.

use std::fs;
use std::path::Path;

use hpcap_base::Kind;
use hpcap_raw::check::Checker;
use hpcap_raw::repair::{Outcome, apply, plan, undo};
use proptest::prelude::*;

use crate::damage::{self, harm};
use testkit::raw::{self as made, Frame, file, frames, read};

/// Applies plans until a plan is empty.
fn repair_all(path: &Path) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for _ in 0..10 {
        // A repair can rename the file.
        let path = outcomes.last().map_or(path, |outcome| &outcome.path);
        let plan = plan(path).unwrap();
        if plan.is_empty() {
            return outcomes;
        }
        outcomes.push(apply(path, &plan).unwrap());
    }
    panic!("there is always more to do: {outcomes:?}");
}

/// Applies one plan.
fn repair(path: &Path) -> Outcome {
    apply(path, &plan(path).unwrap()).unwrap()
}

fn is_sound(path: &Path) -> bool {
    let report = Checker::new().check_file(path, &mut |_| Ok(())).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    report.is_sound()
}

/// Undoes the repairs of a file and returns its former content.
fn undone(path: &Path) -> Vec<u8> {
    let undone = undo(path).unwrap();
    let folder = path.parent().unwrap();
    let left = fs::read_dir(folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        let name = name.to_string_lossy();
        name.contains(".damaged") || name.contains(".repair")
    });
    assert_eq!(left.count(), 0);
    fs::read(undone.path).unwrap()
}

proptest! {
    #[test]
    fn repaired_file_is_sound(frames in frames(8..60), harms in proptest::collection::vec(harm(), 1..4)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1_hpcap0_0.raw");
        let (mut bytes, offsets) = file(&frames, 0);
        let first = usize::try_from(offsets[0]).unwrap();
        for harm in &harms {
            if bytes.len() > first {
                bytes = damage::apply(harm, &bytes, first).bytes;
            }
        }
        fs::write(&path, &bytes).unwrap();
        let before = read(&bytes);
        let outcomes = repair_all(&path);
        let after = read(&fs::read(&path).unwrap());
        prop_assert!(after.damage.is_empty(), "{:?} before {:?}", after.damage, before.damage);
        prop_assert!(is_sound(&path));
        // Every frame is still in the file. A frame that the end of the file cuts is added. Lengths
        // that contradicted each other are now equal.
        let kept = |seen: &made::Seen| -> Vec<_> {
            seen.frames.iter().map(|(_, f)| (f.time, f.data.clone())).collect()
        };
        let (was, is) = (kept(&before), kept(&after));
        prop_assert!(is.len() - was.len() <= 1 && is[..was.len()] == was[..]);
        if !outcomes.is_empty() {
            prop_assert_eq!(undone(&path), bytes);
        }
    }
}

fn three() -> (Vec<Frame>, Vec<u8>, Vec<u64>) {
    let frames = made::equal_frames(3, 100);
    let (bytes, offsets) = file(&frames, 0);
    (frames, bytes, offsets)
}

#[test]
fn cut_record_keeps_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw.part");
    let (frames, bytes, offsets) = three();
    let cut = usize::try_from(offsets[2]).unwrap() + 12 + 33;
    fs::write(&path, &bytes[..cut]).unwrap();
    let outcome = repair(&path);
    assert_eq!(outcome.path, dir.path().join("1_hpcap0_0.raw"));
    assert!(!path.exists());
    assert!(is_sound(&outcome.path));
    let after = read(&fs::read(&outcome.path).unwrap()).frames_only();
    assert_eq!(after[..2], frames[..2]);
    assert_eq!((after[2].time, after[2].len), (frames[2].time, 100));
    assert_eq!(after[2].data, frames[2].data[..33]);
    assert_eq!(undone(&outcome.path), &bytes[..cut]);
    assert!(path.exists() && !outcome.path.exists());
}

#[test]
fn repair_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw.part");
    let (_, bytes, _) = three();
    fs::write(&path, &bytes[..bytes.len() - 12]).unwrap();
    let other = dir.path().join("1_hpcap0_0.raw");
    fs::write(&other, "mine").unwrap();
    fs::write(dir.path().join("1_hpcap0_0.raw.part.repair"), "mine, too").unwrap();
    let outcome = repair(&path);
    assert_eq!(outcome.path, dir.path().join("1_hpcap0_0~01.raw"));
    assert_eq!(fs::read(other).unwrap(), b"mine");
    let saved = dir.path().join("1_hpcap0_0.raw.part.repair");
    assert_eq!(fs::read(saved).unwrap(), b"mine, too");
}

#[test]
fn covered_bytes_get_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw");
    let frames = made::equal_frames(20, 100);
    let (mut bytes, offsets) = file(&frames, 0);
    let at = |i: usize| usize::try_from(offsets[i]).unwrap();
    bytes[at(5)..at(9)].copy_from_slice(&made::contents(at(9) - at(5), 3, false));
    fs::write(&path, &bytes).unwrap();
    repair(&path);
    assert!(is_sound(&path));
    let seen = read(&fs::read(&path).unwrap());
    assert_eq!(seen.gaps.len(), 1);
    assert_eq!(seen.gaps[0].until, frames[9].time);
    assert!(seen.gaps[0].lost.lost().is_zero(), "how many is not known");
    assert_eq!(undone(&path), bytes);
}

#[test]
fn stray_bytes_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw");
    let frames = made::equal_frames(20, 100);
    let (mut bytes, offsets) = file(&frames, 0);
    // The scan accepts the frame before the stray bytes, because these are zeros.
    let at = usize::try_from(offsets[7]).unwrap();
    bytes.splice(at..at, [0, 0, 0, 0, 0]);
    fs::write(&path, &bytes).unwrap();
    repair(&path);
    assert!(is_sound(&path));
    let seen = read(&fs::read(&path).unwrap()).frames_only();
    assert!(seen.len() >= 19 && seen.iter().all(|f| frames.contains(f)));
    assert_eq!(undone(&path), bytes);
}

#[test]
fn sound_file_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw");
    let (_, bytes, _) = three();
    fs::write(&path, &bytes).unwrap();
    let plan = plan(&path).unwrap();
    assert!(plan.is_empty() && plan.steps.is_empty());
    assert_eq!(repair(&path).saved, None);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn unfinished_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let queue = hpcap_base::QueueName::new(0, 0);
    let part = hpcap_raw::PartFile::create(dir.path(), queue, made::header().start).unwrap();
    fs::write(part.path(), three().1).unwrap();
    let todo = plan(&part.path()).unwrap();
    let error = apply(&part.path(), &todo).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    let report = Checker::new()
        .check_file(&part.path(), &mut |_| Ok(()))
        .unwrap();
    assert!(report.under_way);
    let path = part.path();
    drop(part);
    assert!(apply(&path, &todo).is_ok());
}

#[test]
fn undo_refuses_a_changed_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw.part");
    let (_, bytes, _) = three();
    fs::write(&path, &bytes[..bytes.len() - 12]).unwrap();
    let repaired = repair(&path).path;
    let mut now = fs::read(&repaired).unwrap();
    now.extend([7; 30]);
    fs::write(&repaired, &now).unwrap();
    assert_eq!(undo(&repaired).unwrap_err().kind(), Kind::Usage);
    assert_eq!(fs::read(&repaired).unwrap(), now);
}

#[test]
fn undo_reverts_an_interrupted_repair() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw.part");
    let (_, bytes, offsets) = three();
    let cut = usize::try_from(offsets[2]).unwrap() + 12 + 33;
    fs::write(&path, &bytes[..cut]).unwrap();
    let repaired = repair(&path).path;
    // This is the state after the journal was written and before the file was changed.
    fs::remove_file(&repaired).unwrap();
    fs::write(&path, &bytes[..cut]).unwrap();
    assert_eq!(undone(&path), &bytes[..cut]);
}

#[test]
fn undo_restores_a_rewritten_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw");
    let (_, bytes, offsets) = three();
    fs::write(&path, &bytes).unwrap();
    let todo = hpcap_raw::repair::Plan {
        file_bytes: bytes.len() as u64,
        new_bytes: bytes.len() as u64,
        stray: vec![(offsets[1], 5)],
        ..Default::default()
    };
    let outcome = apply(&path, &todo).unwrap();
    assert_eq!(fs::read(outcome.kept.unwrap()).unwrap(), bytes);
    assert_eq!(fs::read(&path).unwrap().len(), bytes.len() - 5);
    assert_eq!(undone(&path), bytes);
}

#[test]
fn undo_needs_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1_hpcap0_0.raw");
    fs::write(&path, three().1).unwrap();
    fs::write(dir.path().join("1_hpcap0_0.raw.repair"), "no journal").unwrap();
    assert_eq!(undo(&path).unwrap_err().kind(), Kind::NotFound);
}

/// Returns a file of plain mode, which has no tags, and the offset at which each record ends.
fn plain(count: u64) -> (Vec<u8>, Vec<usize>) {
    let mut writer = hpcap_raw::Writer::new(Vec::new());
    let mut ends = Vec::new();
    for f in made::equal_frames(count, 100) {
        let (sec, nsec) = (f.time.sec(), f.time.nsec());
        let _ = writer.frame(sec, nsec, f.len.into(), &f.data).unwrap();
        ends.push(usize::try_from(writer.offset()).unwrap());
    }
    (writer.close(0).unwrap().0, ends)
}

#[test]
fn plain_file_is_repaired_wherever_it_ends() {
    let (bytes, ends) = plain(6);
    let cuts = (ends[0]..=bytes.len()).filter(|cut| cut % 9 == 0 || ends.contains(cut));
    for cut in cuts {
        // Space that was reserved and never written follows whole records only.
        let reserved = [0, 5000]
            .into_iter()
            .filter(|n| *n == 0 || ends.contains(&cut));
        for reserved in reserved {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("1391723988_hpcap0_0.raw.part");
            let left = [&bytes[..cut], &vec![0; reserved]].concat();
            fs::write(&path, &left).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let outcomes = repair_all(&path);
            let repaired = &outcomes.last().unwrap().path;
            assert!(is_sound(repaired));
            let seen = read(&fs::read(repaired).unwrap()).frames.len();
            assert!(seen >= whole, "{seen} of {whole} frames up to byte {cut}");
        }
    }
}

#[test]
fn recording_without_a_byte_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1391723988_eth0.raw.part");
    fs::write(&path, "").unwrap();
    let repaired = repair_all(&path).last().unwrap().path.clone();
    assert!(is_sound(&repaired));
    assert!(plan(&repaired).unwrap().is_empty());
}

/// The ending `.raw` is that of disk images and photographs, too.
#[test]
fn file_of_another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let records = file(&made::equal_frames(50, 100), 0).0;
    // An image of a file system: zeros, then a superblock, then much that was never written.
    let mut image = vec![0; 1 << 20];
    image[1024..2048].copy_from_slice(&made::contents(1024, 5, false));
    // Records in the image make no RAW file of it, even if they outweigh everything but zeros.
    let mut with_records = image.clone();
    with_records[65_536..65_536 + records.len()].copy_from_slice(&records);
    for (name, bytes) in [
        ("img.raw", image.clone()),
        ("img.raw.part", image),
        ("1391723988_hpcap0_0.raw", with_records.clone()),
        ("records.raw", with_records),
        ("boot.raw", [vec![0x55; 512], records].concat()),
        ("zeros.raw", vec![0; 5000]),
        ("1391723988_hpcap0_1.raw.part", vec![0; 4096]),
        ("empty.raw", Vec::new()),
        ("one.raw", vec![7]),
        ("two.raw", vec![7, 8]),
        ("1391723988_hpcap0_2.raw", vec![7; 11]),
        ("zero.raw", vec![0]),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let error = plan(&path).expect_err(name);
        assert_eq!(error.kind(), Kind::Format, "{name}");
    }
}
