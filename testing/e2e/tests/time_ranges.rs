//! `raw2pcap --from` and `--to` on block-wise recordings: the result has every frame of the range, and
//! only the blocks that can hold such frames are read.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use hpcap_e2e::lab::Lab;
use testkit::pcap::{self, Frame};
use testkit::process::{Finished, run};

/// Number of the frames of a recording, which are a millisecond apart.
const FRAMES: u64 = 40_000;
const FRAME_BYTES: usize = 1000;
/// A ring of 1 MiB has blocks of 256 KiB.
const BLOCK_BYTES: u64 = 256 << 10;
const START: u64 = 1_700_000_000;

/// Records frames whose times are `ms(n)` milliseconds after the start, for the frames n = 0, 1, ...
fn record(lab: &Lab, ms: impl Fn(u64) -> u64) {
    let frames = (0..FRAMES)
        .map(|n| {
            let mut data = vec![0; FRAME_BYTES];
            data[12..14].copy_from_slice(&[0x88, 0xb5]);
            data[14..22].copy_from_slice(&n.to_be_bytes());
            Frame {
                sec: u32::try_from(START + ms(n) / 1000).unwrap(),
                nsec: u32::try_from(ms(n) % 1000).unwrap() * 1_000_000,
                len: u32::try_from(FRAME_BYTES).unwrap(),
                data,
            }
        })
        .collect();
    let file = pcap::File {
        link_type: 1,
        nanoseconds: true,
        frames,
        whole: true,
    };
    let path = lab.path("in.pcap");
    std::fs::write(&path, pcap::to_bytes(&file, true)).unwrap();
    let source = format!("pcap:{}", path.display());
    let args = ["--ring", "1M", "--source", &source, "capture"];
    let _ = run(lab.tool("hpcapdd").args(args)).exits(0);
}

/// Converts the frames from `from` to `to`, in milliseconds after the start. Returns their times and the
/// finished program.
fn convert(lab: &Lab, from: u64, to: u64) -> (Vec<u64>, Finished) {
    let time = |ms: u64| format!("{}.{:03}", START + ms / 1000, ms % 1000);
    let out = lab.path("out.pcap");
    let done = run(lab.tool("raw2pcap").args([
        "--quiet",
        "--force",
        "capture",
        "-o",
        "out.pcap",
        "--from",
        &time(from),
        "--to",
        &time(to),
    ]))
    .exits(0);
    let times = pcap::read(&out)
        .frames
        .iter()
        .map(|f| (u64::from(f.sec) - START) * 1000 + u64::from(f.nsec) / 1_000_000)
        .collect();
    (times, done)
}

fn remove_indexes(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            remove_indexes(&path);
        } else if path.extension().is_some_and(|e| e == "idx") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// Converts several ranges, and checks frames and bytes read. `blocks` are the blocks that may be read
/// for a range, beside those that are read to find out about the file.
fn check_ranges(lab: &Lab, ms: impl Fn(u64) -> u64, ranges: &[(u64, u64)], blocks: u64) {
    let expected = |from, to| -> Vec<u64> {
        (0..FRAMES)
            .map(&ms)
            .filter(|t| (from..=to).contains(t))
            .collect()
    };
    let recorded = FRAMES * FRAME_BYTES as u64;
    // The first frame of the file, and the frames at both ends of each part, are looked at beforehand.
    let most = (blocks + 4) * BLOCK_BYTES + (4 << 20);
    assert!(most < recorded / 3);
    for (from, to) in ranges {
        let (times, done) = convert(lab, *from, *to);
        assert_eq!(times, expected(*from, *to), "{from} to {to}");
        let read = done.bytes_read.unwrap();
        assert!(
            read < most,
            "{read} of {recorded} bytes read for {from} to {to}"
        );
    }
    remove_indexes(&lab.path("capture"));
    let (from, to) = ranges[0];
    let (times, done) = convert(lab, from, to);
    assert_eq!(times, expected(from, to), "{from} to {to} without an index");
    assert!(done.bytes_read.unwrap() >= recorded);
}

#[test]
fn range_reads_only_its_blocks() {
    let lab = Lab::new();
    record(&lab, |n| n);
    let ranges = [(20_000, 20_100), (39_990, 90_000), (50_000, 60_000), (0, 3)];
    check_ranges(&lab, |n| n, &ranges, 6);
}

/// The clock is set back by 15 s after 20 s, so that all times from 5 s on are there twice.
#[test]
fn range_reads_only_its_blocks_after_clock_step() {
    let lab = Lab::new();
    let ms = |n| if n < 20_000 { n } else { n - 15_000 };
    record(&lab, ms);
    let ranges = [(12_000, 12_100), (3000, 3010), (22_000, 22_010)];
    check_ranges(&lab, ms, &ranges, 12);
}
