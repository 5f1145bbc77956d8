//! Collections of stored machines, hostile ones among them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod printed;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use hpcap_diag::collect::{Archive, Options, Sink, collect};
use hpcap_diag::manifest::{Manifest, sha256};
use hpcap_host::Tree;
use nix::sys::stat::Mode;
use testkit::machine::two_nodes;

/// A collection in memory.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Sink for Files {
    fn add(&mut self, path: &str, content: &[u8]) -> hpcap::Result<()> {
        let before = self.0.insert(path.to_owned(), content.to_vec());
        assert!(before.is_none(), "{path} is there twice");
        Ok(())
    }
}

fn options(tree: &Tree) -> Options {
    Options {
        tree: tree.clone(),
        interval: Duration::ZERO,
        time_limit: Duration::from_secs(600),
        redact: true,
        config: tree.path("/etc/hpcap/hpcap.toml"),
        captures: vec!["/data".into()],
        thorough: true,
        stop: Arc::default(),
    }
}

fn collected(options: &Options) -> (BTreeMap<String, Vec<u8>>, Manifest) {
    let mut files = Files::default();
    let manifest = collect(options, &mut files, &mut |_| {}).unwrap();
    (files.0, manifest)
}

fn why(manifest: &Manifest, path: &str) -> String {
    let missing = manifest.missing.iter().find(|m| m.path == path);
    missing
        .unwrap_or_else(|| panic!("{path} is not missing"))
        .why
        .clone()
}

#[test]
fn manifest_has_every_file() {
    let (_dir, tree) = two_nodes();
    let (mut files, manifest) = collected(&options(&tree));
    let text = files.remove("manifest.json").unwrap();
    assert_eq!(serde_json::from_slice::<Manifest>(&text).unwrap(), manifest);
    assert_eq!(manifest.files.len(), files.len());
    for entry in &manifest.files {
        let content = &files[&entry.path];
        assert_eq!(
            (entry.bytes, &entry.sha256),
            (content.len(), &sha256(content))
        );
    }
    assert!(files.contains_key("proc/interrupts") && files.contains_key("later/proc/interrupts"));
    insta::assert_snapshot!("missing_file", why(&manifest, "proc/softirqs"));
}

