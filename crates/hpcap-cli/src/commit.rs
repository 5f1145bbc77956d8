//! Finds the commit of the built sources. The build script and the tests use this module.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Number of digits shown of a commit: as many as git shows in a large repository.
const DIGITS: usize = 12;

/// Patterns for the files from which a program is built.
const SOURCES: [&str; 5] = ["*.rs", "*.c", "*.h", "*Cargo.toml", "Cargo.lock"];

/// Returns `commit 0123456789ab`, followed by `and changes` when files differ from that commit.
///
/// `given` is the commit that the builder specified (the variable `HPCAP_COMMIT`). `archive` is the
/// content of the file into which `git archive` writes the commit. `root` is the top folder of the
/// sources, whose repository is asked last. Returns `None` when none of the three knows the commit,
/// as in a tarball of another origin.
pub(crate) fn find(given: &str, archive: &str, root: &Path) -> Option<String> {
    let known = |text: &str| {
        let text = text.trim();
        let is_commit = text.len() >= 7 && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_commit.then(|| format!("commit {}", &text[..text.len().min(DIGITS)]))
    };
    known(given).or_else(|| known(archive)).or_else(|| {
        let commit = known(&git(root, &["rev-parse", "HEAD"])?)?;
        let status = ["status", "--porcelain", "--untracked-files=no", "--"];
        let changed = git(root, &[&status[..], &SOURCES[..]].concat())?;
        Some(match changed.is_empty() {
            true => commit,
            false => format!("{commit} and changes"),
        })
    })
}

/// Returns the files whose changes can change the result of [`find`].
pub(crate) fn files_that_decide(root: &Path) -> Vec<PathBuf> {
    let Some(sources) = git(root, &[&["ls-files", "--"], &SOURCES[..]].concat()) else {
        return Vec::new();
    };
    let mut names: Vec<String> = sources.lines().map(str::to_owned).collect();
    // HEAD names a branch. The folder of all branches is included, because a packed branch has no
    // file of its own.
    for name in ["HEAD", "packed-refs", "refs/heads", "index"] {
        names.extend(git(root, &["rev-parse", "--git-path", name]));
    }
    let paths = names.iter().map(|name| root.join(name.trim()));
    paths.filter(|path| path.exists()).collect()
}

/// Runs git in the repository whose top folder is `root`; returns `None` when there is no such
/// repository. A repository that merely contains `root`, such as one in a home folder, says nothing
/// about these sources.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let ask = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(arguments)
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then_some(text)
    };
    let top = ask(&["rev-parse", "--show-toplevel"])?;
    let same = Path::new(top.trim()).canonicalize().ok()? == root.canonicalize().ok()?;
    same.then(|| ask(arguments)).flatten()
}
