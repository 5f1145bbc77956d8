//! The commit that a build is of: the build script uses it, and the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of a commit that are shown: what git itself shows of a large repository.
const DIGITS: usize = 12;

/// The files that a program is built from.
const SOURCES: [&str; 5] = ["*.rs", "*.c", "*.h", "*Cargo.toml", "Cargo.lock"];

/// `commit 0123456789ab`, with `and changes` behind it where files differ from that commit.
///
/// `given` is what the builder says (the variable `HPCAP_COMMIT`); `archive` is the file that `git
/// archive` writes the commit into; `root` is the top of the sources, asked last. `None` where none
/// of the three knows: a tarball of another origin.
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

/// The files after whose change [`find`] can give another answer.
pub(crate) fn files_that_decide(root: &Path) -> Vec<PathBuf> {
    let Some(sources) = git(root, &[&["ls-files", "--"], &SOURCES[..]].concat()) else {
        return Vec::new();
    };
    let mut names: Vec<String> = sources.lines().map(str::to_owned).collect();
    // Where HEAD points to; all branches, since a packed one has no file of its own.
    for name in ["HEAD", "packed-refs", "refs/heads", "index"] {
        names.extend(git(root, &["rev-parse", "--git-path", name]));
    }
    let paths = names.iter().map(|name| root.join(name.trim()));
    paths.filter(|path| path.exists()).collect()
}

/// What git answers about the repository whose top is `root`; `None` where there is no such
/// repository. One that only contains `root`, as somebody's home folder may be, says nothing about it.
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
