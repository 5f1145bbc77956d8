//! Files that are removed while a program writes them: the program notices it, counts what is lost, and
//! goes on in a new file where there can be one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hpcap::{Event, Stream};
use hpcap_e2e::at_work::DAEMON;
use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use testkit::process::{Finished, Process};
use testkit::wait::wait_until;

/// Bytes of a capture that has frames.
const SOME: u64 = 10_000;

fn has_frames(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.len() > SOME)
}

/// Frames of a capture, and frames that it says are missing.
fn contents(path: &Path) -> (u64, u64) {
    let mut stream = Stream::open(path).unwrap();
    let (mut frames, mut lost) = (0, 0);
    while let Some(event) = stream.next().unwrap() {
        match event {
            Event::Frame(_) => frames += 1,
            Event::Missed(missed) => lost += missed.frames(),
            _ => {}
        }
    }
    (frames, lost)
}

/// The number before `words` in the last line of standard error that has them.
fn told(ended: &Finished, words: &str) -> u64 {
    let line = ended.err.lines().rfind(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("{words:?} is not in {}", ended.err));
    let before = line.split(words).next().unwrap();
    before.split_whitespace().last().unwrap().parse().unwrap()
}

#[test]
fn tap_begins_a_new_file_for_a_removed_one() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    let mut tap = Process::spawn(lab.tool("hpcap-tap").args(["hpcap0", "-w", "x.pcapng"]));
    let file = lab.path("x.pcapng");
    wait_until("the file has frames", || has_frames(&file));
    fs::remove_file(&file).unwrap();
    tap.wait_for("the file was removed");
    wait_until("the new file has frames", || has_frames(&file));
    let ended = tap.interrupt().exits(1);
    let (frames, lost) = contents(&file);
    assert_eq!(told(&ended, " frames written"), frames);
    assert_eq!(told(&ended, " frames are lost with it"), lost);
    assert_eq!(told(&ended, " frames read"), frames + lost);
    let _ = daemon.stop().exits(0);
}

#[test]
fn tap_ends_with_the_folder_of_its_only_file() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    let folder = lab.folder("captures");
    let mut command = lab.tool("hpcap-tap");
    let tap = Process::spawn(command.args(["hpcap0", "-w", "captures/x.pcapng"]));
    wait_until("the file has frames", || {
        has_frames(&folder.join("x.pcapng"))
    });
    fs::remove_dir_all(&folder).unwrap();
    let ended = tap.wait().exits(1);
    let lost = told(&ended, " frames are lost with it");
    assert_eq!(told(&ended, " frames read"), lost);
    let _ = daemon.stop().exits(0);
}

#[test]
fn removed_file_ends_no_other_output() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    let folder = lab.folder("captures");
    let mut command = lab.tool("hpcap-tap");
    let outputs = ["hpcap0", "-w", "captures/x.pcapng", "-w", "y.pcapng"];
    let mut tap = Process::spawn(command.args(outputs));
    wait_until("the file has frames", || {
        has_frames(&folder.join("x.pcapng"))
    });
    fs::remove_dir_all(&folder).unwrap();
    tap.wait_for("the file was removed");
    let ended = tap.interrupt().exits(1);
    let (frames, lost) = contents(&lab.path("y.pcapng"));
    assert_eq!((told(&ended, " frames read"), lost), (frames, 0));
    let _ = daemon.stop().exits(0);
}

#[test]
fn renamed_file_keeps_its_frames() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    let tap = Process::spawn(lab.tool("hpcap-tap").args(["hpcap0", "-w", "x.pcapng"]));
    let (file, renamed) = (lab.path("x.pcapng"), lab.path("y.pcapng"));
    wait_until("the file has frames", || has_frames(&file));
    fs::rename(&file, &renamed).unwrap();
    let before = renamed.metadata().unwrap().size();
    wait_until("it goes on", || renamed.metadata().unwrap().size() > before);
    let ended = tap.interrupt().exits(0);
    assert_eq!(told(&ended, " frames read"), contents(&renamed).0);
    let _ = daemon.stop().exits(0);
}

#[test]
fn monitor_makes_its_removed_logs_anew() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    let mut command = lab.tool("hpcap-monitor");
    command.args(["run", "--listen", "none", "--interval", "100ms"]);
    let mut monitor = Process::spawn(command.args(["--basedir", "log"]));
    let logs = || {
        let mut find = lab.here(Path::new("find"));
        let found = find.args(["log", "-name", "hpcap0", "-o", "-name", "*.jsonl"]);
        String::from_utf8(found.output().unwrap().stdout).unwrap()
    };
    let are_there = || logs().lines().count() >= 2;
    wait_until("there are logs", are_there);
    fs::remove_dir_all(lab.path("log")).unwrap();
    wait_until("there are logs again", are_there);
    monitor.wait_for("was removed");
    let _ = monitor.interrupt().exits(0);
    let _ = daemon.stop().exits(0);
}
