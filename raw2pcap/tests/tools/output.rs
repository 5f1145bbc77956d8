//! Tests of the outputs: formats, pipes, existing files, several files.

use std::fs;

use hpcap::pcapfile::Reader;
use hpcap::units::Bytes;

use crate::samples::{
    File, START, converted, converted_file, exits, many, names, ns, raw2pcap, raw2pcap_reading,
    stderr,
};
use crate::transcript::assert_printed;

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
        assert_printed(&format!("summary_of_{out}"), &run, dir.path());
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
fn pipes_are_read_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = many(0, 0, 40).bytes();
    for format in ["pcap", "pcapng"] {
        let run = raw2pcap_reading(&["-", "-o", "-", "--format", format], dir.path(), &bytes);
        exits(&run, 0);
        assert_eq!(converted(&run.stdout).len(), 40);
        let written = format!("to standard output ({})", Bytes(run.stdout.len() as u64));
        assert!(
            stderr(&run).contains(&written),
            "{written}: {}",
            stderr(&run)
        );
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
    assert_printed("existing_output", &run, dir.path());
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    exits(&raw2pcap(&[raw, "-o", "x.pcap", "--force"], dir.path()), 0);
    assert_eq!(converted_file(&out).len(), 3);
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
    assert_printed("mixed_link_types", &run, dir.path());
    assert!(!dir.path().join("two.pcap").exists() && !dir.path().join("two.pcap.part").exists());
    exits(&raw2pcap(&[".", "-o", "two.pcapng"], dir.path()), 0);
    assert_eq!(converted_file(&dir.path().join("two.pcapng")).len(), 2);
}

/// `/dev/full` is a device that is always full.
#[test]
fn full_device_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 3).store(dir.path());
    let run = raw2pcap(&[raw.to_str().unwrap(), "-o", "/dev/full"], dir.path());
    assert_printed("full_device", &run, dir.path());
    exits(
        &raw2pcap(&[raw.to_str().unwrap(), "-o", "/dev/null"], dir.path()),
        0,
    );
}
