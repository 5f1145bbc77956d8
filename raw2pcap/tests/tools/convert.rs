//! Tests of `raw2pcap`.

use std::fs;
use std::path::Path;

use hpcap::Reason;
use hpcap::pcapfile::Reader;
use hpcap::raw::tag::Tag;

use crate::samples::{
    File, START, converted, converted_file, exits, index, many, ns, raw2pcap, raw2pcap_reading,
    stderr,
};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn file_becomes_pcap_or_pcapng() {
    let dir = tempfile::tempdir().unwrap();
    let frames: Vec<_> = (0..5_u8).map(|i| (ns(0, u64::from(i) * 7), i)).collect();
    let file = frames
        .iter()
        .fold(File::new(0, START, 1), |file, f| file.frame(*f));
    let raw = file.store(dir.path());
    let raw = raw.to_str().unwrap();
    for (out, magic) in [("x.pcap", 0xa1b2_3c4d_u32), ("x.pcapng", 0x0a0d_0d0a)] {
        let run = raw2pcap(&[raw, "-o", out], dir.path());
        exits(&run, 0);
        assert!(stderr(&run).contains("5 frames"), "{}", stderr(&run));
        let bytes = fs::read(dir.path().join(out)).unwrap();
        assert_eq!(bytes[..4], magic.to_le_bytes());
        assert_eq!(converted(&bytes), frames);
    }
    exits(
        &raw2pcap(&[raw, "-o", "micro.pcap", "--micro", "-q"], dir.path()),
        0,
    );
    let micro = converted_file(&dir.path().join("micro.pcap"));
    assert!(micro.iter().all(|(time, _)| *time == ns(0, 0)));
    assert!(!names(dir.path()).iter().any(|n| n.ends_with(".part")));
}

#[test]
fn two_paths_are_the_originals_form() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 10).store(dir.path());
    exits(&raw2pcap(&[raw.to_str().unwrap(), "out"], dir.path()), 0);
    assert_eq!(converted_file(&dir.path().join("out_0.pcap")).len(), 10);
}

