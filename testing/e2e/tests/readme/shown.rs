//! The output that README.md shows.

use std::fs;

use hpcap_e2e::lab::Lab;
use regex::Regex;
use testkit::process::run;

use crate::document::{README, shown};
use crate::job::bash;

/// Runs each "    $ COMMAND" of README.md. The command prints the lines below it; other lines may be between them.
pub(crate) fn check() {
    let lab = Lab::new();
    fs::create_dir(lab.path("tmp")).unwrap();
    let folder = lab.dir().display().to_string();
    let commands = shown(README);
    assert!(!commands.is_empty(), "README.md shows no command");
    for shown in commands {
        let command = shown.command.replace("/tmp/", &format!("{folder}/tmp/"));
        let done = run(&mut bash(&lab, &command)).exits(0);
        let printed = mask(&(done.out + &done.err), &folder);
        for line in shown.lines {
            assert!(
                printed.contains(mask(line, &folder).trim_end()),
                "{}: README.md shows a line that the command does not print: {line}\n{printed}",
                shown.command
            );
        }
    }
}

/// Replaces what differs from run to run: numbers, times, the prefixes of their units, the folder.
fn mask(text: &str, folder: &str) -> String {
    let mask_line = |line: &str| {
        [
            (r"[0-9][0-9.:TZ+-]*", "N"),
            (r"N [kMGTK]?(pps|b/s|B/s|iB|B)\b", "N $1"),
            (", whole.*", ""),
            (r",? ?\.\.\.$", ""),
        ]
        .iter()
        .fold(line.replace(folder, ""), |line, (pattern, by)| {
            Regex::new(pattern)
                .unwrap()
                .replace_all(&line, *by)
                .into_owned()
        })
    };
    text.lines().map(|line| mask_line(line) + "\n").collect()
}

#[test]
fn masked_lines_differ_only_in_words() {
    let line = |number, unit, end| {
        format!("file complete: /tmp/x/{number}_gen.raw ({number} {unit}B, 0.9 s){end}")
    };
    assert_eq!(
        mask(&line("17", "Mi", ", ..."), "/a"),
        mask(&line("4.25", "Gi", ""), "/a")
    );
    assert_eq!(mask("/lab/tmp/tour", "/lab"), mask("/tmp/tour", "/lab"));
    assert_ne!(mask("1 captured", ""), mask("1 ring_full", ""));
}
