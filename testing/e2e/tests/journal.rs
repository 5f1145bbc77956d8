//! What the journal of systemd gets from `hpcap-monitor`: a journald of the test's own, which only the test sees.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::process::{Process, events, run};
use testkit::wait::wait_until;
use testkit::{is_root_or_skips, skip};

const JOURNALD: &str = "/lib/systemd/systemd-journald";
/// The journal reads neither the log of the kernel nor what its auditing says, which belong to the machine.
const SETTINGS: &str = "[Journal]\nReadKMsg=no\nAudit=no\nStorage=volatile\n";

/// Starts journald in folders that only this thread and its children see; they end with it.
fn start_journald() -> Process {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let (nothing, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    mount(nothing, "/", nothing, private, nothing).unwrap();
    mount(nothing, "/run", Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
    let settings = Path::new("/run/systemd/journald.conf.d");
    fs::create_dir_all(settings).unwrap();
    fs::create_dir_all("/run/log/journal").unwrap();
    fs::write(settings.join("test.conf"), SETTINGS).unwrap();
    let mut command = Command::new(JOURNALD);
    let journald = Process::spawn(command.env_remove("NOTIFY_SOCKET"));
    wait_until("the socket of the journal", || {
        UnixStream::connect("/run/systemd/journal/stdout").is_ok()
    });
    journald
}

/// Connects an output to the journal as the service manager does, and returns it with its name for `JOURNAL_STREAM`.
fn connect() -> (OwnedFd, String) {
    let mut stream = UnixStream::connect("/run/systemd/journal/stdout").unwrap();
    // Identifier, unit, level of lines without one (6, information), whether lines may begin with their level, and
    // whether to forward them to syslog, the kernel and the console.
    stream
        .write_all(b"hpcap-monitor\n\n6\n1\n0\n0\n0\n")
        .unwrap();
    let stream = OwnedFd::from(stream);
    let found = File::from(stream.try_clone().unwrap()).metadata().unwrap();
    (stream, format!("{}:{}", found.dev(), found.ino()))
}

/// Level and text of each entry that the monitor has made.
fn entries() -> Vec<(String, String)> {
    let mut command = Command::new("journalctl");
    command.args([
        "--directory",
        "/run/log/journal",
        "--no-pager",
        "-o",
        "json",
    ]);
    let found = run(command.args(["--identifier", "hpcap-monitor"])).out;
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    events(&found)
        .map(|entry| (text(&entry, "PRIORITY"), text(&entry, "MESSAGE")))
        .collect()
}

fn monitor(lab: &Lab) -> Command {
    let mut command = lab.tool("hpcap-monitor");
    command.args([
        "run",
        "--interval",
        "100ms",
        "--listen",
        "127.0.0.1:0",
        "--basedir",
        "log",
    ]);
    command
}

#[test]
fn events_are_in_the_journal_with_their_level() {
    if !is_root_or_skips("a journal that only the test sees") {
        return;
    }
    if !Path::new(JOURNALD).exists() {
        return skip("systemd-journald is not installed");
    }
    // The mounts are those of one thread.
    let test = std::thread::spawn(|| {
        let lab = Lab::new();
        let journald = start_journald();
        let (stream, name) = connect();
        let mut command = monitor(&lab);
        command.env("JOURNAL_STREAM", &name);
        let log = Stdio::from(stream.as_fd().try_clone_to_owned().unwrap());
        let monitor = Process::spawn_to(&mut command, Stdio::null(), log);
        let source = "gen:size=100,rate=10000pps,late=delay";
        let daemon = Daemon::start(&lab, &["--ring", "1M", source]);
        let recorder = lab.recorder(&["hpcap0", "out"]);
        recorder.signal(Signal::SIGSTOP);
        let find = |text: &str| {
            entries()
                .into_iter()
                .find(|(_, found)| found.contains(text))
        };
        wait_until("a loss in the journal", || find("loses frames").is_some());
        let _ = daemon.process.kill();
        wait_until("a failure in the journal", || find("has failed").is_some());
        let ended = monitor.interrupt().exits(0);
        assert_eq!(ended.err, "");
        let (level, text) = find("loses frames").unwrap();
        // Errors are 3, warnings 4 (syslog(3)).
        assert_eq!((level.as_str(), text.contains('<')), ("4", false), "{text}");
        assert!(text.starts_with("hpcap0 loses frames"), "{text}");
        assert_eq!(find("has failed").unwrap().0, "3");
        let begin = entries().remove(0);
        assert_eq!(begin.0, "6", "{begin:?}");
        drop(recorder);
        drop(journald);
    });
    if let Err(panic) = test.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn levels_are_only_for_the_journal() {
    let lab = Lab::new();
    // A shell in a service has inherited the name of the service's stream, and sends the output elsewhere.
    let mut command = monitor(&lab);
    let mut monitor = Process::spawn(command.env("JOURNAL_STREAM", "8:4711"));
    monitor.wait_for("hpcap-monitor: ");
    let said = monitor.interrupt().exits(0).err;
    assert!(!said.contains("<6>"), "{said}");
}
