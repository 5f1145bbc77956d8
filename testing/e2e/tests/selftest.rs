//! `hpcapctl selftest` with the built programs, and with programs that are broken.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use hpcap_e2e::lab::Lab;
use serde_json::Value;
use testkit::process::{run, write_program};

/// A folder with the programs, one of which `broken` replaces with a script.
fn programs(lab: &Lab, broken: Option<(&str, &str)>) -> PathBuf {
    let folder = lab.path("programs");
    fs::create_dir(&folder).unwrap();
    for name in ["hpcapd", "hpcapdd", "checkraw"] {
        let path = folder.join(name);
        match broken {
            Some((which, script)) if which == name => {
                let tool = lab.tool(name);
                let real = tool.get_program().to_str().unwrap();
                let text = format!(
                    "#!/bin/sh\n[ \"$1\" = --version ] && exec {real} --version\n{}\n",
                    script.replace("REAL", real)
                );
                write_program(&path, text);
            }
            _ => symlink(lab.tool(name).get_program(), &path).unwrap(),
        }
    }
    folder
}

/// Runs the tests, and returns the exit code and the results.
fn selftest(lab: &Lab, programs: &PathBuf) -> (Option<i32>, Vec<Value>) {
    let mut command = lab.tool("hpcapctl");
    command.args([
        "selftest",
        "--json",
        "--config",
        "/nonexistent/hpcap.toml",
        "--programs",
    ]);
    let done = run(command.arg(programs).arg("--dir").arg(lab.path("")));
    let results = done
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (done.code(), results.collect())
}

fn state<'a>(results: &'a [Value], test: &str) -> &'a Value {
    let result = results.iter().find(|result| result["test"] == test);
    &result.unwrap_or_else(|| panic!("{test}: {results:?}"))["state"]
}

#[test]
fn built_programs_pass() {
    let lab = Lab::new();
    let programs = programs(&lab, None);
    let (code, results) = selftest(&lab, &programs);
    assert_eq!(code, Some(0), "{results:#?}");
    for test in ["programs", "rx", "store", "small-ring", "padding-edge"] {
        assert_eq!(state(&results, test), "pass", "{results:#?}");
    }
    assert_eq!(state(&results, "configuration"), "skipped");
    let left = fs::read_dir(lab.path("")).unwrap().flatten();
    let left = left.filter(|e| {
        e.file_name()
            .to_string_lossy()
            .starts_with("hpcap-selftest")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn recorder_that_loses_a_record_fails() {
    let lab = Lab::new();
    // The last 100 bytes of each file are missing when the recorder has ended.
    let script = "REAL \"$@\"; code=$?\nfor word; do [ -d \"$word\" ] && find \"$word\" -name '*.raw' -exec truncate -s -100 {} +; done\nexit $code";
    let programs = programs(&lab, Some(("hpcapdd", script)));
    let (code, results) = selftest(&lab, &programs);
    assert_eq!(code, Some(1), "{results:#?}");
    assert_eq!(state(&results, "rx"), "pass", "{results:#?}");
    for test in ["store", "small-ring", "padding-edge"] {
        assert_eq!(state(&results, test), "fail", "{results:#?}");
    }
}

#[test]
fn program_of_another_version_fails() {
    let lab = Lab::new();
    let programs = programs(&lab, None);
    let path = programs.join("checkraw");
    fs::remove_file(&path).unwrap();
    write_program(&path, "#!/bin/sh\necho checkraw 0.0.1\n");
    let (code, results) = selftest(&lab, &programs);
    assert_eq!(code, Some(1));
    let last = results.last().unwrap();
    assert_eq!(
        (&last["test"], &last["state"]),
        (&"programs".into(), &"fail".into())
    );
    assert!(
        last["found"]
            .as_str()
            .unwrap()
            .contains("checkraw is 0.0.1"),
        "{last}"
    );
}