#[test]
fn hostile_sources_hold_up_nothing() {
    let (dir, tree) = two_nodes();
    let at = |path: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    nix::unistd::mkfifo(&at("proc/diskstats"), Mode::S_IRUSR).unwrap();
    symlink("/dev/zero", at("proc/net/dev")).unwrap();
    symlink("softirqs", at("proc/softirqs")).unwrap();
    fs::create_dir(at("proc/vmstat")).unwrap();
    for loops in [
        "etc/hpcap/loop",
        "data/loop",
        "var/log/hpcap/loop",
        "var/crash/loop",
    ] {
        symlink(".", at(loops)).unwrap();
    }
    nix::unistd::mkfifo(&at("etc/hpcap/pipe"), Mode::S_IRUSR).unwrap();
    nix::unistd::mkfifo(&at("var/log/hpcap/events.jsonl"), Mode::S_IRUSR).unwrap();
    nix::unistd::mkfifo(&at("data/1_eth0.raw"), Mode::S_IRUSR).unwrap();
    symlink("/etc/shadow", at("etc/hpcap/secret.toml")).unwrap();
    symlink("/etc/shadow", at("var/log/hpcap/eth1")).unwrap();
    let huge = fs::File::create(at("var/log/hpcap/eth0")).unwrap();
    huge.set_len(1 << 40).unwrap();
    fs::File::create(at("data/2_eth0.raw"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();

    let (files, manifest) = collected(&options(&tree));
    assert_eq!(why(&manifest, "proc/softirqs"), "it is a symbolic link");
    assert_eq!(why(&manifest, "etc/hpcap/pipe"), "it is no regular file");
    assert_eq!(
        why(&manifest, "etc/hpcap/secret.toml"),
        "it is a symbolic link"
    );
    assert_eq!(files["proc/net/dev"].len(), 1 << 20);
    assert!(files["monitor/eth0"].len() <= 1 << 20);
    assert!(!files.contains_key("monitor/eth1"));
    let cut: Vec<&str> = manifest
        .files
        .iter()
        .filter(|f| f.cut)
        .map(|f| &f.path[..])
        .collect();
    assert_eq!(cut, ["proc/net/dev", "monitor/eth0", "later/proc/net/dev"]);
    let captures = String::from_utf8(files["captures.json"].clone()).unwrap();
    assert!(
        captures.contains("2_eth0.raw") && !captures.contains("1_eth0.raw"),
        "{captures}"
    );
}

#[test]
fn growing_log_is_cut() {
    let (dir, tree) = two_nodes();
    fs::create_dir_all(dir.path().join("var/log/hpcap")).unwrap();
    let mut log = fs::File::create(dir.path().join("var/log/hpcap/eth0")).unwrap();
    log.write_all(&b"1 2 3 4 5\n".repeat(200_000)).unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&end);
    let writer = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            log.write_all(&b"1 2 3 4 5\n".repeat(1000)).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let (files, _) = collected(&options(&tree));
    end.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let log = &files["monitor/eth0"];
    assert!(
        log.len() <= 512 << 10 && log.starts_with(b"1 2 3"),
        "{}",
        log.len()
    );
}

#[test]
fn names_of_the_machine_are_replaced_everywhere() {
    let (dir, tree) = two_nodes();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("HOME", "home")).unwrap();
    };
    write("etc/hostname", "probe7.example.lan\n");
    write("etc/hosts", "192.0.2.9 collector9\n");
    write(
        "etc/passwd",
        "root:x:0:0::/:\nmallory:x:1000:1000::/HOME/mallory:\n",
    );
    write("etc/resolv.conf", "search example.lan branch.test\n");
    write(
        "sys/class/net/enx0211aabbccdd/address",
        "02:11:aa:bb:cc:dd\n",
    );
    let config = "# probe7 of mallory, 192.0.2.7, 2001:db8::7, token=hunter2\n";
    write("etc/hpcap/hpcap.toml", config);
    write(
        "var/log/hpcap/events.jsonl",
        "{\"to\":\"collector9\",\"psk\":\"hunter2\"}\n",
    );
    write(
        "proc/cmdline",
        "root=/dev/nfs nfsroot=192.0.2.7:/HOME/mallory ip=branch.test\n",
    );
    write("data/mallory/1_eth0.raw", "");
    write(
        "proc/net/udp",
        "head\n 1: 070200C0:0035 090200C0:0000 07 0:0 0:0 0 0 0 1 2 3 4\n",
    );

    let (files, manifest) = collected(&options(&tree));
    let wanted = [
        "probe7",
        "example.lan",
        "branch.test",
        "collector9",
        "mallory",
        "192.0.2",
        "2001:db8",
        "0211aabbccdd",
        "02:11:aa",
        "hunter2",
        "070200C0",
    ];
    for (path, content) in &files {
        let text = format!("{path}\n{}", String::from_utf8_lossy(content)).to_lowercase();
        for word in wanted {
            assert!(
                !text.contains(&word.to_lowercase()),
                "{word} is in {path}: {text}"
            );
        }
    }
    assert!(files.contains_key("sys/class/net/mac-1/address"));
    assert_eq!(
        manifest.replaced["secret"], 1,
        "the same secret has the same name"
    );
    let log = String::from_utf8_lossy(&files["monitor/events.jsonl"]).into_owned();
    let config = String::from_utf8_lossy(&files["etc/hpcap/hpcap.toml"]).into_owned();
    assert!(
        log.contains("secret-1") && config.contains("secret-1"),
        "{log} {config}"
    );

    let mut plain = options(&tree);
    plain.redact = false;
    let (files, manifest) = collected(&plain);
    assert!(manifest.replaced.is_empty());
    assert_eq!(
        files["etc/hpcap/hpcap.toml"],
        b"# probe7 of mallory, 192.0.2.7, 2001:db8::7, token=hunter2\n"
    );
}