#[test]
fn merge_orders_queues_by_time() {
    let dir = tempfile::tempdir().unwrap();
    // There are two queues of two files each, with interleaved times.
    for queue in 0..2_u32 {
        for part in 0..2_u64 {
            let mut file = File::new(queue, START + part * 1800, 1);
            for i in 0..20_u64 {
                let time = ns(part * 1800, i * 100 + u64::from(queue) * 37);
                file = file.frame((
                    time,
                    u8::try_from(u64::from(queue) * 100 + part * 50 + i).unwrap(),
                ));
            }
            file.store(dir.path());
        }
    }
    exits(&raw2pcap(&[".", "-o", "all.pcapng"], dir.path()), 0);
    let frames = converted_file(&dir.path().join("all.pcapng"));
    assert_eq!(frames.len(), 80);
    assert!(frames.is_sorted_by_key(|f| f.0));
    let bytes = fs::read(dir.path().join("all.pcapng")).unwrap();
    let mut reader = Reader::new(&bytes[..], "x").unwrap();
    while let Some(frame) = reader.next().unwrap() {
        assert_eq!(frame.queue, Some(u32::from(frame.data[0] >= 100)));
        assert_eq!(frame.queue, Some(frame.interface));
    }
    // The files are named in any order, each once.
    let raw = fs::read_dir(dir.path().join("1391722200"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    exits(
        &raw2pcap(
            &[raw.to_str().unwrap(), ".", "-o", "again.pcap"],
            dir.path(),
        ),
        0,
    );
    assert_eq!(converted_file(&dir.path().join("again.pcap")), frames);
}

#[test]
fn files_without_header_go_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let strip = |file: File| {
        let bytes = file.bytes();
        // Removes the header record, which is 12 bytes and its tag.
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        bytes[12 + length..].to_vec()
    };
    fs::write(dir.path().join("5_hpcap0_0.raw"), strip(many(0, 0, 10))).unwrap();
    fs::write(dir.path().join("6_hpcap0_0.raw"), strip(many(0, 1, 10))).unwrap();
    fs::write(dir.path().join("5_hpcap0_1.raw"), strip(many(1, 0, 10))).unwrap();
    fs::write(dir.path().join("odd.raw"), strip(many(1, 1, 10))).unwrap();
    exits(&raw2pcap(&[".", "-o", "all.pcap"], dir.path()), 0);
    let frames = converted_file(&dir.path().join("all.pcap"));
    assert_eq!(frames.len(), 40);
    assert!(frames.is_sorted_by_key(|f| f.0));
}

#[test]
fn range_is_the_same_with_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 1000).store(dir.path());
    let raw = raw.to_str().unwrap();
    let cases = [
        (
            vec![
                "--from",
                "2014-02-06T21:59:48.25Z",
                "--to",
                "2014-02-06T21:59:48.75Z",
            ],
            250..751,
        ),
        (vec!["--from", "+250ms", "--to", "+500ms"], 250..751),
        (vec!["--from", "1391723988.9"], 900..1000),
        (vec!["--to", "1391723988.1"], 0..101),
        (vec!["--from", "2030-01-01T00:00:00Z"], 0..0),
    ];
    for round in ["scan", "index", "broken index"] {
        match round {
            "index" => index(Path::new(raw)),
            "broken index" => fs::write(format!("{raw}.idx"), "HPCAPIDX and nothing").unwrap(),
            _ => {}
        }
        for (args, expected) in &cases {
            let args: Vec<&str> = [raw, "-o", "x.pcap", "--force"]
                .into_iter()
                .chain(args.iter().copied())
                .collect();
            let run = raw2pcap(&args, dir.path());
            exits(&run, 0);
            assert_eq!(stderr(&run).contains("without it"), round == "broken index");
            let frames = converted_file(&dir.path().join("x.pcap"));
            let times: Vec<u64> = frames
                .iter()
                .map(|f| (f.0 - ns(0, 0)) / 1_000_000)
                .collect();
            assert_eq!(
                times,
                expected.clone().collect::<Vec<_>>(),
                "{round} {args:?}"
            );
        }
    }
}

/// The index of another file, which happens to have the same size, is not used.
#[test]
fn index_of_another_file_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let a = many(0, 0, 1000).store(&dir.path().join("a"));
    let b = many(0, 50, 1000).store(&dir.path().join("b"));
    index(&a);
    fs::copy(a.with_extension("raw.idx"), b.with_extension("raw.idx")).unwrap();
    exits(
        &raw2pcap(&["b", "-o", "x.pcap", "--from", "+900ms"], dir.path()),
        0,
    );
    assert_eq!(converted_file(&dir.path().join("x.pcap")).len(), 100);
}

#[test]
fn filter_selects_frames() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 250).store(dir.path());
    let raw = raw.to_str().unwrap();
    let run = raw2pcap(
        &[raw, "-o", "x.pcap", "--filter", "udp src port 53"],
        dir.path(),
    );
    exits(&run, 0);
    assert!(
        stderr(&run).contains("249 refused by the filter"),
        "{}",
        stderr(&run)
    );
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

#[test]
fn split_limits_each_file() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 100).store(dir.path());
    let raw = raw.to_str().unwrap();
    // Each frame takes 76 bytes.
    for (args, sizes) in [
        (["--split-frames", "30"], vec![30, 30, 30, 10]),
        (["--split-size", "2400"], vec![30, 30, 30, 10]),
        (["--split-time", "50ms"], vec![50, 50]),
    ] {
        let stem = args[0].trim_start_matches('-');
        let out = format!("{stem}.pcap");
        exits(
            &raw2pcap(&[raw, "-o", &out, args[0], args[1]], dir.path()),
            0,
        );
        let mut all = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let part = dir.path().join(format!("{stem}_{number}.pcap"));
            if args[0] == "--split-size" {
                assert!(fs::metadata(&part).unwrap().len() <= 2400);
            }
            let frames = converted_file(&part);
            assert_eq!(frames.len(), *size, "{args:?}");
            all.extend(frames);
        }
        assert_eq!(all.len(), 100);
        assert!(all.is_sorted());
        assert!(
            !dir.path()
                .join(format!("{stem}_{}.pcap", sizes.len()))
                .exists()
        );
    }
}

