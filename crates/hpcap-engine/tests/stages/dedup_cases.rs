//! Tests of the duplicate filter, case by case, beginning with the defects of the original.

use std::time::Duration;

use hpcap::dedup::{DedupSettings, Ignore};
use hpcap_engine::stages::Dedup;
use hpcap_source::Frame;

use crate::harness::content;

/// Returns a UDP frame over IPv4 of flow 10.0.0.1 -> 10.0.0.2, with `number` in it.
pub(crate) fn of_one_flow(number: u64) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([
        0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0x12, 0x34,
    ]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0x10, 0, 0x20, 0, 0, 26, 0, 0]);
    frame.extend(number.to_be_bytes());
    frame.resize(60, 0);
    frame
}

/// Returns which of `frames` are duplicates, when each is a batch of its own.
pub(crate) fn seen(dedup: &mut Dedup, frames: &[(&[u8], u64)]) -> Vec<bool> {
    frames
        .iter()
        .map(|(data, ns)| {
            let (sec, nsec) = (ns / 1_000_000_000, (ns % 1_000_000_000) as u32);
            let mut lent = [Frame::new(data, data.len() as u32, sec, nsec)];
            dedup.apply(&mut lent, &mut Vec::new()).0 == 0
        })
        .collect()
}

pub(crate) fn dedup(text: &str) -> Dedup {
    Dedup::new(text.parse::<DedupSettings>().unwrap(), 1).unwrap()
}

const MS: u64 = 1_000_000;

/// The original remembered only one frame of each flow, so any other frame of it hid a duplicate.
#[test]
fn other_frames_of_its_flow_do_not_hide_a_duplicate() {
    let mut dedup = dedup("on");
    let frames: Vec<_> = (0..1000).map(of_one_flow).collect();
    let mut lent: Vec<_> = frames.iter().map(|f| Frame::new(f, 60, 1, 0)).collect();
    assert_eq!(dedup.apply(&mut lent, &mut Vec::new()).0, 1000);
    let mut again: Vec<_> = frames.iter().map(|f| Frame::new(f, 60, 1, 9)).collect();
    let (kept, duplicates) = dedup.apply(&mut again, &mut Vec::new());
    assert_eq!(
        (kept, duplicates.frames, duplicates.bytes),
        (0, 1000, 60_000)
    );
}

/// The original put all frames without an RSS hash into one entry, so it remembered only the last
/// one.
#[test]
fn frames_without_a_hash_of_the_nic_are_spread_over_the_window() {
    let mut dedup = dedup("window=32768");
    let arp = |n: u64| {
        let mut frame = content(n, 60);
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        frame
    };
    let frames: Vec<_> = (0..4096).map(arp).collect();
    for expected in [4096, 0] {
        let mut kept = 0;
        for batch in frames.chunks(256) {
            let mut lent: Vec<_> = batch.iter().map(|f| Frame::new(f, 60, 1, 0)).collect();
            kept += dedup.apply(&mut lent, &mut Vec::new()).0;
        }
        assert_eq!(kept, expected);
    }
}

#[test]
fn copy_of_a_copy_counts_while_sightings_are_close() {
    let mut dedup = dedup("age=10ms");
    let frame = of_one_flow(1);
    let times = [0, 9, 18, 28, 39, 39].map(|ms| (frame.as_slice(), 1_000_000_000 + ms * MS));
    let expected = [false, true, true, true, false, true];
    assert_eq!(seen(&mut dedup, &times), expected);
}

#[test]
fn copy_keeps_the_age_without_renew() {
    let mut dedup = dedup("age=10ms,renew=off");
    let frame = of_one_flow(1);
    let times = [0, 9, 11, 20, 22].map(|ms| (frame.as_slice(), 1_000_000_000 + ms * MS));
    assert_eq!(seen(&mut dedup, &times), [false, true, false, true, false]);
    let renews = DedupSettings {
        renew: true,
        ..*dedup.settings()
    };
    assert!(dedup.change(&renews));
    let times = [31, 40, 49].map(|ms| (frame.as_slice(), 1_000_000_000 + ms * MS));
    assert_eq!(seen(&mut dedup, &times), [true, true, true]);
}

#[test]
fn clock_set_back_keeps_no_old_entry() {
    let mut dedup = dedup("age=10ms");
    let frame = of_one_flow(1);
    // The clock goes back by an hour. The sighting in the future no longer counts, the new one
    // does.
    let times =
        [7_200_000, 3_600_000, 3_600_001, 3_599_995].map(|ms: u64| (frame.as_slice(), ms * MS));
    assert_eq!(seen(&mut dedup, &times), [false, false, true, true]);
}

#[test]
fn only_the_compared_bytes_and_the_length_count() {
    let mut dedup = dedup("bytes=40");
    let frame = content(1, 100);
    let mut other_end = frame.clone();
    other_end[40] ^= 1;
    let mut other_start = frame.clone();
    other_start[39] ^= 1;
    let frames = [&frame[..], &other_end, &other_start, &frame[..99], &frame].map(|f| (f, MS));
    assert_eq!(seen(&mut dedup, &frames), [false, true, false, false, true]);
}

#[test]
fn routed_copy_is_found_if_ttl_is_ignored() {
    let frame = of_one_flow(1);
    let mut routed = frame.clone();
    routed[..12].fill(6);
    routed[22] -= 1;
    routed[24] += 1;
    let frames = [(&frame[..], MS), (&routed[..], MS)];
    for (ignore, expected) in [
        ("ttl+ipsum+mac", true),
        ("ttl+ipsum", false),
        ("ipsum+mac", false),
        ("ttl+mac", false),
    ] {
        let mut dedup = dedup(&format!("ignore={ignore}"));
        assert_eq!(seen(&mut dedup, &frames), [false, expected], "{ignore}");
    }
}

#[test]
fn copy_with_other_vlan_tags_is_found_if_ignored() {
    let frame = of_one_flow(1);
    let tagged = |tags: &[u8]| [&frame[..12], tags, &frame[12..]].concat();
    let one = tagged(&[0x81, 0, 0, 5]);
    let other = tagged(&[0x81, 0, 0, 6]);
    let two = tagged(&[0x88, 0xa8, 0, 9, 0x81, 0, 0, 5]);
    let frames = [&frame, &one, &other, &two].map(|f| (&f[..], MS));
    assert_eq!(
        seen(&mut dedup("ignore=vlan"), &frames),
        [false, true, true, true]
    );
    assert_eq!(seen(&mut dedup("on"), &frames), [false; 4]);
}

#[test]
fn age_and_action_change_without_forgetting() {
    let mut dedup = dedup("age=1ms");
    let frame = of_one_flow(1);
    assert_eq!(seen(&mut dedup, &[(&frame, MS)]), [false]);
    let longer = DedupSettings {
        age: Duration::from_secs(1),
        ..*dedup.settings()
    };
    assert!(dedup.change(&longer));
    assert_eq!(seen(&mut dedup, &[(&frame, 500 * MS)]), [true]);
    let blind = Ignore {
        ttl: true,
        ..Ignore::default()
    };
    assert!(!dedup.change(&DedupSettings {
        ignore: blind,
        ..longer
    }));
}
