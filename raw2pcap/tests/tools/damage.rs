//! Tests of damaged inputs.

use std::fs;

use hpcap::raw::tag::Tag;

use crate::samples::{File, START, converted_file, exits, many, ns, raw2pcap, stderr};
use crate::transcript::assert_printed;

/// The record behind a mark is damaged, so the next frame is not a duplicate.
#[test]
fn mark_of_a_damaged_frame_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let file = (0..10).fold(File::new(0, START, 1), |file, i| {
        let frame = (ns(0, i), 7);
        if i == 5 {
            file.duplicate(frame)
        } else {
            file.frame(frame)
        }
    });
    let mut bytes = file.bytes();
    let mark = Tag::Duplicate.to_body();
    let at = bytes.windows(mark.len()).position(|w| w == mark).unwrap() + mark.len();
    bytes[at..at + 40].fill(0xe7);
    fs::write(dir.path().join("damaged.raw"), &bytes).unwrap();
    let run = raw2pcap(
        &["damaged.raw", "-o", "x.pcap", "--no-duplicates"],
        dir.path(),
    );
    exits(&run, 1);
    let frames = converted_file(&dir.path().join("x.pcap"));
    assert_eq!(frames.len(), 9, "{}", stderr(&run));
}

/// Damage is reported and the rest is converted. A tail that is cut gives only a note.
#[test]
fn damaged_file_is_converted_around_damage() {
    let dir = tempfile::tempdir().unwrap();
    let whole = many(0, 0, 100).bytes();
    let record = 72;
    let at = 12 + usize::from(u16::from_le_bytes([whole[8], whole[9]])) + 50 * record;
    let mut damaged = whole.clone();
    damaged[at..at + 100].fill(0xe7);
    fs::write(dir.path().join("damaged.raw"), &damaged).unwrap();
    let run = raw2pcap(&["damaged.raw", "-o", "x.pcap"], dir.path());
    assert_printed("damaged_file", &run, dir.path());
    let frames = converted_file(&dir.path().join("x.pcap"));
    assert!(frames.len() >= 96, "{}", frames.len());

    fs::write(dir.path().join("cut.raw"), &whole[..at + 30]).unwrap();
    let run = raw2pcap(&["cut.raw", "-o", "y.pcap"], dir.path());
    assert_printed("cut_file", &run, dir.path());
    assert_eq!(converted_file(&dir.path().join("y.pcap")).len(), 50);

    fs::write(
        dir.path().join("text.raw"),
        "this is no capture at all, but text",
    )
    .unwrap();
    exits(&raw2pcap(&["text.raw", "-o", "z.pcap"], dir.path()), 1);
}
