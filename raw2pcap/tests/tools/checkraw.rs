//! Tests of `checkraw`.

use std::fs;

use hpcap::Reason;

use crate::samples::{File, START, checkraw, exits, many, ns, stdout};
use crate::transcript::assert_printed;

#[test]
fn sound_file_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    many(0, 0, 10).store(dir.path());
    let run = checkraw(&["."], dir.path());
    assert_printed("checkraw_sound", &run, dir.path());
    assert_eq!(stdout(&checkraw(&["-q", "."], dir.path())), "");
}

#[test]
fn report_escapes_control_characters() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = many(0, 0, 10).bytes();
    let at = bytes.windows(5).position(|w| w == b"probe").unwrap();
    bytes[at..at + 5].copy_from_slice(b"\x1b[2J\x07");
    fs::write(dir.path().join("1_\x1b]0;x\x07.raw"), &bytes).unwrap();
    for args in [&["."][..], &["--json", "."]] {
        let text = stdout(&checkraw(args, dir.path()));
        let obeyed = |c: char| c != '\n' && c.is_control();
        assert!(!text.chars().any(obeyed), "{text:?}");
        assert!(text.contains("1b[2J"), "{text}");
    }
}

#[test]
fn missing_frames_are_no_defect() {
    let dir = tempfile::tempdir().unwrap();
    File::new(0, START, 1)
        .frame((ns(0, 1), 1))
        .gap(Reason::RingFull, 12)
        .frame((ns(0, 2), 2))
        .store(dir.path());
    let run = checkraw(&["."], dir.path());
    assert_printed("checkraw_missing", &run, dir.path());
    let lines = stdout(&checkraw(&["--json", "."], dir.path()));
    let json: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(json["sound"], true);
    assert_eq!(json["frames"]["frames"], 2);
    assert_eq!(json["lost"]["ring_full"]["frames"], 12);
    assert_eq!(json["missing"][0]["lost"]["ring_full"]["bytes"], 720);
    assert_eq!(json["header"]["queue"], "hpcap0");
    assert_eq!(json["ledger"]["captured"]["frames"], 2);
}

#[test]
fn defect_sets_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = many(0, 0, 100).bytes();
    let at = 12 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]])) + 50 * 72;
    bytes[at..at + 144].fill(0);
    fs::write(dir.path().join("1_x.raw"), &bytes).unwrap();
    many(1, 0, 5).store(dir.path());
    let run = checkraw(&["."], dir.path());
    assert_printed("checkraw_defect", &run, dir.path());
    let lines = stdout(&checkraw(&["--json", "."], dir.path()));
    let first: serde_json::Value =
        serde_json::from_str(lines.lines().find(|l| l.contains("1_x")).unwrap()).unwrap();
    assert_eq!(first["findings"][0]["kind"], "unwritten");
    assert_eq!(first["findings"][0]["offset"], at);
    // Standard input has no name, but its defects are found in the same way.
    let file = fs::File::open(dir.path().join("1_x.raw")).unwrap();
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_checkraw"))
        .arg("-")
        .stdin(file)
        .output()
        .unwrap();
    exits(&out, 1);
}

#[test]
fn options_of_the_original_work() {
    let dir = tempfile::tempdir().unwrap();
    let raw = many(0, 0, 3).store(dir.path());
    // With `-t`, older files are left out.
    let run = checkraw(&["-t", "1391723989", "."], dir.path());
    assert_printed("checkraw_nothing_started", &run, dir.path());
    exits(&checkraw(&["-t", "1391723988", "."], dir.path()), 0);
    // With `-x`, a list of the frames is written.
    exits(&checkraw(&["-x", "sizes", "."], dir.path()), 0);
    let sizes = fs::read_to_string(dir.path().join("sizes")).unwrap();
    let bytes = fs::read(&raw).unwrap();
    let first = 12 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]])) + 12;
    let expected = format!(
        "0 {first} 60 60 1391723988.000000000\n1 {} 60 60 1391723988.001000000\n",
        first + 72
    );
    assert!(sizes.starts_with(&expected), "{sizes}");
    assert_eq!(sizes.lines().count(), 3);
    // The options for short frames and for the number of printed findings work, too.
    let mut writer = hpcap::raw::Writer::new(Vec::new());
    for i in 0..30 {
        let _ = writer.frame(START, i, 42, &[1; 42]).unwrap();
    }
    fs::write(dir.path().join("short.raw"), writer.close(0).unwrap().0).unwrap();
    let printed = |args: &[&str]| {
        let run = checkraw(args, dir.path());
        exits(&run, 0);
        stdout(&run).matches("warning: byte").count()
    };
    assert_eq!(printed(&["short.raw"]), 0);
    let run = checkraw(&["short.raw"], dir.path());
    assert_printed("checkraw_short_frames", &run, dir.path());
    assert_eq!(printed(&["-e", "5", "short.raw"]), 5);
    assert_eq!(printed(&["-e", "0", "short.raw"]), 30);
    assert_eq!(printed(&["-c", "short.raw"]), 0);
}

