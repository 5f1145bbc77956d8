//! What the programs tell a service manager, which here is a datagram socket of the test.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use testkit::process::Process;
use testkit::thread::StoppedThread;
use testkit::wait::wait_until;

const SOURCE: &str = "gen:size=imix,rate=10M,late=delay";

/// Time that the watchdog allows. It is fed four times in this time.
const WATCHDOG_USEC: &str = "400000";

/// Time without a message after which the watchdog counts as not fed: ten times the interval.
const SILENCE: Duration = Duration::from_secs(1);

/// A service manager that only listens.
struct Manager(UnixDatagram);

impl Manager {
    fn new(lab: &Lab) -> Self {
        Self(UnixDatagram::bind(lab.path("notify")).unwrap())
    }

    /// Makes a program a service of this manager.
    fn supervise<'a>(&self, lab: &Lab, command: &'a mut Command) -> &'a mut Command {
        command
            .env("NOTIFY_SOCKET", lab.path("notify"))
            .env("WATCHDOG_USEC", WATCHDOG_USEC)
    }

    /// Returns the next message, or `None` when none comes within `limit`.
    fn next(&self, limit: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(limit)).unwrap();
        let mut buffer = [0; 1024];
        let length = self.0.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    }

    /// Waits for a message that contains `text`.
    fn wait_for(&self, text: &str) -> String {
        let mut found = None;
        wait_until(text, || {
            found = self.next(SILENCE).filter(|message| message.contains(text));
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until nothing has come for [`SILENCE`].
    fn wait_for_silence(&self) {
        wait_until("silence", || self.next(SILENCE).is_none());
    }
}

/// Stops the poll thread of `process`, and checks that the watchdog starves until it goes on.
fn check_that_watchdog_follows_poll_thread(manager: &Manager, process: &Process) {
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    let stopped = StoppedThread::stop(process.pid(), "poll hpcap0");
    manager.wait_for_silence();
    drop(stopped);
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
}

#[test]
fn daemon_reports_readiness_once_it_captures() {
    let lab = Lab::new();
    let manager = Manager::new(&lab);
    let mut command = lab.tool("hpcapd");
    command.args(["--ring", "4M", SOURCE]);
    let process = Process::spawn(manager.supervise(&lab, &mut command));
    let ready = manager.wait_for("READY=1");
    assert_eq!(
        ready,
        format!("READY=1\nSTATUS=serving hpcap0 from {SOURCE}")
    );
    assert!(lab.socket("hpcap0").exists());
    let _ = process.interrupt().exits(0);
    manager.wait_for("STOPPING=1");
}

#[test]
fn daemon_without_poll_thread_starves_watchdog() {
    let lab = Lab::new();
    let manager = Manager::new(&lab);
    let mut command = lab.tool("hpcapd");
    command.args(["--ring", "4M", SOURCE]);
    let process = Process::spawn(manager.supervise(&lab, &mut command));
    manager.wait_for("READY=1");
    check_that_watchdog_follows_poll_thread(&manager, &process);
    let _ = process.interrupt().exits(0);
}

#[test]
fn recorder_without_poll_thread_starves_watchdog() {
    let lab = Lab::new();
    let manager = Manager::new(&lab);
    let mut command = lab.tool("hpcapdd");
    command.args(["--source", SOURCE, "--ring", "4M", "raw"]);
    std::fs::create_dir(lab.path("raw")).unwrap();
    let process = Process::spawn(manager.supervise(&lab, &mut command));
    let ready = manager.wait_for("READY=1");
    assert!(ready.contains("STATUS=recording gen:"), "{ready}");
    check_that_watchdog_follows_poll_thread(&manager, &process);
    let _ = process.interrupt().exits(0);
    manager.wait_for("STOPPING=1");
}

#[test]
fn waiting_recorder_is_ready_before_its_queue() {
    let lab = Lab::new();
    let manager = Manager::new(&lab);
    let mut command = lab.tool("hpcapdd");
    command.args(["--wait", "hpcap0", "null"]);
    let recorder = Process::spawn(manager.supervise(&lab, &mut command));
    let ready = manager.wait_for("READY=1");
    assert!(ready.contains("STATUS=waiting: "), "{ready}");
    manager.wait_for("WATCHDOG=1");
    // The daemon is another service: its state must not matter to the watchdog of the recorder.
    for _ in 0..2 {
        let daemon = Daemon::start(&lab, &["--ring", "4M", SOURCE]);
        manager.wait_for("STATUS=recording hpcap0 to null");
        let stopped = StoppedThread::stop(daemon.process.pid(), "poll hpcap0");
        for _ in 0..20 {
            manager.wait_for("WATCHDOG=1");
        }
        drop(stopped);
        let _ = daemon.stop().exits(0);
        manager.wait_for("STATUS=waiting: ");
    }
    let _ = recorder.interrupt().exits(0);
}
