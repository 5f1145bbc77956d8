//! SIGHUP, which comes when a terminal goes away, and requests to stop that arrive twice.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use hpcap_e2e::at_work::{AtWork, DAEMON, at_work};
use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::{Lab, PROGRAMS};
use hpcap_e2e::terminal::{in_terminal, terminal};
use nix::sys::signal::Signal;
use testkit::is_root_or_skips;
use testkit::process::{Finished, Process};
use testkit::wait::wait_until;

/// Programs that have nothing to bring to an end, and are ended by signals as any program is. The file that
/// raw2pcap writes has no name until it is complete.
const ENDED_BY_SIGNALS: [&str; 4] = ["hpcapctl", "checkraw", "hpcap-status", "raw2pcap"];

/// Programs for which a stop by a signal is the usual end.
const RUN_UNTIL_STOPPED: [&str; 6] = [
    "hpcapd",
    "hpcapdd",
    "hpcap-monitor",
    "hpcap-sniff",
    "hpcap-tap",
    "rxtxcpu",
];

fn can_run(program: &str) -> bool {
    program != "rxtxcpu" || is_root_or_skips(program)
}

/// Starts `command`, and waits until it works and handles `signal`.
fn start(program: &str, command: &mut Command, tells: Option<&str>, signal: Signal) -> Process {
    let mut process = Process::spawn(command);
    let is_ready = |process: &Process| match ENDED_BY_SIGNALS.contains(&program) {
        true => process.catches(Signal::SIGUSR1),
        false => process.catches(signal) && process.catches(Signal::SIGUSR1),
    };
    wait_until(&format!("{program} handles {signal}"), || {
        assert!(process.is_running(), "{program}: {}", process.err());
        is_ready(&process)
    });
    // A program that answers has attached to its queue.
    wait_until(&format!("{program} answers"), || {
        process.signal(Signal::SIGUSR1);
        wait_for(program, &mut process, Signal::SIGUSR1);
        tells.is_none_or(|text| format!("{}{}", process.out(), process.err()).contains(text))
    });
    process
}

/// Waits until `signal` has reached the program, which must go on.
fn wait_for(program: &str, process: &mut Process, signal: Signal) {
    wait_until(&format!("{signal} reaches {program}"), || {
        assert!(process.is_running(), "{program}: {}", process.err());
        !process.has_pending(signal)
    });
}

/// The unfinished files and the sockets of hpcap1 in the folder of `lab`.
fn left_over(lab: &Lab) -> Vec<String> {
    let find = lab
        .here(Path::new("find"))
        .args([".", "-name", "*.part", "-o", "-name", "hpcap1.sock"])
        .output()
        .unwrap();
    let found = String::from_utf8(find.stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[test]
fn every_program_ends_with_its_terminal() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    for program in PROGRAMS.into_iter().filter(|program| can_run(program)) {
        let (master, slave) = terminal();
        let AtWork { mut command, tells } = at_work(&lab, program);
        in_terminal(&mut command, &slave);
        let process = start(program, &mut command, tells, Signal::SIGHUP);
        drop((master, slave));
        let ended = process.wait();
        if RUN_UNTIL_STOPPED.contains(&program) {
            assert_eq!(ended.code(), Some(0), "{program}: {}", ended.err);
        }
        assert_eq!(left_over(&lab), Vec::<String>::new(), "{program}");
    }
    let _ = daemon.stop().exits(0);
}

#[test]
fn no_program_ends_with_an_ignored_sighup() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    for program in PROGRAMS.into_iter().filter(|program| can_run(program)) {
        let AtWork {
            command: wanted,
            tells,
        } = at_work(&lab, program);
        let mut command = lab.here(Path::new("sh"));
        command
            .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
            .arg(wanted.get_program())
            .args(wanted.get_args());
        let mut process = start(program, &mut command, tells, Signal::SIGINT);
        process.signal(Signal::SIGHUP);
        wait_for(program, &mut process, Signal::SIGHUP);
        // A program that SIGHUP ends would not handle the next signal.
        process.signal(Signal::SIGUSR1);
        wait_for(program, &mut process, Signal::SIGUSR1);
        assert!(!process.catches(Signal::SIGHUP), "{program}");
        assert!(process.is_running(), "{program}: {}", process.err());
        let _ = process.interrupt();
    }
    let _ = daemon.stop().exits(0);
}

/// Ends `process` with two signals that arrive together, as timeout(1) makes them.
fn stop_twice(process: Process) -> Finished {
    process.signal(Signal::SIGSTOP);
    process.signal(Signal::SIGINT);
    process.signal(Signal::SIGTERM);
    process.signal(Signal::SIGCONT);
    process.wait()
}

#[test]
fn stop_that_arrives_twice_is_one_request() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &DAEMON);
    for program in RUN_UNTIL_STOPPED
        .into_iter()
        .filter(|program| can_run(program))
    {
        let AtWork { mut command, tells } = at_work(&lab, program);
        let process = start(program, &mut command, tells, Signal::SIGTERM);
        let ended = stop_twice(process);
        assert_eq!(ended.code(), Some(0), "{program}: {}", ended.err);
        let summary = match program {
            "hpcap-tap" => "frames read",
            "hpcap-sniff" => " frames",
            "rxtxcpu" => "packets captured total.",
            _ => "",
        };
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains(summary), "{program}: {said}");
    }
    let _ = daemon.stop().exits(0);
}
