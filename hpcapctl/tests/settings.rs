//! `get` and `set` on a folder with the files of a queue in sysfs. The test of the module itself
//! runs in a virtual machine.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The settings of a new queue, as the module shows them.
const FILES: [(&str, &str); 19] = [
    ("caplen", "0\n"),
    ("filter", "\n"),
    ("poll", "adaptive\n"),
    ("when_full", "drop\n"),
    ("cpu", "-1\n"),
    ("priority", "0\n"),
    ("plain", "0\n"),
    ("look_back", "0\n"),
    ("ring_bytes", "67108864\n"),
    ("dedup/enabled", "0\n"),
    ("dedup/window", "32768\n"),
    ("dedup/compare_bytes", "auto\n"),
    ("dedup/age_ns", "2000000000\n"),
    ("dedup/renew", "1\n"),
    ("dedup/action", "drop\n"),
    ("dedup/ignore_ttl", "0\n"),
    ("dedup/ignore_ip_checksum", "0\n"),
    ("dedup/ignore_vlan", "0\n"),
    ("dedup/ignore_mac", "0\n"),
];

/// Makes the folders of queues 0 and 1 of adapter 0.
fn sysfs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for queue in ["hpcap_0_0", "hpcap_0_1"] {
        let folder = dir.path().join(queue);
        fs::create_dir_all(folder.join("dedup")).unwrap();
        for (file, text) in FILES {
            fs::write(folder.join(file), text).unwrap();
        }
    }
    dir
}

fn hpcapctl(sysfs: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(args)
        .env("HPCAP_SYSFS_DIR", sysfs)
        .env("HPCAP_RUN_DIR", sysfs)
        .output()
        .unwrap()
}

fn done(sysfs: &Path, args: &[&str]) -> String {
    let output = hpcapctl(sysfs, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(sysfs: &Path, args: &[&str], code: i32) -> String {
    let output = hpcapctl(sysfs, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

fn content(sysfs: &Path, file: &str) -> String {
    fs::read_to_string(sysfs.join(file)).unwrap()
}

#[test]
fn get_shows_all_settings() {
    let dir = sysfs();
    insta::assert_snapshot!("get", done(dir.path(), &["get", "hpcap0"]));
    insta::assert_snapshot!("get_json", done(dir.path(), &["get", "hpcap0", "--json"]));
    assert_eq!(done(dir.path(), &["get", "hpcap0:1", "ring"]), "\"64M\"\n");
}

#[test]
fn set_writes_each_setting() {
    let dir = sysfs();
    let args = [
        "set",
        "hpcap0",
        "caplen=128",
        "filter=udp port 53",
        "dedup=on",
        "dedup.age=500ms",
        "cpu=3",
        "poll=busy",
        "priority=fifo",
    ];
    insta::assert_snapshot!("set", done(dir.path(), &args));
    assert_eq!(content(dir.path(), "hpcap_0_0/caplen"), "128");
    assert_eq!(content(dir.path(), "hpcap_0_0/priority"), "fifo");
    assert_eq!(content(dir.path(), "hpcap_0_0/dedup/enabled"), "1");
    assert_eq!(content(dir.path(), "hpcap_0_0/dedup/age_ns"), "500000000");
    assert!(content(dir.path(), "hpcap_0_0/filter").starts_with("# udp port 53\n"));
    assert_eq!(
        content(dir.path(), "hpcap_0_1/caplen"),
        "0\n",
        "another queue is untouched"
    );
    assert_eq!(
        done(dir.path(), &["get", "hpcap0", "filter"]),
        "\"udp port 53\"\n"
    );
    assert_eq!(done(dir.path(), &["get", "hpcap0", "cpu"]), "3\n");
    assert_eq!(
        done(dir.path(), &["get", "hpcap0", "priority"]),
        "\"fifo\"\n"
    );
    done(dir.path(), &["set", "hpcap0", "priority=-20"]);
    assert_eq!(content(dir.path(), "hpcap_0_0/priority"), "-20");
    done(dir.path(), &["set", "hpcap0", "filter=", "cpu=-1"]);
    assert_eq!(done(dir.path(), &["get", "hpcap0", "filter"]), "\"\"\n");
    assert_eq!(content(dir.path(), "hpcap_0_0/cpu"), "-1");
}

#[test]
fn all_queues_are_set_on_request() {
    let dir = sysfs();
    done(dir.path(), &["set", "hpcap0", "caplen=64", "--all-queues"]);
    assert_eq!(content(dir.path(), "hpcap_0_1/caplen"), "64");
    let planned = done(
        dir.path(),
        &["set", "hpcap0", "caplen=1", "--all-queues", "--dry-run"],
    );
    insta::assert_snapshot!("dry_run", planned);
    assert_eq!(content(dir.path(), "hpcap_0_1/caplen"), "64");
}

#[test]
fn wrong_value_changes_nothing() {
    let dir = sysfs();
    let mut refusals = String::new();
    for settings in [
        &["caplen=70000"][..],
        &["filter=port port"],
        &["poll=lazy"],
        &["priority=20"],
        &["priority=rr"],
        &["calpen=1"],
        &["speed=1G"],
        &["caplen"],
        &["dedup=maybe"],
        &["cpu=first"],
        &["dedup.age=soon"],
        &["caplen=1", "caplen=2"],
    ] {
        let args = [&["set", "hpcap0", "when_full=hold"], settings].concat();
        let said = refused(dir.path(), &args, 2);
        refusals += &format!("$ hpcapctl {}\n{said}\n", args.join(" "));
        assert_eq!(content(dir.path(), "hpcap_0_0/when_full"), "drop\n");
    }
    insta::assert_snapshot!("refusals", refusals);
}

#[test]
fn refused_write_takes_the_others_back() {
    let dir = sysfs();
    // A write to this device fails, also for root.
    let poll = dir.path().join("hpcap_0_0/poll");
    fs::remove_file(&poll).unwrap();
    std::os::unix::fs::symlink("/dev/full", &poll).unwrap();
    let said = refused(
        dir.path(),
        &["set", "hpcap0", "caplen=9", "dedup=on", "poll=busy"],
        1,
    );
    let folder = dir.path().display().to_string();
    insta::assert_snapshot!("refused_write", said.replace(&folder, "FOLDER"));
    assert_eq!(content(dir.path(), "hpcap_0_0/caplen"), "0\n");
    assert_eq!(content(dir.path(), "hpcap_0_0/dedup/enabled"), "0\n");
}

#[test]
fn queue_of_hpcapd_cannot_be_set() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("hpcap0.sock"), "").unwrap();
    let said = [
        &["set", "hpcap0", "caplen=1"][..],
        &["get", "hpcap0"],
        &["get", "hpcap5"],
    ]
    .map(|command| refused(dir.path(), command, 1));
    let folder = dir.path().display().to_string();
    insta::assert_snapshot!(
        "not_of_the_module",
        said.join("\n").replace(&folder, "FOLDER")
    );
}
