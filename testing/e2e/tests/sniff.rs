//! hpcap-sniff on a daemon's queue: what it prints, what it misses, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use hpcap_e2e::daemon::{Daemon, frames};
use hpcap_e2e::lab::Lab;
use nix::sys::signal::Signal;
use testkit::process::{Process, run};
use testkit::wait::wait_until;

/// Frames that come slowly enough for every reader.
const SLOW: &str = "gen:size=60,rate=5000pps,late=delay";

#[test]
fn sniffer_follows_a_queue() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &["--ring", "4M", SLOW]);
    let sniffed = run(lab.tool("hpcap-sniff").args(["hpcap0", "udp", "-c", "500"])).exits(0);
    assert_eq!(sniffed.out.lines().count(), 500);
    assert!(
        sniffed
            .out
            .lines()
            .all(|line| line.contains(": UDP, length 18"))
    );
    assert!(
        sniffed
            .err
            .contains("500 frames, 30000 bytes; missing: no frame"),
        "{}",
        sniffed.err
    );
}

/// Lines must not wait until there are many of them.
#[test]
fn lines_of_an_idle_queue_appear() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:size=60,rate=2pps"]);
    let mut sniffer = Process::spawn(lab.tool("hpcap-sniff").arg("hpcap0"));
    sniffer.wait_for(": UDP, length 18");
    let ended = sniffer.interrupt().exits(0);
    assert!(ended.err.contains("missing: no frame"), "{}", ended.err);
    drop(daemon);
}

#[test]
fn oldest_frames_are_still_in_the_ring() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &["--ring", "4M", SLOW]);
    run(lab
        .tool("hpcap-sniff")
        .args(["hpcap0", "--count-only", "-c", "1000"]))
    .exits(0);
    let again = ["hpcap0", "--start", "oldest", "--no-follow", "--json"];
    let sniffed = run(lab.tool("hpcap-sniff").args(again)).exits(0);
    let last: serde_json::Value =
        serde_json::from_str(sniffed.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["end"], true);
    let found = last["frames"].as_u64().unwrap();
    assert!(found >= 1000, "{last}");
    assert_eq!(sniffed.out.lines().count() as u64, found + 1);
}

#[test]
fn lossless_count_has_every_frame() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", "gen:size=60,count=200000"]);
    let arguments = ["hpcap0", "--count-only", "--lossless"];
    let counted = run(lab.tool("hpcap-sniff").args(arguments)).exits(0);
    assert_eq!(
        counted.out,
        "200000 frames, 12000000 bytes; missing: no frame\n"
    );
    let ended = daemon.process.wait().exits(0).event("ended");
    assert_eq!(frames(&ended["ledger"], hpcap::Reason::Captured), 200_000);
}

/// The reader of the output stands still until the ring has overrun the sniffer; a recorder beside it loses
/// nothing.
#[test]
fn missed_frames_are_named_where_they_were_missed() {
    let lab = Lab::new();
    let daemon = Daemon::start(
        &lab,
        &["--ring", "4M", "gen:size=1000,rate=20000pps,late=delay"],
    );
    let recorder = lab.recorder(&["hpcap0", "null"]);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = lab.tool("hpcap-sniff");
    let sniffer = Process::spawn_to(command.arg("hpcap0"), writer.into(), Stdio::piped());
    drop(command);
    let mut lines = BufReader::new(reader).lines();
    lines.next().unwrap().unwrap();
    wait_until("the ring to overrun the sniffer", || {
        daemon.listeners("hpcap0").iter().any(|listener| {
            listener["program"] == "hpcap-sniff" && listener["lag_bytes"].as_u64() > Some(4 << 20)
        })
    });
    let missed = lines
        .by_ref()
        .map(|line| line.unwrap())
        .find(|line| line.starts_with("-- missing here: "))
        .unwrap();
    assert!(
        missed.contains("(overrun: this program was too slow)"),
        "{missed}"
    );
    sniffer.signal(Signal::SIGINT);
    let rest: usize = lines.map(|line| line.unwrap().len()).sum();
    assert!(rest > 0);
    let ended = sniffer.wait().exits(0);
    assert!(ended.err.contains("overrun"), "{}", ended.err);
    let recorded = recorder.interrupt().exits(0).event("summary");
    assert_eq!(
        frames(&recorded["ledger"], hpcap::Reason::RingFull),
        0,
        "{recorded}"
    );
}

#[test]
fn sniffer_ends_quietly_with_its_reader() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &["--ring", "4M", SLOW]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = lab.tool("hpcap-sniff");
    let sniffer = Process::spawn_to(command.arg("hpcap0"), writer.into(), Stdio::piped());
    drop(command);
    reader.read_exact(&mut [0; 100]).unwrap();
    drop(reader);
    let ended = sniffer.wait().exits(0);
    assert_eq!(ended.err, "");
}

/// A signal that comes while the sniffer waits for its reader ends the wait, and is no room.
#[test]
fn signal_ends_a_sniffer_without_reader() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &["--ring", "4M", SLOW]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let bytes = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETPIPE_SZ);
    let bytes = usize::try_from(bytes.unwrap()).unwrap();
    writer.write_all(&vec![b'.'; bytes]).unwrap();
    let mut command = lab.tool("hpcap-sniff");
    let sniffer = Process::spawn_to(command.arg("hpcap0"), writer.into(), Stdio::piped());
    wait_until("it handles the signal", || sniffer.catches(Signal::SIGINT));
    // The sniffer waits for its reader as soon as it has a line.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let _ = sniffer.interrupt();
    drop(reader);
}

#[test]
fn sniffer_fails_when_its_output_is_full() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &["--ring", "4M", SLOW]);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = lab.tool("hpcap-sniff");
    let sniffer = Process::spawn_to(command.arg("hpcap0"), full.into(), Stdio::piped());
    let ended = sniffer.wait().exits(1);
    assert!(
        ended.err.contains("cannot write to standard output"),
        "{}",
        ended.err
    );
}

#[test]
fn sniffer_fails_when_the_daemon_dies() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", SLOW]);
    let mut sniffer = Process::spawn(lab.tool("hpcap-sniff").arg("hpcap0"));
    sniffer.wait_for("UDP");
    daemon.process.signal(Signal::SIGKILL);
    let ended = sniffer.wait().exits(1);
    assert!(ended.err.contains("the producer died"), "{}", ended.err);
    assert!(ended.err.contains("; missing: "), "{}", ended.err);
}
