//! Tests of which files belong together, which their headers decide.

use std::path::Path;

use hpcap::Timestamp;
use hpcap::raw::RecordingId;
use hpcap::raw::index::Index;

use crate::samples::{
    File, START, checkraw, converted_file, exits, index, many, ns, raw2pcap, stderr,
};

/// Stores a file of a recording with two frames at `seconds`.
fn store(dir: &Path, recording: Option<RecordingId>, stream_off: u64, seconds: [u64; 2]) {
    let file = File::of_recording(recording, stream_off, 0, START + seconds[0], 1);
    seconds
        .iter()
        .fold(file, |file, second| file.frame((ns(*second, 0), 1)))
        .store(dir);
}

/// A recorder in a container always has process id 1, and a frame-by-frame recording starts at
/// offset 0.
#[test]
fn recordings_of_one_pid_are_separate() {
    for has_id in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        for second in 0..300 {
            let id = has_id.then(|| RecordingId::random().unwrap());
            store(dir.path(), id, 0, [2 * second, 2 * second + 1]);
        }
        let run = raw2pcap(&[".", "-o", "all.pcapng"], dir.path());
        exits(&run, 0);
        assert!(!stderr(&run).contains("twice"), "{}", stderr(&run));
        let frames = converted_file(&dir.path().join("all.pcapng"));
        assert_eq!(frames.len(), 600);
        assert!(frames.is_sorted_by_key(|f| f.0));
    }
}

#[test]
fn simultaneous_recordings_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let ids = [(); 2].map(|()| Some(RecordingId::random().unwrap()));
    store(dir.path(), ids[0], 0, [0, 15]);
    store(dir.path(), ids[1], 0, [10, 25]);
    store(dir.path(), ids[0], 4096, [20, 35]);
    store(dir.path(), ids[1], 4096, [30, 45]);
    let run = raw2pcap(&[".", "-o", "all.pcap"], dir.path());
    exits(&run, 0);
    assert!(!stderr(&run).contains("twice"), "{}", stderr(&run));
    let times: Vec<_> = converted_file(&dir.path().join("all.pcap"))
        .into_iter()
        .map(|frame| frame.0)
        .collect();
    let expected: Vec<_> = [0, 10, 15, 20, 25, 30, 35, 45].map(|s| ns(s, 0)).into();
    assert_eq!(times, expected);
}

/// The clock was set back between the files, so the place in the recording decides their order.
#[test]
fn files_are_sorted_by_stream_offset() {
    let dir = tempfile::tempdir().unwrap();
    let id = Some(RecordingId::random().unwrap());
    store(dir.path(), id, 0, [5000, 5001]);
    store(dir.path(), id, 4096, [100, 101]);
    exits(&raw2pcap(&[".", "-o", "all.pcap"], dir.path()), 0);
    let times: Vec<_> = converted_file(&dir.path().join("all.pcap"))
        .into_iter()
        .map(|frame| frame.0)
        .collect();
    let expected: Vec<_> = [5000, 5001, 100, 101].map(|s| ns(s, 0)).into();
    assert_eq!(times, expected);
}

/// Only the times in the middle of a block are wrong, so that a search finds no contradiction.
#[test]
fn index_that_hides_frames_is_a_defect() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 1000).store(dir.path());
    index(&raw);
    let path = raw.to_str().unwrap();
    exits(&checkraw(&["-q", path], dir.path()), 0);
    let sound = Index::load(&raw).unwrap().unwrap();
    let last = sound
        .entries
        .iter()
        .rposition(|e| e.span.is_some())
        .unwrap();
    for entry in [0, last / 2, last] {
        let mut wrong = sound.clone();
        let time = wrong.entries[entry].time.unwrap();
        wrong.entries[entry].span = Some((time, time));
        wrong.save(&raw).unwrap();
        let run = checkraw(&["-q", path], dir.path());
        exits(&run, 1);
        let out = String::from_utf8_lossy(&run.stdout).into_owned();
        let block = format!("byte {}: the index", sound.entries[entry].offset);
        assert!(out.contains(&block), "{out}");
    }
    // Wider times only make a search slower.
    let mut wide = sound.clone();
    for entry in &mut wide.entries {
        entry.span = entry.span.map(|(from, to)| {
            (
                Timestamp::from_ns(from.as_ns() - 1),
                Timestamp::from_ns(to.as_ns() + 1),
            )
        });
    }
    wide.save(&raw).unwrap();
    exits(&checkraw(&["-q", path], dir.path()), 0);
}
