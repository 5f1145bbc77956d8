//! Destinations that cannot be written to, are full, or are also used by another recorder.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap::Reason;
use hpcap_e2e::daemon::{Daemon, frames};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::recording::{files, generated};
use testkit::is_root_or_skips;
use testkit::process::run;
use testkit::wait::wait_until;

const RATE: &str = "gen:size=imix,rate=50M,late=delay";

/// A file system in memory. Dropping it unmounts the file system.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(at: PathBuf, size: &str, read_only: bool) -> Self {
        std::fs::create_dir(&at).unwrap();
        let access = if read_only { "ro" } else { "rw" };
        let options = format!("size={size},{access}");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&at);
        assert!(mount.status().unwrap().success());
        Self(at)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn recorder_checks_destination_first() {
    let lab = Lab::new();
    std::fs::write(lab.path("file"), "").unwrap();
    for (dest, code, words) in [
        (
            "file",
            2,
            &["file", "it is a file", "a folder is expected"][..],
        ),
        ("no/such/parent", 1, &["no/such/parent", "No such file"]),
        ("/proc/hpcap", 1, &["/proc/hpcap"]),
    ] {
        let _ = run(lab.tool("hpcapdd").args(["--source", "gen:", dest]))
            .exits(code)
            .says(words);
    }
}

#[test]
fn recorder_names_read_only_disk() {
    if !is_root_or_skips("mounting a file system") {
        return;
    }
    let lab = Lab::new();
    let disk = SmallDisk::new(lab.path("disk"), "1m", true);
    for dest in ["disk", "disk/new"] {
        let _ = run(lab.tool("hpcapdd").args(["--source", "gen:", dest]))
            .exits(1)
            .says(&["disk", "Read-only file system"]);
    }
    drop(disk);
}

#[test]
fn recording_resumes_when_disk_has_room() {
    if !is_root_or_skips("mounting a file system") {
        return;
    }
    let lab = Lab::new();
    let disk = SmallDisk::new(lab.path("disk"), "24m", false);
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; 14 << 20]).unwrap();
    let daemon = Daemon::start(
        &lab,
        &["--ring", "8M", "gen:size=1514,rate=500M,late=delay"],
    );
    let mut recorder = lab.recorder(&["hpcap0", "disk"]);
    recorder.wait_for("holding the ring");
    wait_until("the ring is full", || {
        frames(&daemon.status("hpcap0")["ledger"], Reason::RingFull) > 0
    });
    std::fs::remove_file(&filler).unwrap();
    recorder.wait_for("storing works again");
    let _ = daemon.stop().exits(0);
    let done = recorder.interrupt();
    let summary = done.event("summary");
    let stored = generated(&files(disk.path()));
    assert_eq!(stored.damaged, 0);
    assert_eq!(summary["frames"], stored.frames);
    // The gap records count what the ring could not hold. Other frames are missing only at the end,
    // when the disk was full again.
    assert!(stored.lost > 0);
    assert_eq!(stored.missing, stored.lost_between);
    let ledger = &summary["ledger"];
    assert_eq!(
        stored.frames + frames(ledger, Reason::Storage),
        frames(ledger, Reason::Captured)
    );
    let _ = run(lab.tool("checkraw").arg("disk")).exits(0);
}

#[test]
fn full_disk_keeps_everything_that_fits() {
    if !is_root_or_skips("mounting a file system") {
        return;
    }
    let lab = Lab::new();
    let disk = SmallDisk::new(lab.path("disk"), "12m", false);
    let daemon = Daemon::start(
        &lab,
        &["--ring", "8M", "gen:size=1514,rate=500M,late=delay"],
    );
    let mut recorder = lab.recorder(&["hpcap0", "disk"]);
    recorder.wait_for("holding the ring");
    recorder.wait_for("make room");
    let done = recorder.interrupt().exits(1);
    let done = done.says(&["store everything that was captured", "giving up"]);
    let summary = done.event("summary");
    let stored = generated(&files(disk.path()));
    assert_eq!(stored.damaged, 0);
    // On a busy machine the generator itself falls behind, and reports this in a gap record.
    assert!(stored.missing <= stored.lost, "{stored:?}");
    assert_eq!(summary["frames"], stored.frames);
    let ledger = &summary["ledger"];
    assert!(frames(ledger, Reason::Storage) > 0);
    assert_eq!(
        stored.frames + frames(ledger, Reason::Storage),
        frames(ledger, Reason::Captured)
    );
    let _ = daemon.stop().exits(0);
}

#[test]
fn raw2pcap_leaves_no_file_on_full_disk() {
    if !is_root_or_skips("mounting a file system") {
        return;
    }
    let lab = Lab::new();
    let _disk = SmallDisk::new(lab.path("disk"), "1m", false);
    let source = ["--source", "gen:size=1514,count=4000", "raw"];
    let _ = run(lab.tool("hpcapdd").arg("--quiet").args(source)).exits(0);
    for out in ["disk/out.pcap", "disk/out.pcapng"] {
        let _ = run(lab.tool("raw2pcap").args(["raw", "-o", out]))
            .exits(1)
            .says(&[out, "No space left"]);
        assert!(!lab.path(out).exists());
    }
}

#[test]
fn two_recorders_share_one_folder() {
    let lab = Lab::new();
    let folder = lab.folder("raw");
    let daemon = Daemon::start(&lab, &["--ring", "16M", RATE]);
    let recorders = [(); 2].map(|()| lab.recorder(&["hpcap0", "raw"]));
    // A recorder does not rotate an empty file. So both recorders must have written something
    // before the frames are counted, and on a busy machine the second recorder starts late.
    wait_until("the start of each", || {
        recorders
            .iter()
            .all(|r| r.out().contains("\"event\":\"start\""))
    });
    let captured = || frames(&daemon.status("hpcap0")["ledger"], Reason::Captured);
    let before = captured();
    wait_until("frames", || captured() > before + 3000);
    for recorder in &recorders {
        recorder.signal(nix::sys::signal::Signal::SIGHUP);
    }
    wait_until("a second file of each", || {
        recorders.iter().all(|r| r.out().contains("file_complete"))
    });
    let _ = daemon.stop().exits(0);
    let mut all = Vec::new();
    let mut total = 0;
    for recorder in recorders {
        let done = recorder.wait().exits(1).says(&["was stopped"]);
        let own: Vec<PathBuf> = testkit::process::events(&done.out)
            .filter(|e| e["event"] == "file_complete")
            .map(|e| lab.path(e["path"].as_str().unwrap()))
            .collect();
        assert!(own.len() >= 2);
        let stored = generated(&own);
        assert_eq!((stored.missing, stored.damaged), (0, 0));
        assert_eq!(done.event("summary")["frames"], stored.frames);
        total += own.len();
        all.extend(own);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), total, "a file belongs to both");
    assert_eq!(files(&folder).len(), total);
}
