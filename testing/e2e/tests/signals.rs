//! Effects of signals on daemon and recorder, with and without a terminal.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::terminal::{in_terminal, terminal};
use nix::sys::signal::Signal;
use testkit::process::{Process, events};
use testkit::wait::wait_until;

const RATE: &str = "gen:size=imix,rate=50M,late=delay";

/// Runs `command` in a new session without a terminal.
fn without_terminal(command: &mut Command) {
    // SAFETY: between fork and exec only setsid(2) is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| match libc::setsid() {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

#[test]
fn daemon_ends_with_its_terminal() {
    let lab = Lab::new();
    let (master, slave) = terminal();
    let mut command = lab.tool("hpcapd");
    in_terminal(command.args(["--json", "--ring", "4M", RATE]), &slave);
    let mut daemon = Process::spawn(&mut command);
    daemon.wait_for("serving");
    drop((master, slave));
    let _ = daemon.wait().exits(0).event("ended");
    assert!(!lab.socket("hpcap0").exists());
}

#[test]
fn daemon_ends_with_sighup() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    daemon.process.signal(Signal::SIGHUP);
    let _ = daemon.process.wait().exits(0).event("ended");
    assert!(!lab.socket("hpcap0").exists());
}

#[test]
fn recorder_ends_with_its_terminal() {
    let lab = Lab::new();
    let (master, slave) = terminal();
    let mut command = lab.tool("hpcapdd");
    in_terminal(command.args(["--json", "--source", RATE, "raw"]), &slave);
    let mut recorder = Process::spawn(&mut command);
    recorder.wait_for("\"event\":\"progress\"");
    drop((master, slave));
    let summary = recorder.wait().exits(0).event("summary");
    assert_eq!(summary["ended_by"], "signal");
}

/// Verifies that SIGHUP starts a second file and that the recording continues.
fn rotates(mut recorder: Process) {
    recorder.wait_for("\"event\":\"progress\"");
    recorder.signal(Signal::SIGHUP);
    recorder.wait_for("\"event\":\"file_complete\"");
    let files = recorder.interrupt().exits(0).event("summary")["files"].as_u64();
    assert_eq!(files, Some(2));
}

#[test]
fn sighup_rotates_without_a_terminal() {
    let lab = Lab::new();
    let mut command = lab.tool("hpcapdd");
    without_terminal(command.args(["--json", "--source", RATE, "raw"]));
    rotates(Process::spawn(&mut command));
}

#[test]
fn sighup_rotates_in_a_terminal() {
    let lab = Lab::new();
    let (_master, slave) = terminal();
    let mut command = lab.tool("hpcapdd");
    in_terminal(command.args(["--json", "--source", RATE, "raw"]), &slave);
    rotates(Process::spawn(&mut command));
}

#[test]
fn ignored_sighup_stays_ignored() {
    let lab = Lab::new();
    let daemon = lab.tool("hpcapd");
    let mut daemon = Process::spawn(
        lab.here(Path::new("sh"))
            .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
            .arg(daemon.get_program())
            .args(["--json", "--ring", "4M", RATE]),
    );
    daemon.wait_for("serving");
    daemon.signal(Signal::SIGHUP);
    daemon.signal(Signal::SIGUSR1);
    daemon.wait_for("statistics");
    assert!(daemon.is_running());
    let _ = daemon.interrupt().exits(0);
}

#[test]
fn sigusr1_prints_statistics() {
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    daemon.process.signal(Signal::SIGUSR1);
    daemon.process.wait_for("\"event\":\"statistics\"");
    let mut recorder = Process::spawn(lab.tool("hpcapdd").args(["hpcap0", "null"]));
    recorder.wait_for("recording");
    assert!(!recorder.err().contains(" wire "), "{}", recorder.err());
    recorder.signal(Signal::SIGUSR1);
    recorder.wait_for(" wire ");
    let _ = recorder.interrupt().exits(0);
    let _ = daemon.stop().exits(0);
}

#[test]
fn sigint_twice_at_once_is_one_request() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "16M", RATE]);
    let recorder = lab.recorder(&["hpcap0", "raw"]);
    wait_until("it records", || {
        events(&recorder.out()).any(|e| e["event"] == "progress")
    });
    // The recorder is stopped for a while, so that it has frames to store when it handles the
    // signals.
    recorder.signal(Signal::SIGSTOP);
    let lag = || daemon.listeners("hpcap0")[0]["lag_bytes"].as_u64().unwrap();
    wait_until("it has something to store", || lag() > 1 << 20);
    recorder.signal(Signal::SIGINT);
    recorder.signal(Signal::SIGTERM);
    recorder.signal(Signal::SIGCONT);
    let summary = recorder.wait().exits(0).event("summary");
    assert_eq!(summary["ended_by"], "signal");
    let _ = daemon.stop().exits(0);
}
