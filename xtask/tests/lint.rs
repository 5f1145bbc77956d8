//! The check of texts, in repositories that are made for the tests.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use testkit::skip;
use xtask::lint;

/// Makes a repository that tracks these files, and returns what the check finds in it.
fn complaints(files: &[(&str, &str)]) -> Vec<String> {
    let root = repository(files);
    let found = lint::check(root.path()).unwrap();
    found.iter().map(ToString::to_string).collect()
}

fn repository(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for arguments in [&["init", "-q", "."][..], &["add", "."]] {
        let mut git = Command::new("git");
        let status = git.args(arguments).current_dir(root.path()).status();
        assert!(status.unwrap().success());
    }
    root
}

#[test]
fn clean_repository_passes() {
    let files = [("A.md", "See [B](docs/b.md).\n"), ("docs/b.md", "text\n")];
    assert_eq!(complaints(&files), [""; 0]);
}

#[test]
fn every_kind_of_defect_is_found() {
    let files = [
        ("A.md", "[gone](docs/gone.md)\n"),
        ("b.txt", "a line \n"),
        ("docs/life-of-a-frame.md", "calls c.rs:gone\n"),
    ];
    assert_eq!(
        complaints(&files),
        [
            "A.md:1: links to docs/gone.md, which is not there",
            "b.txt:1: white space at the end of the line",
            "docs/life-of-a-frame.md: names c.rs:gone, which is not there",
        ]
    );
}

#[test]
fn untracked_file_is_not_checked() {
    let root = repository(&[("a.txt", "text\n")]);
    fs::write(root.path().join("b.txt"), "a line \n").unwrap();
    assert_eq!(lint::check(root.path()).unwrap(), []);
}

#[test]
fn bad_shell_is_found() {
    if Command::new("shellcheck")
        .arg("--version")
        .output()
        .is_err()
    {
        return skip("checking shell scripts takes shellcheck");
    }
    let found = complaints(&[("tool", "#!/bin/sh\nrm -rf $1/*\n")]);
    assert_eq!(found, ["shell scripts: shellcheck found the above"]);
}

#[test]
fn folder_without_repository_is_named() {
    let root = tempfile::tempdir().unwrap();
    let error = lint::check(root.path()).unwrap_err().to_string();
    assert!(
        error.contains(&root.path().display().to_string()),
        "{error}"
    );
}
