//! Attack: the wall clock steps while files are written, rotated and deleted.

use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap_e2e::attack::attack;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::random::Random;
use hpcap_e2e::recording::{files, generated};
use testkit::process::{Process, events, run};
use testkit::skip;
use testkit::wait::wait_until;

/// Returns the library behind faketime(1), or `None` where it is not installed.
fn libfaketime() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib")
        .unwrap()
        .flatten()
        .find_map(|dir| {
            let library = dir.path().join("faketime/libfaketimeMT.so.1");
            library.exists().then_some(library)
        });
    if found.is_none() {
        skip("stepping the clock takes libfaketime, which is not installed");
    }
    found
}

/// Makes `command` run with a wall clock that is always off by the offset in `file`. The monotonic
/// clock of the command stays the real one.
fn with_clock<'a>(command: &'a mut Command, library: &Path, file: &Path) -> &'a mut Command {
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

/// Replaces the offset atomically, because the library reads the file at every call.
fn step(file: &Path, random: &mut Random) -> String {
    let sign = ["+", "-"][random.index(2)];
    let seconds = [1, 59, 3600, 86_400, 2 * 86_400, 400 * 86_400][random.index(6)];
    let text = format!("{sign}{seconds}s\n");
    let new = file.with_extension("new");
    std::fs::write(&new, &text).unwrap();
    std::fs::rename(&new, file).unwrap();
    text.trim().to_owned()
}

/// Returns the number of files that `recorder` has reported as complete.
fn completed(recorder: &Process) -> usize {
    let out = recorder.out();
    events(&out)
        .filter(|e| e["event"] == "file_complete")
        .count()
}

#[test]
fn clock_steps_lose_no_frame() {
    let Some(library) = libfaketime() else {
        return;
    };
    let lab = Lab::new();
    attack("clock steps", |number, random| {
        let name = format!("raw{number}");
        let clock = lab.path("clock");
        std::fs::write(&clock, "+0s\n").unwrap();
        let mut command = lab.tool("hpcapdd");
        command.args(["--json", "--ring", "2M", "--rotate-size", "512K"]);
        command.args(["--keep-age", "1d"]);
        command.args(["--source", "gen:size=1000,rate=20M,late=delay", &name]);
        let mut recorder = Process::spawn(with_clock(&mut command, &library, &clock));
        recorder.wait_for("\"event\":\"start\"");
        let mut steps = Vec::new();
        for _ in 0..3 {
            steps.push(step(&clock, random));
            let before = completed(&recorder);
            wait_until("another file", || completed(&recorder) > before);
        }
        let done = recorder.interrupt();
        let summary = done.event("summary");
        // Nothing that was recorded is a day old, so no file may be deleted for its age.
        let deleted = events(&done.out).any(|e| e["event"] == "file_deleted");
        assert!(!deleted, "{steps:?}: {}", done.out);
        let done = done.exits(0);
        let by_recording = events(&done.out)
            .filter(|e| e["event"] == "file_complete")
            .map(|e| lab.path(e["path"].as_str().unwrap()))
            .collect::<Vec<_>>();
        let stored = generated(&by_recording);
        assert_eq!(
            files(&lab.path(&name)).len(),
            by_recording.len(),
            "{steps:?}"
        );
        assert_eq!(
            (stored.damaged, stored.missing),
            (0, stored.lost_between),
            "{steps:?}"
        );
        assert_eq!(summary["frames"], stored.frames, "{steps:?}");
        let _ = run(lab.tool("checkraw").args(["--quiet", &name])).exits(0);
        let _ = run(lab.tool("raw2pcap").args(["-q", &name, "-o", "all.pcap"])).exits(0);
        let converted = testkit::pcap::read(&lab.path("all.pcap"));
        assert_eq!(converted.frames.len() as u64, stored.frames, "{steps:?}");
        std::fs::remove_file(lab.path("all.pcap")).unwrap();
        std::fs::remove_dir_all(lab.path(&name)).unwrap();
    });
}
