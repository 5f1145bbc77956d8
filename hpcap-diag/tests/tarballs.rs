//! Tarballs that are cut, changed or made to do harm.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod printed;
mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use hpcap_diag::bundle::Bundle;
use proptest::prelude::*;
use support::{add, change, healthy, pack};
use tar::{Builder, EntryType, Header};

fn tarball(more: impl FnOnce(&mut Builder<GzEncoder<Vec<u8>>>)) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar.gz");
    pack(&healthy(), &path, more);
    (dir, path)
}

fn complaints(path: &Path) -> String {
    Bundle::open(path).unwrap().complaints.join("\n")
}

#[test]
fn paths_out_of_the_folder_are_left_out() {
    let names = [
        "x/../../etc/cron.d/x",
        "/etc/passwd",
        "../x",
        "x/./../../y",
        "x",
    ];
    let (dir, path) = tarball(|tar| names.iter().for_each(|name| add(tar, name, b"evil")));
    let bundle = Bundle::open(&path).unwrap();
    assert!(
        bundle
            .paths()
            .all(|name| bundle.bytes(name).unwrap() != b"evil")
    );
    insta::assert_snapshot!("paths_out_of_the_folder", bundle.complaints.join("\n"));
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing is unpacked"
    );
}

#[test]
fn links_are_left_out() {
    let (_dir, path) = tarball(|tar| {
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Fifo,
            EntryType::Char,
        ] {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            tar.append_link(&mut header, "x/proc/stat", "/etc/shadow")
                .unwrap();
        }
        // A name that is longer than the header has room for stands in an entry before its own.
        let mut header = Header::new_gnu();
        header.set_size(4);
        tar.append_data(
            &mut header,
            format!("x/{}", "long/".repeat(60)),
            &b"evil"[..],
        )
        .unwrap();
    });
    let bundle = Bundle::open(&path).unwrap();
    assert!(bundle.bytes("proc/stat").is_none());
    insta::assert_snapshot!("links", bundle.complaints.join("\n"));
}

#[test]
fn bomb_is_read_only_to_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar.gz");
    let mut gzip = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
    let mut head = Builder::new(Vec::new());
    add(
        &mut head,
        "x/about.json",
        healthy().bytes("about.json").unwrap(),
    );
    gzip.write_all(head.get_ref()).unwrap();
    let mut header = Header::new_ustar();
    header.set_path("x/manifest.json").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    gzip.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..400).for_each(|_| gzip.write_all(&zeros).unwrap());
    gzip.finish().unwrap();
    insta::assert_snapshot!("bomb", complaints(&path));
}

#[test]
fn many_large_files_are_left_out() {
    let (_dir, path) = tarball(|tar| {
        let large = vec![b' '; 8 << 20];
        (0..16).for_each(|n| add(tar, &format!("x/proc/large{n}"), &large));
    });
    let bundle = Bundle::open(&path).unwrap();
    let kept: usize = bundle
        .paths()
        .map(|name| bundle.bytes(name).unwrap().len())
        .sum();
    assert!(kept <= 64 << 20, "{kept}");
    insta::assert_snapshot!("many_large_files", bundle.complaints.join("\n"));
}

#[test]
fn cut_tarball_is_read_up_to_the_cut() {
    let (_dir, path) = tarball(|_| {});
    let whole = fs::read(&path).unwrap();
    for length in [whole.len() - 1, whole.len() - 30, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        let said = complaints(&path);
        assert!(
            said.contains("cannot be read") || said.is_empty(),
            "{length}: {said}"
        );
    }
    fs::write(&path, &whole[..40]).unwrap();
    assert!(Bundle::open(&path).is_err());
}

