//! Attack: files and folders are removed or renamed while a recorder writes.

use std::fs;
use std::path::Path;

use hpcap::Reason;
use hpcap_e2e::attack::attack;
use hpcap_e2e::daemon::frames;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::random::Random;
use hpcap_e2e::recording::{files, generated, has_frames};
use testkit::process::{events, run};
use testkit::wait::wait_until;

/// Removes the folder of a recording, or its unfinished files. Returns what was removed.
fn take_away(folder: &Path, random: &mut Random) -> &'static str {
    match random.below(2) {
        0 => {
            fs::remove_dir_all(folder).unwrap();
            "the folder"
        }
        _ => {
            for file in files(folder) {
                if file.extension().unwrap() == "part" {
                    fs::remove_file(file).unwrap();
                }
            }
            "the file under way"
        }
    }
}

#[test]
fn recorder_goes_on_when_files_vanish() {
    let lab = Lab::new();
    attack("vanishing files", |number, random| {
        let name = format!("raw{number}");
        let folder = lab.path(&name);
        let recorder = lab.recorder(&[
            "--ring",
            "4M",
            "--source",
            "gen:size=1000,rate=50M,late=delay",
            &name,
        ]);
        // The removed files must hold frames, or nothing would be lost.
        wait_until("a file with frames", || {
            folder.exists() && has_frames(&folder)
        });
        let what = take_away(&folder, random);
        wait_until("a new file with frames", || has_frames(&folder));
        let done = recorder.interrupt();
        let summary = done.event("summary");
        let there = files(&folder);
        let stored = generated(&there);
        assert_eq!(stored.damaged, 0, "{what}");
        assert_eq!(summary["frames"], stored.frames, "{what}: {}", done.err);
        let ledger = &summary["ledger"];
        assert_eq!(
            stored.frames + frames(ledger, Reason::Storage),
            frames(ledger, Reason::Captured),
            "{what}: {summary}"
        );
        assert!(frames(ledger, Reason::Storage) > 0, "{what}: {summary}");
        // Some captured frames were not stored, which the recorder must report as a failure.
        let told = events(&done.out).any(|e| e["event"] == "warning");
        assert!(told, "{what}: {}", done.out);
        let _ = done.exits(1);
        let _ = run(lab.tool("checkraw").args(["--quiet", &name])).exits(0);
        fs::remove_dir_all(&folder).unwrap();
    });
}

#[test]
fn recorder_goes_on_when_its_folder_is_renamed() {
    let lab = Lab::new();
    let recorder = lab.recorder(&[
        "--ring",
        "4M",
        "--source",
        "gen:size=1000,rate=50M,late=delay",
        "raw",
    ]);
    let (folder, renamed) = (lab.path("raw"), lab.path("renamed"));
    wait_until("a file under way", || {
        folder.exists() && !files(&folder).is_empty()
    });
    fs::rename(&folder, &renamed).unwrap();
    wait_until("a new file with frames", || has_frames(&folder));
    let done = recorder.interrupt();
    let summary = done.event("summary");
    // The files in the renamed folder were stored and are still there. The rest of the block that
    // was being written is lost, and a gap record counts the loss.
    let stored = generated(&[files(&renamed), files(&folder)].concat());
    assert_eq!((stored.damaged, stored.missing), (0, stored.lost_between));
    assert_eq!(summary["frames"], stored.frames);
    let ledger = &summary["ledger"];
    assert_eq!(
        stored.frames + frames(ledger, Reason::Storage),
        frames(ledger, Reason::Captured)
    );
    let lost = frames(ledger, Reason::Storage);
    assert_eq!(done.code(), Some(i32::from(lost > 0)));
}
