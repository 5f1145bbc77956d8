//! `hpcap-diag profile` of a daemon and a recorder that run.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use hpcap_e2e::daemon::{Daemon, on_the_wire};
use hpcap_e2e::lab::Lab;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::is_root_or_skips;
use testkit::process::{Process, run};
use testkit::wait::wait_until;

/// A user without any rights.
const NOBODY: u32 = 65534;

fn profile(lab: &Lab, args: &[&str]) -> Command {
    let mut command = lab.tool("hpcap-diag");
    command.arg("profile").args(args);
    command
}

/// Profiles as JSON, again and again until `is_enough`: on a busy machine, a thread may have run too rarely.
fn profile_until(lab: &Lab, args: &[&str], is_enough: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    wait_until("the threads have run", || {
        let done = run(profile(lab, args).arg("--json")).exits(0);
        last = serde_json::from_str(&done.out).unwrap();
        is_enough(&last)
    });
    last
}

/// The threads of process `pid`.
fn threads_of(profile: &Value, pid: u32) -> Vec<&Value> {
    let threads = profile["threads"].as_array().unwrap();
    threads
        .iter()
        .filter(|thread| thread["pid"] == pid)
        .collect()
}

fn samples(thread: &Value) -> u64 {
    thread["samples"].as_u64().unwrap()
}

/// Samples of the functions of `thread` for which `wanted` holds.
fn samples_where(thread: &Value, wanted: impl Fn(&Value) -> bool) -> u64 {
    let functions = thread["functions"].as_array().unwrap();
    functions
        .iter()
        .filter(|function| wanted(function))
        .map(samples)
        .sum()
}

/// Profiles `daemon` until its poll thread has enough samples, and returns them.
fn poll_thread(lab: &Lab, pid: u32, args: &[&str]) -> (Value, Value) {
    let wanted = |profile: &Value| {
        let poll = |thread: &&&Value| {
            thread["thread"]
                .as_str()
                .unwrap()
                .contains("thread poll hpcap0 (")
        };
        threads_of(profile, pid)
            .iter()
            .find(poll)
            .map(|thread| (*thread).clone())
    };
    let profile = profile_until(lab, args, |profile| {
        wanted(profile).is_some_and(|thread| samples(&thread) >= 50)
    });
    let thread = wanted(&profile).unwrap();
    (profile, thread)
}

#[test]
fn poll_thread_and_recorder_are_profiled() {
    if !is_root_or_skips("samples of the kernel") {
        return;
    }
    let lab = Lab::new();
    // The daemon makes and copies frames as fast as it can; the recorder is lossy, so that it never stops the daemon.
    let daemon = Daemon::start(&lab, &["--ring", "16M", "gen:size=1514"]);
    let recorder = lab.recorder(&["hpcap0", "null", "--contract", "lossy"]);
    let (daemon_pid, recorder_pid) = (daemon.process.pid(), recorder.pid());
    let pids = [daemon_pid.to_string(), recorder_pid.to_string()];
    let args = [
        "2",
        "--frequency",
        "4999",
        "--pid",
        &pids[0],
        "--pid",
        &pids[1],
    ];

    let (profile, poll) = poll_thread(&lab, daemon_pid, &args);
    assert_eq!(profile["lost"], 0, "{profile}");
    let named = samples_where(&poll, |function| {
        function["module"] == "hpcapd" && !function["function"].as_str().unwrap().starts_with("0x")
    });
    let of_library = samples_where(&poll, |function| {
        function["module"].as_str().unwrap().starts_with("libc")
    });
    assert!(
        (named + of_library) * 2 > samples(&poll) && named > 0,
        "most samples are in functions of hpcapd and in the memcpy of libc: {poll:#}"
    );
    let in_kernel = samples_where(&poll, |function| function["function"] == "(hidden)");
    assert_eq!(in_kernel, 0, "{poll:#}");
    profile_until(&lab, &args, |profile| {
        threads_of(profile, recorder_pid)
            .iter()
            .any(|thread| samples(thread) > 0)
    });
}

#[test]
fn profile_is_drawn_and_ends_at_a_signal() {
    if !is_root_or_skips("samples of the kernel") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "16M", "gen:size=1514"]);
    // Without a listener, the generator waits.
    let recorder = lab.recorder(&["hpcap0", "null", "--contract", "lossy"]);
    let pid = daemon.process.pid().to_string();
    let args = [
        "1h", "--pid", &pid, "--flame", "a.svg", "--folded", "a.folded",
    ];
    // A part of a file is there from the start, so that nobody profiles for an hour in vain.
    let mut running = Process::spawn(&mut profile(&lab, &args));
    running.wait_for("profiling hpcapd");
    assert!(lab.path("a.svg.part").exists() && !lab.path("a.svg").exists());
    let made = || on_the_wire(&daemon.status("hpcap0")["ledger"]);
    let before = made();
    wait_until("the daemon has made frames", || made() > before + 100_000);
    drop(recorder);
    running.signal(Signal::SIGINT);
    let done = running.wait().exits(0);
    assert!(done.out.contains("thread poll hpcap0 ("), "{}", done.out);
    let folded = fs::read_to_string(lab.path("a.folded")).unwrap();
    let poll = format!("hpcapd {pid}, thread poll hpcap0 (");
    assert!(
        folded.lines().any(|line| line.starts_with(&poll)),
        "{folded}"
    );
    let svg = fs::read_to_string(lab.path("a.svg")).unwrap();
    assert!(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("thread poll hpcap0"), "{svg}");
    assert!(!lab.path("a.svg.part").exists());

    let again = run(&mut profile(&lab, &["1", "--flame", "a.svg"])).exits(1);
    assert!(
        again.err.contains("there is a file of that name"),
        "{}",
        again.err
    );
}

#[test]
fn profile_that_cannot_be_says_why() {
    let lab = Lab::new();
    // Larger than any number of a process.
    let done = run(&mut profile(&lab, &["1", "--pid", "2000000000"])).exits(1);
    assert!(
        done.err.contains("no process has this number"),
        "{}",
        done.err
    );
    let done = run(&mut profile(&lab, &["0"])).exits(2);
    assert!(done.err.contains("expected a time above 0"), "{}", done.err);
    if !is_root_or_skips("a user without rights") {
        return;
    }
    // The first process belongs to root, so a user without rights may not see what it does.
    let mut command = Command::new(lab.copy_of_program("hpcap-diag"));
    command
        .args(["profile", "1", "--pid", "1"])
        .uid(NOBODY)
        .gid(NOBODY);
    fs::set_permissions(lab.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let done = run(command.current_dir("/")).exits(1);
    assert!(
        done.err.contains("kernel.perf_event_paranoid is") && done.err.contains("run it as root"),
        "{}",
        done.err
    );
}
