//! Tests which commit `--version` shows, with and without a repository.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../src/commit.rs"]
mod commit;

use std::path::Path;
use std::process::Command;

const NOT_SUBSTITUTED: &str = "$Format:%H$\n";

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(arguments)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output();
    let output = status.unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rs"), "fn main() {}\n").unwrap();
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "main.rs"]);
    git(folder.path(), &["commit", "-q", "-m", "first"]);
    folder
}

#[test]
fn version_has_the_commit_of_the_repository() {
    let folder = repository();
    let text = commit::find("", NOT_SUBSTITUTED, folder.path()).unwrap();
    let digits = text.strip_prefix("commit ").unwrap();
    assert_eq!(digits.len(), 12);
    assert!(digits.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
}

#[test]
fn version_shows_changed_sources() {
    let folder = repository();
    std::fs::write(folder.path().join("main.rs"), "fn main() { }\n").unwrap();
    let text = commit::find("", NOT_SUBSTITUTED, folder.path()).unwrap();
    assert!(text.ends_with(" and changes"), "{text}");
}

#[test]
fn version_has_the_commit_of_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let archive = "0123456789abcdef0123456789abcdef01234567\n";
    let text = commit::find("", archive, folder.path()).unwrap();
    assert_eq!(text, "commit 0123456789ab");
}

#[test]
fn builder_names_the_commit() {
    let folder = repository();
    let text = commit::find("abcdef0", NOT_SUBSTITUTED, folder.path()).unwrap();
    assert_eq!(text, "commit abcdef0");
}

#[test]
fn commit_of_a_surrounding_repository_is_not_taken() {
    let folder = repository();
    let inner = folder.path().join("hpcap-0.1.0");
    std::fs::create_dir(&inner).unwrap();
    assert_eq!(commit::find("", NOT_SUBSTITUTED, &inner), None);
    assert!(commit::files_that_decide(&inner).is_empty());
}

#[test]
fn sources_and_branches_decide() {
    let folder = repository();
    let files = commit::files_that_decide(folder.path());
    for name in ["main.rs", ".git/HEAD", ".git/refs/heads"] {
        assert!(
            files.contains(&folder.path().join(name)),
            "{name}: {files:?}"
        );
    }
}
