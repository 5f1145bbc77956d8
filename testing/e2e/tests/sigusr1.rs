//! SIGUSR1 asks a program for its statistics, and ends none.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::{Lab, PROGRAMS, binary};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use testkit::is_root_or_skips;
use testkit::process::Process;
use testkit::wait::wait_until;

const DAEMON: [&str; 3] = ["--ring", "4M", "gen:size=60,rate=1M,late=delay"];

/// A command that does not end by itself, and what SIGUSR1 makes it print.
struct AtWork {
    command: Command,
    tells: Option<&'static str>,
}

fn words(lab: &Lab, line: &str, tells: Option<&'static str>) -> AtWork {
    let mut words = line.split_whitespace();
    let mut command = lab.tool(words.next().unwrap());
    command.args(words);
    AtWork { command, tells }
}

/// Runs the line of a shell in which `$0` is `program`.
fn shell(lab: &Lab, program: &str, line: &str, tells: Option<&'static str>) -> AtWork {
    let mut command = lab.here(Path::new("sh"));
    command.args(["-c", line]).arg(binary(program));
    AtWork { command, tells }
}

/// Returns what keeps `program` at work beside a daemon of the queue hpcap0. The input `pipe` is a FIFO
/// into which nobody writes.
fn at_work(lab: &Lab, program: &str) -> AtWork {
    match program {
        "hpcapd" => words(lab, "hpcapd --json hpcap1=gen:rate=1M", Some("statistics")),
        "hpcapdd" => words(lab, "hpcapdd hpcap0 null", Some(" wire ")),
        "hpcapctl" => words(lab, "hpcapctl status --watch", None),
        "raw2pcap" => shell(
            lab,
            program,
            "exec \"$0\" - -o x.pcap <>pipe",
            Some("0 B done"),
        ),
        "checkraw" => shell(lab, program, "exec \"$0\" - <>pipe", Some("0 B done")),
        "hpcap-bench" => words(lab, "hpcap-bench verify hpcap0", None),
        "hpcap-diag" => words(lab, "hpcap-diag now --interval 1h", None),
        "hpcap-monitor" => words(
            lab,
            "hpcap-monitor run --listen none --basedir log",
            Some("samples"),
        ),
        "hpcap-sniff" => words(lab, "hpcap-sniff hpcap0 --count-only", Some("so far: ")),
        "hpcap-status" => words(lab, "hpcap-status --watch", None),
        "hpcap-tap" => words(lab, "hpcap-tap hpcap0 -w x.pcapng", Some("frames read")),
        "rxtxcpu" => shell(
            lab,
            program,
            "exec unshare --net sh -c 'ip link set lo up && exec \"$0\" lo' \"$0\"",
            Some("packets captured so far"),
        ),
        other => panic!("what keeps {other} at work?"),
    }
}

#[test]
fn every_program_survives_sigusr1() {
    let lab = Lab::new();
    mkfifo(&lab.path("pipe"), Mode::S_IRWXU).unwrap();
    let daemon = Daemon::start(&lab, &DAEMON);
    for program in PROGRAMS {
        if program == "rxtxcpu" && !is_root_or_skips("rxtxcpu") {
            continue;
        }
        let AtWork { mut command, tells } = at_work(&lab, program);
        let mut process = Process::spawn(&mut command);
        wait_until(&format!("{program} handles SIGUSR1"), || {
            assert!(process.is_running(), "{program}: {}", process.err());
            process.catches(Signal::SIGUSR1)
        });
        // A program that is still starting may have no statistics yet.
        wait_until(&format!("{program} answers SIGUSR1"), || {
            process.signal(Signal::SIGUSR1);
            wait_until("it arrives", || !process.has_pending(Signal::SIGUSR1));
            assert!(process.is_running(), "{program}: {}", process.err());
            tells.is_none_or(|text| format!("{}{}", process.out(), process.err()).contains(text))
        });
        let ended = process.interrupt();
        assert_ne!(ended.signal(), Some(Signal::SIGUSR1), "{program}");
    }
    let _ = daemon.stop().exits(0);
}

#[test]
fn every_packaged_program_is_tested() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/deb-files");
    let files = fs::read_to_string(files).unwrap();
    let mut packaged: Vec<&str> = files
        .lines()
        .filter_map(|line| line.split_once(" -rwxr-xr-x root/root ./usr/bin/"))
        .map(|(_, program)| program)
        .collect();
    packaged.sort_unstable();
    let mut tested = PROGRAMS;
    tested.sort_unstable();
    assert_eq!(packaged, tested);
}