#[test]
fn force_replaces_existing_files() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 3).store(dir.path());
    let raw = raw.to_str().unwrap();
    let out = dir.path().join("x.pcap");
    fs::write(&out, "mine").unwrap();
    let run = raw2pcap(&[raw, "-o", "x.pcap"], dir.path());
    exits(&run, 1);
    assert!(stderr(&run).contains("--force"), "{}", stderr(&run));
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    exits(&raw2pcap(&[raw, "-o", "x.pcap", "--force"], dir.path()), 0);
    assert_eq!(converted_file(&out).len(), 3);
}

#[test]
fn pipes_are_read_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = many(0, 0, 40).bytes();
    for format in ["pcap", "pcapng"] {
        let run = raw2pcap_reading(&["-", "-o", "-", "--format", format], dir.path(), &bytes);
        exits(&run, 0);
        assert_eq!(converted(&run.stdout).len(), 40);
    }
    assert_eq!(names(dir.path()), [""; 0]);
    let run = raw2pcap_reading(&["-", "-o", "-", "--from", "+1s"], dir.path(), &bytes);
    exits(&run, 2);
}

/// The reader of the result may stop early, as in `raw2pcap ... | head`.
#[test]
fn closed_pipe_is_no_error() {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("1_hpcap0_0.raw");
    let mut file = File::new(0, START, 1);
    for i in 0..60_000_u64 {
        file = file.frame((ns(0, i), 7));
    }
    fs::write(&raw, file.bytes()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_raw2pcap"))
        .arg(&raw)
        .args(["-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    exits(&out, 0);
    assert!(!stderr(&out).contains("cannot"), "{}", stderr(&out));
}

#[test]
fn pcapng_has_the_losses() {
    let dir = tempfile::tempdir().unwrap();
    let raw = File::new(0, START, 1)
        .frame((ns(0, 1), 1))
        .gap(Reason::RingFull, 12)
        .frame((ns(0, 2), 2))
        .store(dir.path());
    let run = raw2pcap(&[raw.to_str().unwrap(), "-o", "x.pcapng"], dir.path());
    exits(&run, 0);
    assert!(
        stderr(&run).contains("missing in 1 gap: 12 ring_full"),
        "{}",
        stderr(&run)
    );
    let bytes = fs::read(dir.path().join("x.pcapng")).unwrap();
    let mut reader = Reader::new(&bytes[..], "x").unwrap();
    assert_eq!(reader.next().unwrap().unwrap().dropped, 0);
    let second = reader.next().unwrap().unwrap();
    assert_eq!(second.dropped, 12);
    assert!(second.comment.unwrap().contains("12 ring_full"));
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
    let convert = |more: &[&str], kept: &[u8], says: &str| {
        let args = [&[raw, "-o", "x.pcapng", "--force"], more].concat();
        let run = raw2pcap(&args, dir.path());
        exits(&run, 0);
        let text = stderr(&run);
        assert!(text.contains(says), "{text}");
        let frames = converted_file(&dir.path().join("x.pcapng"));
        let times: Vec<_> = frames.iter().map(|f| f.0).collect();
        let kept: Vec<_> = kept.iter().copied().map(time).collect();
        assert_eq!(times, kept, "{more:?}");
    };
    let without = "--no-duplicates";
    convert(&[], &[1, 2, 3, 4, 5, 6, 7], "; 4 marked as duplicates");
    convert(&[without], &[1, 5, 6], "; 4 left out as duplicates");
    let udp = ["--filter", "udp src port 53"];
    convert(
        &[without, udp[0], udp[1]],
        &[1, 5],
        "2 refused by the filter; 3 left out as duplicates",
    );
    let from = format!("{START}.000000003");
    convert(&["--from", &from, without], &[5, 6], "; 3 left out");
    // Each duplicate that is kept has a comment.
    convert(
        &[],
        &[1, 2, 3, 4, 5, 6, 7],
        "missing in 1 gap: 12 ring_full",
    );
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
    convert(&[without], &[1, 5, 6], "missing in 1 gap: 12 ring_full");
    let bytes = fs::read(dir.path().join("x.pcapng")).unwrap();
    let mut reader = Reader::new(&bytes[..], "x").unwrap();
    let dropped: Vec<_> =
        std::iter::from_fn(|| reader.next().unwrap().map(|f| f.dropped)).collect();
    assert_eq!(dropped, [0, 12, 0]);
}

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
    exits(&run, 1);
    let text = stderr(&run);
    assert!(
        text.contains("damaged.raw: ") && text.contains("are no records, skipped"),
        "{text}"
    );
    let frames = converted_file(&dir.path().join("x.pcap"));
    assert!(frames.len() >= 96, "{}", frames.len());

    fs::write(dir.path().join("cut.raw"), &whole[..at + 30]).unwrap();
    let run = raw2pcap(&["cut.raw", "-o", "y.pcap"], dir.path());
    exits(&run, 0);
    assert!(
        stderr(&run).contains("cut in the last record"),
        "{}",
        stderr(&run)
    );
    assert_eq!(converted_file(&dir.path().join("y.pcap")).len(), 50);

    fs::write(
        dir.path().join("text.raw"),
        "this is no capture at all, but text",
    )
    .unwrap();
    exits(&raw2pcap(&["text.raw", "-o", "z.pcap"], dir.path()), 1);
}

#[test]
fn pcap_refuses_mixed_link_types() {
    let dir = tempfile::tempdir().unwrap();
    File::new(0, START, 101)
        .frame((ns(0, 1), 1))
        .store(dir.path());
    exits(&raw2pcap(&[".", "-o", "one.pcap"], dir.path()), 0);
    let bytes = fs::read(dir.path().join("one.pcap")).unwrap();
    assert_eq!(Reader::new(&bytes[..], "x").unwrap().link_type(), Some(101));
    File::new(1, START, 1)
        .frame((ns(0, 2), 2))
        .store(dir.path());
    let run = raw2pcap(&[".", "-o", "two.pcap"], dir.path());
    exits(&run, 1);
    assert!(stderr(&run).contains("--format pcapng"), "{}", stderr(&run));
    assert!(!dir.path().join("two.pcap").exists() && !dir.path().join("two.pcap.part").exists());
    exits(&raw2pcap(&[".", "-o", "two.pcapng"], dir.path()), 0);
    assert_eq!(converted_file(&dir.path().join("two.pcapng")).len(), 2);
}

#[test]
fn overlapping_files_cause_one_warning() {
    let dir = tempfile::tempdir().unwrap();
    many(0, 0, 10).store(&dir.path().join("a"));
    many(0, 0, 10).store(&dir.path().join("b"));
    let run = raw2pcap(&[".", "-o", "x.pcap"], dir.path());
    exits(&run, 0);
    assert!(stderr(&run).contains("converted twice"), "{}", stderr(&run));
    let frames = converted_file(&dir.path().join("x.pcap"));
    assert_eq!(frames.len(), 20);
    assert!(frames.is_sorted());
}

#[test]
fn wrong_usage_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 3).store(dir.path());
    let raw = raw.to_str().unwrap();
    for args in [
        vec![],
        vec![raw],
        vec![raw, raw, raw],
        vec![raw, "-o", "x.pcap", "--from", "yesterday"],
        vec![raw, "-o", "x.pcap", "--from", "20", "--to", "10"],
        vec![raw, "-o", "x.pcap", "--split-size", "0"],
        vec![raw, "-o", "x.pcap", "--split-frames", "0"],
        vec![raw, "-o", "-", "--split-frames", "5"],
        vec![raw, "-o", "x.pcapng", "--micro"],
        vec![raw, "-o", "x.pcap", "--format", "erf"],
        vec![raw, "-o", "."],
        vec![raw, "-o", "noending"],
        vec![raw, "-o", "x.cap"],
        vec![raw, "-o", "x.pcap.xz"],
        vec![raw, "-o", "x.pcapng", "--format", "pcap"],
    ] {
        let run = raw2pcap(&args, dir.path());
        exits(&run, 2);
        assert!(!stderr(&run).is_empty());
    }
    for args in [
        vec!["none.raw", "-o", "x.pcap"],
        vec![raw, "-o", "none/x.pcap"],
    ] {
        let run = raw2pcap(&args, dir.path());
        exits(&run, 1);
        assert!(
            stderr(&run).starts_with("raw2pcap: cannot "),
            "{}",
            stderr(&run)
        );
    }
    assert_eq!(names(dir.path()), ["1391722200"]);
}

