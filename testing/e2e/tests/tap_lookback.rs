//! The time machine of the live tap: frames from before an event.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::time::Duration;

use hpcap::{Event, Reason, Stream, Timestamp};
use hpcap_e2e::daemon::{Daemon, frames};
use hpcap_e2e::lab::Lab;
use hpcap_source::generator::verify;
use nix::sys::signal::Signal;
use testkit::process::{Process, run};
use testkit::wait::wait_until;

/// A thousand frames a second at most: 1 s has a thousand frames, or fewer on a busy machine.
const QUIET: [&str; 3] = ["--ring", "16M", "gen:size=200,rate=1000pps,late=delay"];

/// Number and time of each generated frame in a capture or in a folder of recordings.
fn numbers(path: &Path) -> Vec<(u64, Timestamp)> {
    let mut stream = Stream::open(path).unwrap();
    let mut numbers = Vec::new();
    while let Some(event) = stream.next().unwrap() {
        if let Event::Frame(frame) = event {
            numbers.push((verify(frame.data).unwrap().seq, frame.time));
        }
    }
    numbers
}

/// Waits until the queue has captured `count` frames.
fn wait_for_frames(daemon: &Daemon<'_>, count: u64) {
    wait_until("frames in the ring", || {
        frames(&daemon.status("hpcap0")["ledger"], Reason::Captured) >= count
    });
}

/// Starts a tap that waits for an event.
fn watch(lab: &Lab, args: &[&str]) -> Process {
    let mut tap = Process::spawn(lab.tool("hpcap-tap").arg("hpcap0").args(args));
    tap.wait_for("watching hpcap0");
    tap
}

#[test]
fn window_around_a_match_is_exact() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &QUIET);
    let recorder = lab.recorder(&["hpcap0", "raw"]);
    // The window begins after the recording.
    wait_for_frames(&daemon, 2000);
    // The number of a generated frame is in its payload; every 4096th is an event.
    let event = "udp[14:4] & 0xfff = 0";
    let args = [
        "--before", "1s", "--after", "500ms", "-w", "x.pcapng", "--on", event,
    ];
    let _ = watch(&lab, &args)
        .wait()
        .exits(0)
        .says(&["event 1: a frame of hpcap0 matches"]);
    let _ = recorder.interrupt().exits(0);

    let got = numbers(&lab.path("x.pcapng"));
    let (_, time) = got.iter().find(|(number, _)| number % 4096 == 0).unwrap();
    let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
    let from = time.as_ns() - ns(Duration::from_secs(1));
    let until = time.as_ns() + ns(Duration::from_millis(500));
    let mut recorded = numbers(&lab.path("raw"));
    assert!(recorded[0].1.as_ns() < from);
    recorded.retain(|(_, time)| (from..=until).contains(&time.as_ns()));
    assert_eq!(got, recorded);
}

#[test]
fn signal_is_an_event() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &QUIET);
    let args = [
        "--on", "signal", "--before", "1h", "--after", "0s", "-w", "x.pcapng",
    ];
    let tap = watch(&lab, &args);
    wait_for_frames(&daemon, 100);
    tap.signal(Signal::SIGUSR1);
    let _ = tap.wait().exits(0).says(&["event 1: SIGUSR1"]);
    let got = numbers(&lab.path("x.pcapng"));
    assert!(got.len() >= 100, "{}", got.len());
    assert!(got.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1));
}

#[test]
fn each_end_of_a_command_is_an_event() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &QUIET);
    let args = [
        "--on",
        "command:sleep 0.2",
        "--after",
        "100ms",
        "-w",
        "x.pcap",
        "--times",
        "2",
    ];
    let _ = watch(&lab, &args).wait().exits(0);
    for file in ["x-1.pcap", "x-2.pcap"] {
        assert!(
            !testkit::pcap::read(&lab.path(file)).frames.is_empty(),
            "{file}"
        );
    }
}

#[test]
fn failing_command_ends_the_watch() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &QUIET);
    let args = ["hpcap0", "--on", "command:exit 3", "-w", "x.pcap"];
    let failed = run(lab.tool("hpcap-tap").args(args)).exits(1);
    let _ = failed.says(&["exit 3", "exit status: 3"]);
    assert!(!lab.path("x.pcap").exists());
}

#[test]
fn loss_is_an_event() {
    let lab = Lab::new();
    let args = ["--ring", "1M", "gen:size=200,rate=5M,late=delay"];
    let daemon = Daemon::start(&lab, &args);
    let tap = watch(
        &lab,
        &["--on", "loss", "--after", "500ms", "-w", "x.pcapng"],
    );
    // This listener holds the ring back until the file `go` exists.
    let listener = lab.listener(&["hpcap0", "--after=go"]);
    wait_until("a full ring", || {
        frames(&daemon.status("hpcap0")["ledger"], Reason::RingFull) > 0
    });
    std::fs::write(lab.path("go"), "").unwrap();
    let _ = tap.wait().exits(0).says(&["hpcap0 has lost"]);
    assert!(!numbers(&lab.path("x.pcapng")).is_empty());
    drop(listener);
}

/// A record can begin in one block and end in the next, so a window that begins some blocks behind the oldest frame
/// does not begin at the start of a block.
#[test]
fn window_begins_with_a_whole_record() {
    let lab = Lab::new();
    let args = [
        "--ring",
        "4M",
        "--look-back",
        "gen:size=1500,rate=1000pps,late=delay",
    ];
    let daemon = Daemon::start(&lab, &args);
    wait_for_frames(&daemon, 2000);
    let args = ["--on", "command:true", "--before", "400ms"];
    let args = [&args[..], &["--after", "0s", "-w", "x.pcapng"]].concat();
    let _ = watch(&lab, &args).wait().exits(0);
    let numbers = numbers(&lab.path("x.pcapng"));
    let seqs: Vec<_> = numbers.iter().map(|(seq, _)| *seq).collect();
    assert!(seqs.first().is_some_and(|first| *first > 1000), "{seqs:?}");
    assert!(
        seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{seqs:?}"
    );
}

#[test]
fn small_ring_is_reported() {
    let lab = Lab::new();
    // The ring has the frames of about five seconds, so that a tap on a busy machine still reads some of them.
    let args = [
        "--ring",
        "1M",
        "--look-back",
        "gen:size=1500,rate=140pps,late=delay",
    ];
    let daemon = Daemon::start(&lab, &args);
    wait_for_frames(&daemon, 800);
    let args = [
        "--on",
        "command:true",
        "--before",
        "1h",
        "--after",
        "0s",
        "-w",
        "x.pcapng",
    ];
    let _ = watch(&lab, &args)
        .wait()
        .exits(0)
        .says(&["the ring had only"]);
    assert!(!numbers(&lab.path("x.pcapng")).is_empty());
}

#[test]
fn queue_that_ends_first_is_an_error() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &QUIET);
    let tap = watch(&lab, &["--on", "arp", "-w", "x.pcap"]);
    let _ = daemon.stop();
    let _ = tap.wait().exits(1);
    assert!(!lab.path("x.pcap").exists());
}