#[test]
fn unreadable_sources_are_named() {
    if nix::unistd::Uid::effective().is_root() {
        println!("skipped: root may read everything");
        return;
    }
    let (dir, tree) = two_nodes();
    let file = dir.path().join("proc/interrupts");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    let (_, manifest) = collected(&options(&tree));
    assert!(why(&manifest, "proc/interrupts").contains("Permission denied"));
}

#[test]
fn stopped_collection_leaves_nothing() {
    let (_dir, tree) = two_nodes();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("x.tar.gz");
    let stopped = options(&tree);
    let mut archive = Archive::create(&path, "x").unwrap();
    let mut told = 0;
    let stop = Arc::clone(&stopped.stop);
    let error = collect(&stopped, &mut archive, &mut |_| {
        told += 1;
        stop.store(told == 3, Ordering::Relaxed);
    });
    assert_eq!(error.unwrap_err().kind(), hpcap::Kind::Killed);
    assert_eq!(names(out.path()), ["x.tar.gz.part"]);
    drop(archive);
    assert!(names(out.path()).is_empty());
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hpcap-diag"))
}

#[test]
fn tarball_of_this_machine_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar.gz");
    let collect = || {
        let mut command = program();
        command
            .args(["collect", "--interval", "0s", "-o"])
            .arg(&path);
        command.output().unwrap()
    };
    let done = collect();
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    let mut settings = printed::settings();
    // What is replaced, and what cannot be read, differs between machines.
    settings.add_filter(r"(?m)^  (replaced: |could not be read: |  ).*\n", "");
    settings.add_filter(r"\d+ files", "[COUNT] files");
    settings.add_filter(r"[\d.]+ [KM]iB", "[SIZE]");
    settings.add_filter(r"[\d.]+ s\b", "[TIME]");
    let _filters = settings.bind_to_scope();
    insta::assert_snapshot!("collected", said);
    assert_eq!(names(dir.path()), ["x.tar.gz"]);
    let mut tar = tar::Archive::new(GzDecoder::new(fs::File::open(&path).unwrap()));
    let mut last = String::new();
    let mut about = String::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        assert!(entry.header().entry_type().is_file());
        last = entry.path().unwrap().to_string_lossy().into_owned();
        assert!(last.starts_with("hpcap-diag-"), "{last}");
        if last.ends_with("/about.json") {
            entry.read_to_string(&mut about).unwrap();
        }
    }
    assert!(last.ends_with("/manifest.json"), "{last}");
    assert!(about.contains("\"redacted\": true"), "{about}");

    let again = collect();
    assert_eq!(again.status.code(), Some(1));
    insta::assert_snapshot!("existing_file", String::from_utf8(again.stderr).unwrap());
}

#[test]
fn signal_ends_a_collection_without_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    command
        .current_dir(dir.path())
        .args(["collect", "--interval", "1h"]);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    testkit::wait::wait_until("a tarball is under way", || !names(dir.path()).is_empty());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(names(dir.path()).is_empty());
}

#[test]
fn time_limit_ends_a_collection_whole() {
    let (_dir, tree) = two_nodes();
    let mut options = options(&tree);
    options.time_limit = Duration::ZERO;
    let began = Instant::now();
    let (files, manifest) = collected(&options);
    assert!(files.contains_key("about.json") && files.contains_key("manifest.json"));
    assert!(
        manifest.missing.iter().all(|m| m.why.contains("time")),
        "{began:?}"
    );
}

#[test]
fn wrong_usage_is_refused() {
    let cases: [&[&str]; 5] = [
        &[],
        &["collect", "--redact", "maybe"],
        &["collect", "--interval", "2h"],
        &["collect", "--no-redact"],
        &["collect", "-o", "/no/such/folder/x"],
    ];
    let runs = cases.map(|args| {
        let ended = program().args(args).output().unwrap();
        let printed = testkit::process::transcript(&ended);
        format!("$ hpcap-diag {}\n{printed}", args.join(" "))
    });
    insta::assert_snapshot!("wrong_usage", runs.join("\n"));
}
