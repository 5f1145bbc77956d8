//! Tests of `--filter` and `--no-duplicates`.

use std::fs;

use hpcap::Reason;
use hpcap::pcapfile::Reader;

use crate::samples::{File, START, converted_file, exits, many, ns, raw2pcap, stderr};
use crate::transcript::assert_printed;

#[test]
fn filter_selects_frames() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 250).store(dir.path());
    let raw = raw.to_str().unwrap();
    let run = raw2pcap(
        &[raw, "-o", "x.pcap", "--filter", "udp src port 53"],
        dir.path(),
    );
    assert_printed("summary_with_filter", &run, dir.path());
    assert_eq!(
        converted_file(&dir.path().join("x.pcap")),
        [(ns(0, 53_000_000), 53)]
    );
    let run = raw2pcap(
        &[raw, "-o", "y.pcap", "--filter", "udp and and"],
        dir.path(),
    );
    exits(&run, 2);
    assert!(stderr(&run).contains("syntax error"), "{}", stderr(&run));
    assert!(!dir.path().join("y.pcap").exists());
}

/// A mark applies to the frame behind it, and to no other.
#[test]
fn no_duplicates_leaves_marked_frames_out() {
    let dir = tempfile::tempdir().unwrap();
    let time = |i: u8| ns(0, u64::from(i));
    let raw = File::new(0, START, 1)
        .frame((time(1), 53))
        .duplicate((time(2), 53))
        .duplicate((time(3), 53))
        .gap(Reason::RingFull, 12)
        .duplicate((time(4), 53))
        .frame((time(5), 53))
        .frame((time(6), 7))
        .duplicate((time(7), 7))
        .store(dir.path());
    let raw = raw.to_str().unwrap();
    let convert = |more: &[&str], kept: &[u8], name: &str| {
        let args = [&[raw, "-o", "x.pcapng", "--force"], more].concat();
        let run = raw2pcap(&args, dir.path());
        assert_printed(name, &run, dir.path());
        let frames = converted_file(&dir.path().join("x.pcapng"));
        let times: Vec<_> = frames.iter().map(|f| f.0).collect();
        let kept: Vec<_> = kept.iter().copied().map(time).collect();
        assert_eq!(times, kept, "{more:?}");
    };
    let without = "--no-duplicates";
    convert(&[], &[1, 2, 3, 4, 5, 6, 7], "duplicates_marked");
    convert(&[without], &[1, 5, 6], "duplicates_left_out");
    let udp = ["--filter", "udp src port 53"];
    convert(
        &[without, udp[0], udp[1]],
        &[1, 5],
        "duplicates_left_out_of_filtered",
    );
    let from = format!("{START}.000000003");
    convert(
        &["--from", &from, without],
        &[5, 6],
        "duplicates_left_out_of_range",
    );
    // Each duplicate that is kept has a comment.
    convert(&[], &[1, 2, 3, 4, 5, 6, 7], "duplicates_marked");
    let bytes = fs::read(dir.path().join("x.pcapng")).unwrap();
    let mut reader = Reader::new(&bytes[..], "x").unwrap();
    let next = || {
        reader
            .next()
            .unwrap()
            .map(|f| f.comment == Some("duplicate"))
    };
    let marked: Vec<_> = std::iter::from_fn(next).collect();
    // The comment about a loss comes first.
    assert_eq!(marked, [false, true, true, false, false, false, true]);
    // The next frame that is kept tells the loss.
    convert(&[without], &[1, 5, 6], "duplicates_left_out");
    let bytes = fs::read(dir.path().join("x.pcapng")).unwrap();
    let mut reader = Reader::new(&bytes[..], "x").unwrap();
    let dropped: Vec<_> =
        std::iter::from_fn(|| reader.next().unwrap().map(|f| f.dropped)).collect();
    assert_eq!(dropped, [0, 12, 0]);
}
