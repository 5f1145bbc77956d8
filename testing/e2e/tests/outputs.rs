//! Outputs of daemon and recorder that cannot be written: nobody reads them, the disk is full, or
//! the stream is closed. The programs capture nevertheless, and obey signals.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use hpcap::Reason;
use hpcap_e2e::daemon::{frames, status};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::recording::{files, generated};
use nix::sys::signal::Signal;
use testkit::process::{Process, run};
use testkit::wait::wait_until;

const RATE: &str = "gen:size=imix,rate=50M,late=delay";

/// Number of reports that a program is asked for, which exceeds the capacity of its message queue.
const ASKED: usize = 3000;

/// A stream that cannot be written.
#[derive(Debug, Clone, Copy)]
enum Bad {
    /// A full pipe whose reader does not read.
    Unread,
    /// A pipe whose reader has closed it.
    Broken,
    /// A file on a full disk.
    Full,
}

const BAD: [Bad; 3] = [Bad::Unread, Bad::Broken, Bad::Full];

impl Bad {
    /// Returns the stream and, for a full pipe, the read end, which must stay open.
    fn stream(self) -> (Stdio, Option<OwnedFd>) {
        match self {
            Self::Full => {
                let full = File::options().write(true).open("/dev/full").unwrap();
                (full.into(), None)
            }
            Self::Broken => {
                let (_, writer) = std::io::pipe().unwrap();
                (writer.into(), None)
            }
            Self::Unread => {
                let (reader, mut writer) = std::io::pipe().unwrap();
                let bytes = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETPIPE_SZ);
                let bytes = usize::try_from(bytes.unwrap()).unwrap();
                writer.write_all(&vec![b'.'; bytes]).unwrap();
                (writer.into(), Some(reader.into()))
            }
        }
    }
}

/// Starts `command` with `bad` as standard output and standard error.
fn spawn(command: &mut Command, bad: Bad) -> (Process, [Option<OwnedFd>; 2]) {
    let (out, keep_out) = bad.stream();
    let (err, keep_err) = bad.stream();
    let process = Process::spawn_to(command, out, err);
    (process, [keep_out, keep_err])
}

/// Asks `process` to print its statistics many times.
fn ask_for_statistics(process: &Process) {
    for _ in 0..ASKED {
        process.signal(Signal::SIGUSR1);
        std::thread::yield_now();
    }
}

fn daemon_survives(more: &[&str], bad: Bad) {
    let lab = Lab::new();
    let mut command = lab.tool("hpcapd");
    let (daemon, kept) = spawn(command.args(more).args(["--ring", "4M", RATE]), bad);
    wait_until("it serves", || lab.socket("hpcap0").exists());
    ask_for_statistics(&daemon);
    let recorder = lab.recorder(&["hpcap0", "null"]);
    let captured = || frames(&status(&lab, "hpcap0")["ledger"], Reason::Captured);
    let before = captured();
    wait_until("it captures", || captured() > before + 2000);
    daemon.signal(Signal::SIGTERM);
    let _ = daemon.wait().exits(0);
    assert!(!lab.socket("hpcap0").exists());
    let _ = recorder.wait().exits(1).says(&["was stopped"]);
    drop(kept);
}

#[test]
fn daemon_captures_with_unread_outputs() {
    for bad in BAD {
        daemon_survives(&[], bad);
        daemon_survives(&["--json"], bad);
    }
}

fn recorder_survives(more: &[&str], bad: Bad) {
    let lab = Lab::new();
    let mut command = lab.tool("hpcapdd");
    command.args(more).args(["--source", RATE, "raw"]);
    let (recorder, kept) = spawn(&mut command, bad);
    let stored = || {
        let files = lab.path("raw").exists().then(|| files(&lab.path("raw")));
        files.map_or(0, |files| generated(&files).frames)
    };
    wait_until("it records", || stored() > 0);
    ask_for_statistics(&recorder);
    let before = stored();
    wait_until("it goes on recording", || stored() > before + 1000);
    recorder.signal(Signal::SIGTERM);
    let _ = recorder.wait().exits(0);
    let files = files(&lab.path("raw"));
    assert!(files.iter().all(|f| f.extension().unwrap() == "raw"));
    drop(kept);
}

#[test]
fn recorder_records_with_unread_outputs() {
    for bad in BAD {
        recorder_survives(&["--progress"], bad);
        recorder_survives(&["--json"], bad);
    }
}

#[test]
fn closed_streams_stop_no_program() {
    let lab = Lab::new();
    let mut command = lab.tool("hpcapdd");
    command.args(["--source", "gen:size=60,count=10000", "raw"]);
    // SAFETY: between fork and exec only close(2) is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::close(1);
            libc::close(2);
            Ok(())
        });
    }
    let _ = run(&mut command).exits(0);
    assert_eq!(generated(&files(&lab.path("raw"))).frames, 10_000);
}

#[test]
fn failure_exits_1_with_unread_outputs() {
    for bad in BAD {
        let lab = Lab::new();
        let mut command = lab.tool("hpcapdd");
        let (recorder, kept) = spawn(command.args(["hpcap0", "null"]), bad);
        let _ = recorder.wait().exits(1);
        drop(kept);
    }
}