#[test]
fn repair_can_be_undone() {
    let dir = tempfile::tempdir().unwrap();
    let whole = many(0, 0, 100).bytes();
    let cut = whole.len() - 4096 - 30;
    let part = dir.path().join("1391723988_hpcap0_0.raw.part");
    fs::write(&part, &whole[..cut]).unwrap();
    exits(&checkraw(&["."], dir.path()), 1);
    let run = checkraw(&["--dry-run", "."], dir.path());
    assert_printed("checkraw_dry_run", &run, dir.path());
    assert_eq!(fs::read(&part).unwrap(), &whole[..cut]);
    let run = checkraw(&["--repair", "."], dir.path());
    assert_printed("checkraw_repaired", &run, dir.path());
    assert!(!part.exists());
    exits(&checkraw(&["."], dir.path()), 0);
    let run = checkraw(&["-f", "."], dir.path());
    assert_printed("checkraw_nothing_to_repair", &run, dir.path());
    let run = checkraw(&["--undo", "1391723988_hpcap0_0.raw"], dir.path());
    assert_printed("checkraw_undone", &run, dir.path());
    assert_eq!(fs::read(&part).unwrap(), &whole[..cut]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let name = part.to_str().unwrap();
    exits(&checkraw(&["--undo", name], dir.path()), 1);
}

#[test]
fn missing_paths_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    exits(&checkraw(&[], dir.path()), 2);
    exits(&checkraw(&["--nonsense", "."], dir.path()), 2);
    exits(&checkraw(&["--repair", "-"], dir.path()), 2);
    exits(&checkraw(&["none.raw"], dir.path()), 1);
    exits(&checkraw(&["."], dir.path()), 1);
}

/// A file that cannot be read does not keep the others from being checked.
#[test]
fn unreadable_file_sets_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let good = many(0, 0, 3).store(dir.path());
    // Opening this file fails, because it is a link to itself.
    let bad = dir.path().join("bad.raw");
    std::os::unix::fs::symlink("bad.raw", &bad).unwrap();
    let run = checkraw(&[bad.to_str().unwrap(), good.to_str().unwrap()], dir.path());
    exits(&run, 1);
}

#[test]
fn total_adds_losses_of_all_files() {
    let dir = tempfile::tempdir().unwrap();
    for (start, reason) in [(0, Reason::RingFull), (10, Reason::NicMissed)] {
        File::new(0, START + start, 1)
            .frame((ns(start, 1), 1))
            .gap(reason, 12)
            .frame((ns(start, 2), 2))
            .store(dir.path());
    }
    let run = checkraw(&["."], dir.path());
    assert_printed("checkraw_total", &run, dir.path());
    let lines = stdout(&checkraw(&["--json", "."], dir.path()));
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["total"]["lost"]["nic_missed"]["frames"], 12);
    assert_eq!(last["total"]["missing"].as_array().unwrap().len(), 2);
}

#[test]
fn fail_on_loss_sets_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    many(0, 0, 3).store(dir.path());
    exits(&checkraw(&["--fail-on-loss", "."], dir.path()), 0);
    File::new(1, START, 1)
        .frame((ns(0, 1), 1))
        .gap(Reason::RingFull, 12)
        .frame((ns(0, 2), 2))
        .store(dir.path());
    exits(&checkraw(&["."], dir.path()), 0);
    let run = checkraw(&["--quiet", "--fail-on-loss", "."], dir.path());
    assert_printed("checkraw_fail_on_loss", &run, dir.path());
    fs::write(dir.path().join("x.raw"), "no capture at all").unwrap();
    exits(&checkraw(&["--fail-on-loss", "."], dir.path()), 1);
}