/// `/dev/full` is a device that is always full.
#[test]
fn full_device_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 3).store(dir.path());
    let run = raw2pcap(&[raw.to_str().unwrap(), "-o", "/dev/full"], dir.path());
    exits(&run, 1);
    assert!(stderr(&run).contains("/dev/full"), "{}", stderr(&run));
    exits(
        &raw2pcap(&[raw.to_str().unwrap(), "-o", "/dev/null"], dir.path()),
        0,
    );
}

/// A record has 16 bits for the length and 32 for the seconds; pcapng has more.
#[test]
fn altered_frames_have_comments() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = hpcap::raw::Writer::new(Vec::new());
    let header = hpcap::raw::FileHeader {
        link_type: 1,
        ..hpcap::raw::FileHeader::default()
    };
    let _ = writer.header(&header).unwrap();
    let data = vec![7; 65_535];
    let _ = writer.frame(START, 5, 70_000, &data).unwrap();
    let _ = writer.frame(START, 6, 60, &data[..60]).unwrap();
    let _ = writer.frame(1 << 33, 7, 60, &data[..60]).unwrap();
    fs::write(dir.path().join("x.raw"), writer.close(0).unwrap().0).unwrap();
    for out in ["x.pcapng", "x.pcap"] {
        let run = raw2pcap(&["x.raw", "-o", out], dir.path());
        exits(&run, 0);
        let text = stderr(&run);
        assert!(
            text.contains("1 cut at 65,535 bytes; 1 with an adjusted time"),
            "{text}"
        );
        let bytes = fs::read(dir.path().join(out)).unwrap();
        let mut reader = Reader::new(&bytes[..], "x").unwrap();
        let mut found = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            found.push((frame.len, frame.comment.unwrap_or_default().to_owned()));
        }
        assert_eq!(
            found.iter().map(|f| f.0).collect::<Vec<_>>(),
            [70_000, 60, 60]
        );
        if out == "x.pcapng" {
            assert_eq!(found[0].1, "frame of 70000 bytes, cut to 65535");
            assert_eq!(found[1].1, "");
            assert!(
                found[2].1.contains("8589934592.000000007"),
                "{}",
                found[2].1
            );
        }
    }
}

/// The frames of a recording keep their order, and the summary counts those that are out of order.
#[test]
fn summary_counts_disorder() {
    let dir = tempfile::tempdir().unwrap();
    File::new(0, START, 1)
        .frame((ns(0, 1), 1))
        .frame((ns(0, 9), 2))
        .frame((ns(0, 5), 3))
        .frame((ns(0, 10), 4))
        .store(dir.path());
    let run = raw2pcap(&[".", "-o", "x.pcap"], dir.path());
    exits(&run, 0);
    let text = stderr(&run);
    assert!(text.contains("; 1 earlier than the frame before"), "{text}");
    let run = raw2pcap(
        &[".", "-o", "y.pcap", "--to", "1391723988.000000009"],
        dir.path(),
    );
    exits(&run, 0);
    assert_eq!(converted_file(&dir.path().join("y.pcap")).len(), 3);
}
