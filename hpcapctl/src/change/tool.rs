//! Programs of the system, which make the changes that the kernel's files cannot.

use std::process::Command;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};

/// Number of lines of a program's messages that an error repeats.
const LINES: usize = 5;

/// Runs a program, and returns what it wrote to standard output.
///
/// # Errors
/// The program is missing; or [`Kind::Io`] with its last messages if it fails.
pub(crate) fn run_tool(program: &str, arguments: &[&str]) -> Result<String> {
    let tried = || format!("run {program} {}", arguments.join(" "));
    let done = Command::new(program)
        .args(arguments)
        .output()
        .context(tried)?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(said);
    }
    let said = said + &String::from_utf8_lossy(&done.stderr);
    let why = match last_lines(&said, LINES) {
        why if why.is_empty() => done.status.to_string(),
        why => why,
    };
    Err(Error::new(Kind::Io, tried(), why))
}

/// The last `count` lines of `text` that are not empty.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_has_the_last_messages() {
        assert_eq!(run_tool("echo", &["done"]).unwrap(), "done\n");
        let script = "for n in 1 2 3 4 5 6; do echo line $n; done; echo; echo reason >&2; exit 3";
        let error = run_tool("sh", &["-c", script]).unwrap_err().to_string();
        assert!(
            error.contains("reason") && error.contains("line 6"),
            "{error}"
        );
        assert!(!error.contains("line 2"), "{error}");
        let silent = run_tool("sh", &["-c", "exit 3"]).unwrap_err();
        assert!(silent.to_string().contains("exit status: 3"), "{silent}");
    }
}
