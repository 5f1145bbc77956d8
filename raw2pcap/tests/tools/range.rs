//! Tests of `--from` and `--to`.

use std::fs;
use std::path::Path;

use crate::samples::{File, START, converted_file, exits, index, many, ns, raw2pcap, stderr};

/// Returns the seconds of the frames that `raw2pcap .` with `args` converts.
fn seconds(dir: &Path, args: &[&str]) -> Vec<u64> {
    let args = [&[".", "-o", "x.pcap", "--force"], args].concat();
    exits(&raw2pcap(&args, dir), 0);
    let mut seconds: Vec<u64> = converted_file(&dir.join("x.pcap"))
        .iter()
        .map(|(time, _)| time / 1_000_000_000 - START)
        .collect();
    seconds.sort_unstable();
    seconds
}

fn range(from: u64, to: u64) -> [String; 4] {
    [
        "--from".into(),
        (START + from).to_string(),
        "--to".into(),
        (START + to).to_string(),
    ]
}

/// Makes a file with one frame per second, the first one `first` seconds after the start.
fn slow(start: u64, first: u64, count: u64) -> File {
    (0..count).fold(File::new(0, START + start, 1), |file, i| {
        file.frame((ns(first + i, 0), u8::try_from(i % 250).unwrap()))
    })
}

/// The clock was set back between two files.
#[test]
fn range_is_whole_after_clock_step_between_files() {
    let dir = tempfile::tempdir().unwrap();
    let one = slow(0, 0, 100).store(dir.path());
    let two = slow(1, 50, 100).store(dir.path());
    for indexed in [false, true] {
        if indexed {
            index(&one);
            index(&two);
        }
        let [a, from, b, to] = range(60, 90);
        let expected: Vec<u64> = (60..=90).flat_map(|s| [s, s]).collect();
        assert_eq!(seconds(dir.path(), &[&a, &from, &b, &to]), expected);
    }
}

/// The clock was set back in the middle of a file.
#[test]
fn range_is_whole_after_clock_step_in_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = (0..1000_u64).fold(File::new(0, START, 1), |file, i| {
        let second = if i < 500 { i } else { i - 400 };
        file.frame((ns(second, 0), 7))
    });
    let raw = file.store(dir.path());
    for indexed in [false, true] {
        if indexed {
            index(&raw);
        }
        let [a, from, b, to] = range(150, 160);
        let expected: Vec<u64> = (150..=160).flat_map(|s| [s, s]).collect();
        assert_eq!(seconds(dir.path(), &[&a, &from, &b, &to]), expected);
        let [a, from, b, to] = range(20, 30);
        let expected: Vec<u64> = (20..=30).collect();
        assert_eq!(seconds(dir.path(), &[&a, &from, &b, &to]), expected);
    }
}

#[test]
fn damaged_index_causes_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 1000).store(dir.path());
    index(&raw);
    let idx = raw.with_extension("raw.idx");
    let mut found = hpcap::raw::Index::load(&raw).unwrap().unwrap();
    found.entries[2].offset = 1 << 63;
    fs::write(&idx, found.to_bytes()).unwrap();
    let args = [".", "-o", "x.pcap", "--from", "+500ms"];
    let run = raw2pcap(&args, dir.path());
    exits(&run, 0);
    assert!(stderr(&run).contains("without it"), "{}", stderr(&run));
    assert_eq!(converted_file(&dir.path().join("x.pcap")).len(), 500);
}

#[test]
fn relative_end_counts_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    slow(0, 0, 100).store(dir.path());
    let expected: Vec<u64> = (30..=40).collect();
    assert_eq!(
        seconds(dir.path(), &["--from", "+30s", "--to", "+10s"]),
        expected
    );
    let from = (START + 30).to_string();
    assert_eq!(
        seconds(dir.path(), &["--from", &from, "--to", "+10s"]),
        expected
    );
    let expected: Vec<u64> = (0..=10).collect();
    assert_eq!(seconds(dir.path(), &["--to", "+10s"]), expected);
}

#[test]
fn empty_range_prints_the_span() {
    let dir = tempfile::tempdir().unwrap();
    let raw = slow(0, 0, 100).store(dir.path());
    for indexed in [false, true] {
        if indexed {
            index(&raw);
        }
        let args = [".", "-o", "x.pcap", "--force", "--from", "2030-01-01Z"];
        exits(&raw2pcap(&args, dir.path()), 2);
        let args = [".", "-o", "x.pcap", "--force", "--from", "2030-01-01"];
        let run = raw2pcap(&args, dir.path());
        exits(&run, 0);
        let text = stderr(&run);
        assert!(text.contains("the recording spans 2014-02-0"), "{text}");
    }
}

#[test]
fn time_without_zone_is_local() {
    let dir = tempfile::tempdir().unwrap();
    slow(0, 0, 100).store(dir.path());
    let run = |zone: &str, from: &str| {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_raw2pcap"))
            .args([".", "-o", "x.pcap", "--force", "--from", from])
            .current_dir(dir.path())
            .env("TZ", zone)
            .output()
            .unwrap();
        exits(&run, 0);
        let frames = converted_file(&dir.path().join("x.pcap"));
        (frames.len(), stderr(&run))
    };
    // The time of the first frame is 21:59:48 UTC.
    for (zone, from) in [
        ("UTC", "2014-02-06T22:00:48"),
        ("CET-1", "2014-02-06T23:00:48"),
        ("CET-1", "2014-02-06T22:00:48Z"),
        ("EST5", "2014-02-06T17:00:48"),
        ("EST5", "2014-02-06T23:00:48+01:00"),
    ] {
        assert_eq!(run(zone, from).0, 40, "{zone} {from}");
    }
    let (_, text) = run("CET-1", "2014-02-06T23:00:48");
    assert!(
        text.contains("2014-02-06T23:00:48.000000000+01:00 to "),
        "{text}"
    );
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
