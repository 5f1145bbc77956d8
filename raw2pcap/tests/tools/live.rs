//! Tests of a folder that is converted and checked while files in it are recorded.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::samples::{checkraw, converted, exits, many, raw2pcap, stderr, stdout};

/// Starts a conversion of `dir` to standard output and waits until it has begun.
fn begun(dir: &Path) -> (std::process::Child, Vec<u8>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_raw2pcap"))
        .args([".", "-o", "-"])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = vec![0; 24];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    (child, first)
}

/// Waits for the end of the conversion. Returns the number of frames and the standard error.
fn ended(child: std::process::Child, first: Vec<u8>) -> (usize, String) {
    let out = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(0), "{text}");
    (converted(&[first, out.stdout].concat()).len(), text)
}

/// The second file of the queue gets its final name while the first is being read.
#[test]
fn renamed_file_is_converted() {
    let dir = tempfile::tempdir().unwrap();
    many(0, 0, 60_000).store(dir.path());
    let second = many(0, 100, 1000).store(dir.path());
    let part = second.with_extension("raw.part");
    fs::rename(&second, &part).unwrap();
    let (child, first) = begun(dir.path());
    fs::rename(&part, second.with_file_name("1391724088_hpcap0_0-1.raw")).unwrap();
    let (frames, text) = ended(child, first);
    assert_eq!(frames, 61_000, "{text}");
}

/// A listed file is deleted before it is read, as retention does it.
#[test]
fn deleted_file_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    many(0, 0, 60_000).store(dir.path());
    let second = many(0, 100, 1000).store(dir.path());
    let (child, first) = begun(dir.path());
    fs::remove_file(&second).unwrap();
    let (frames, text) = ended(child, first);
    assert_eq!(frames, 60_000);
    assert!(text.contains("1 file deleted before it was read"), "{text}");
}

/// The next conversion reads what a recorder appends while the file is being read.
#[test]
fn growing_file_is_not_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let whole = many(0, 0, 60_000).bytes();
    let path = dir.path().join("1391723988_hpcap0_0.raw.part");
    // The file is cut at a page boundary, in the middle of a record.
    let there = whole.len() / 2 / 4096 * 4096;
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(&whole[..there]).unwrap();
    let (child, first) = begun(dir.path());
    file.write_all(&whole[there..]).unwrap();
    let (frames, text) = ended(child, first);
    assert!(frames >= 29_000, "{frames}: {text}");
}

#[test]
fn unfinished_file_of_a_recorder_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let whole = many(0, 0, 1000).bytes();
    let path = dir.path().join("1391723988_hpcap0_0.raw.part");
    fs::write(&path, &whole[..whole.len() / 2 + 5]).unwrap();
    let recorder = fs::File::options().write(true).open(&path).unwrap();
    recorder.lock().unwrap();
    let run = checkraw(&["."], dir.path());
    exits(&run, 0);
    assert!(stdout(&run).contains("under way"), "{}", stdout(&run));
    let run = raw2pcap(&[".", "-o", "x.pcap"], dir.path());
    exits(&run, 0);
    assert!(!stderr(&run).contains("damaged"), "{}", stderr(&run));
}