#[test]
fn changed_file_is_named() {
    let (_dir, path) = tarball(|tar| add(tar, "x/proc/added", b"x"));
    insta::assert_snapshot!("added_file", complaints(&path));
    let (_dir, path) = tarball(|tar| add(tar, "x/clock.json", b"{}"));
    insta::assert_snapshot!("file_that_is_there_twice", complaints(&path));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar.gz");
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let bundle = healthy();
    add(
        &mut tar,
        "x/about.json",
        bundle.bytes("about.json").unwrap(),
    );
    add(&mut tar, "x/clock.json", b"{}");
    let manifest = serde_json::to_vec(&support::manifest(&bundle)).unwrap();
    add(&mut tar, "x/manifest.json", &manifest);
    fs::write(&path, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    insta::assert_snapshot!("changed_file", complaints(&path));
}

fn program(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hpcap-diag"));
    let output = command.args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    fs::write(at("text"), "this is no tarball").unwrap();
    fs::write(at("empty"), "").unwrap();
    nix::unistd::mkfifo(
        dir.path().join("pipe").as_path(),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    let refusals = ["text", "empty", "pipe", "missing", "."].map(|name| {
        let (code, said) = program(&["read", &at(name)]);
        assert_eq!(code, Some(1), "{name}: {said}");
        said
    });
    let _filters = printed::settings().bind_to_scope();
    insta::assert_snapshot!("other_files", refusals.concat());
    assert_eq!(program(&["read"]).0, Some(2));
    assert_eq!(program(&["diff", "one"]).0, Some(2));
}

#[test]
fn two_tarballs_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut changed = healthy();
    support::change(
        &mut changed,
        "proc/sys/net/core/rmem_max = 1\nclock.json#/synchronised = false",
    );
    pack(&healthy(), &at("a"), |_| {});
    pack(&changed, &at("b"), |_| {});
    let mut command = Command::new(env!("CARGO_BIN_EXE_hpcap-diag"));
    command.current_dir(dir.path()).args(["diff", "a", "b"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn running_system_is_judged() {
    let (_, said) = program(&["now", "--interval", "0s"]);
    assert!(said.contains("this machine: "), "{said}");
    // Whatever is wrong with the machine of the test.
    let (code, said) = program(&["now", "--interval", "0s", "--json"]);
    let is_bad = said.contains("\"level\":\"problem\"");
    assert_eq!(code, Some(i32::from(is_bad)), "{said}");
}

#[test]
fn problem_is_in_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("probe.tar.gz");
    let file = path.display().to_string();
    let lost = "later/queues.json#/queues/0/report/ledger/ring_full/frames = 500";
    let untidy = "interfaces.json#/0/gro = true\nlater/interfaces.json#/0/gro = true";
    for (changes, level, expected) in [
        ("", "nothing found", 0),
        (untidy, "1 warning,", 0),
        (lost, "1 problem,", 1),
    ] {
        let mut bundle = healthy();
        change(&mut bundle, changes);
        pack(&bundle, &path, |_| {});
        let (code, said) = program(&["read", &file]);
        assert!(said.contains(level), "{said}");
        assert_eq!(code, Some(expected), "{said}");
        std::fs::remove_file(&path).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_tarball_does_no_harm(at in 0_usize..20_000, byte in any::<u8>(), packed in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.tar.gz");
        let mut tar = Builder::new(Vec::new());
        let bundle = healthy();
        for name in bundle.paths() {
            add(&mut tar, &format!("x/{name}"), bundle.bytes(name).unwrap());
        }
        let mut bytes = tar.into_inner().unwrap();
        let pack = |bytes: &[u8]| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(bytes).unwrap();
            gzip.finish().unwrap()
        };
        if packed {
            bytes = pack(&bytes);
        }
        let place = at % bytes.len();
        bytes[place] = byte;
        fs::write(&path, if packed { bytes } else { pack(&bytes) }).unwrap();
        if let Ok(bundle) = Bundle::open(&path) {
            let _ = hpcap_diag::rules::judge(&hpcap_diag::rules::all().unwrap(), &hpcap_diag::facts::Facts::of(&bundle));
        }
    }
}
