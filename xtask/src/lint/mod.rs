//! Checks of what no compiler checks: shell scripts, paths of one machine in tracked files, white space at
//! the ends of lines, and whether the files and functions that documents name exist.

mod functions;
mod lines;
mod links;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A defect of a file in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Path of the file in the repository.
    pub file: String,
    /// Number of the line, from 1; `None` for a defect of the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Checks the tracked files of the repository `root`. What shellcheck finds is printed by shellcheck.
///
/// # Errors
/// When git or shellcheck cannot be run, or a tracked file cannot be read.
pub fn check(root: &Path) -> io::Result<Vec<Complaint>> {
    let mut complaints = Vec::new();
    let mut scripts = Vec::new();
    for file in tracked_files(root)? {
        // A tracked file may have been removed, but not yet from git; a link may lead to a folder.
        let Ok(bytes) = std::fs::read(root.join(&file)) else {
            continue;
        };
        // The rules are about text.
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        complaints.extend(lines::check(&file, &text));
        if file.ends_with(".md") {
            complaints.extend(links::check(root, &file, &text));
        }
        if file == functions::DOCUMENT {
            complaints.extend(functions::check(root, &text));
        }
        if is_shell(&file, &text) {
            scripts.push(file);
        }
    }
    complaints.extend(shellcheck(root, &scripts)?);
    Ok(complaints)
}

/// Returns the paths of the files that git tracks in `root`.
fn tracked_files(root: &Path) -> io::Result<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .map_err(|e| io::Error::new(e.kind(), format!("cannot run git: {e}")))?;
    if !listed.status.success() {
        let why = String::from_utf8_lossy(&listed.stderr);
        let where_ = root.display();
        return Err(io::Error::other(format!(
            "git cannot list the files of {where_}: {why}"
        )));
    }
    let names = String::from_utf8_lossy(&listed.stdout);
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

/// Whether a file is a shell script, by its name or by its first line.
fn is_shell(file: &str, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let interpreter = first.strip_prefix("#!").and_then(|line| {
        let words = line.split_whitespace();
        // "#!/usr/bin/env bash" names the shell in its second word.
        words
            .filter_map(|word| word.rsplit('/').next())
            .find(|word| *word != "env")
    });
    file.ends_with(".sh") || matches!(interpreter, Some("sh" | "bash"))
}

fn shellcheck(root: &Path, scripts: &[String]) -> io::Result<Option<Complaint>> {
    if scripts.is_empty() {
        return Ok(None);
    }
    let status = Command::new("shellcheck")
        .args(["--severity=style", "--external-sources"])
        .args(scripts.iter().map(PathBuf::from))
        .current_dir(root)
        .status()
        .map_err(|e| io::Error::new(e.kind(), format!("cannot run shellcheck: {e}")))?;
    Ok((!status.success()).then(|| Complaint {
        file: "shell scripts".into(),
        line: None,
        what: "shellcheck found the above".into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_is_known_by_name_or_first_line() {
        assert!(is_shell("scripts/a.sh", ""));
        assert!(is_shell("tool", "#!/bin/sh -e\n"));
        assert!(is_shell("tool", "#!/usr/bin/env bash\n"));
        assert!(!is_shell("tool.py", "#!/usr/bin/env python3\n"));
        assert!(!is_shell("A.md", "text\n#!/bin/sh\n"));
    }
}
