//! The live tap: its outputs, and that it disturbs no other program.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use hpcap::pcapfile::Reader;
use hpcap::{Event, Reason, Stream};
use hpcap_e2e::daemon::{Daemon, frames};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::network::{CAPTURE, SEND, veth_pair};
use hpcap_e2e::producer::Producer;
use hpcap_e2e::recording::{files, generated};
use hpcap_source::generator::verify;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use testkit::network::{FrameSender, in_namespace};
use testkit::process::{Process, run};
use testkit::wait::wait_until;

/// A generator that can send for as long as a test needs, and that nothing slows down.
const ENDLESS: [&str; 3] = ["--ring", "16M", "gen:size=200,rate=50M,late=delay"];

/// Starts a tap and waits until it is attached.
fn attached(lab: &Lab, args: &[&str]) -> Process {
    let mut tap = Process::spawn(lab.tool("hpcap-tap").args(args));
    tap.wait_for("attached to hpcap0");
    tap
}

/// The generated frames of a capture.
#[derive(Debug, Default)]
struct Seen {
    /// Number of frames.
    frames: u64,
    /// Frames that are missing, as the capture says.
    missed: u64,
    /// Whether the capture ends with a whole block.
    is_whole: bool,
}

/// Reads a capture of generated frames. Fails the test if a frame is missing and the capture does not report it.
fn read_capture(path: &Path) -> Seen {
    let mut stream = Stream::open(path).unwrap();
    let mut seen = Seen::default();
    let mut missed = 0;
    let mut last: Option<u64> = None;
    loop {
        match stream.next() {
            Ok(Some(Event::Frame(frame))) => {
                let number = verify(frame.data).unwrap().seq;
                if let Some(last) = last {
                    assert_eq!(number - last - 1, missed, "before frame {number}");
                }
                (last, missed) = (Some(number), 0);
                seen.frames += 1;
            }
            Ok(Some(Event::Missed(gap))) => {
                missed += gap.frames();
                seen.missed += gap.frames();
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                seen.is_whole = true;
                return seen;
            }
            Err(_) => return seen,
        }
    }
}

/// Returns the number of frames that tshark reads from `input`, such as `-r x.pcapng`; `None` when
/// tshark is not installed.
fn count_with_tshark(lab: &Lab, input: &[&str]) -> Option<usize> {
    let mut tshark = lab.here(Path::new("tshark"));
    tshark
        .args(["-T", "fields", "-e", "frame.number"])
        .args(input);
    if let Err(e) = Command::new("tshark").arg("--version").output() {
        testkit::skip(&format!("tshark: {e}"));
        return None;
    }
    let ended = run(&mut tshark).exits(0);
    Some(ended.out.lines().count())
}

#[test]
fn killed_tap_costs_the_recorder_nothing() {
    let lab = Lab::new();
    let spec = "gen:size=imix,rate=200M,late=delay,count=200000";
    let producer = Producer::start(&lab, &["--ring", "16M", "--look-back", spec]);
    let mut recorder = lab.recorder(&["hpcap0", "raw"]);
    let mut taps = 0;
    while recorder.is_running() && taps < 100 {
        let mut tap = Process::spawn(lab.tool("hpcap-tap").args(["hpcap0", "-w", "x.pcapng"]));
        wait_until("the tap to attach", || {
            tap.err().contains("attached") || !tap.is_running()
        });
        let _ = tap.kill();
        taps += 1;
    }
    let recorded = recorder.wait();
    let recorded = recorded.exits(Producer::recorder_code_at_the_end());
    let recorded = recorded.event("summary");
    let ledger = &producer.ended();
    let stored = generated(&files(&lab.path("raw")));
    println!("{taps} taps were killed");
    assert!(taps > 0);
    assert_eq!(frames(ledger, Reason::RingFull), 0, "{ledger}");
    assert_eq!(recorded["frames"], stored.frames);
    assert_eq!(stored.last, Some(199_999));
    // On a busy machine the generator itself may miss frames, and the gap records count them.
    assert_eq!((stored.damaged, stored.missing), (0, stored.lost_between));
}

#[test]
fn killed_tap_leaves_its_slot() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &ENDLESS);
    // A queue has 32 slots.
    for _ in 0..40 {
        let _ = attached(&lab, &["hpcap0", "-w", "x.pcapng"]).kill();
    }
    wait_until("the slots to be free", || {
        daemon.listeners("hpcap0").is_empty()
    });
}

#[test]
fn frames_of_two_queues_are_in_the_order_of_their_times() {
    const EACH: usize = 50;
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let received = |interface| format!("af_packet:{interface},direction=in");
        let (one, other) = (received(CAPTURE), received(SEND));
        let mut daemon = Daemon::start(&lab, &["--ring", "4M", "--look-back", &one, &other]);
        daemon.process.wait_for("hpcap1");
        let ends = [SEND, CAPTURE].map(FrameSender::new);
        for _ in 0..EACH {
            for end in &ends {
                end.send(&[0x88; 60]);
            }
        }
        // All frames are in the rings before the tap comes, so that no frame is late.
        for queue in ["hpcap0", "hpcap1"] {
            wait_until("the frames to be captured", || {
                frames(&daemon.status(queue)["ledger"], Reason::Captured) >= EACH as u64
            });
        }
        let all = (2 * EACH).to_string();
        let args = ["*", "--start", "oldest", "-w", "both.pcapng", "-c", &all];
        let _ = run(lab.tool("hpcap-tap").args(args)).exits(0);
        let mut reader = Reader::open(&lab.path("both.pcapng")).unwrap();
        let mut seen = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            seen.push((frame.sec, frame.nsec, frame.interface));
        }
        assert!(
            seen.is_sorted_by_key(|(sec, nsec, _)| (*sec, *nsec)),
            "{seen:?}"
        );
        let changes = seen.windows(2).filter(|pair| pair[0].2 != pair[1].2);
        assert!(changes.count() > 1, "{seen:?}");
        assert_eq!(seen.len(), 2 * EACH);
        let _ = daemon.stop();
    });
}

#[test]
fn tshark_reads_every_output() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    let outputs = ["-w", "a.pcapng", "-w", "b.pcap", "-w", "-", "-c", "1000"];
    let tap = run(lab.tool("hpcap-tap").arg("hpcap0").args(outputs)).exits(0);
    std::fs::write(lab.path("c.pcapng"), &tap.out_bytes).unwrap();
    for file in ["a.pcapng", "b.pcap", "c.pcapng"] {
        if let Some(count) = count_with_tshark(&lab, &["-r", file]) {
            assert_eq!(count, 1000, "{file}");
        }
    }
    for file in ["a.pcapng", "c.pcapng"] {
        let seen = read_capture(&lab.path(file));
        assert!(seen.is_whole && seen.frames == 1000, "{seen:?}");
    }
}

#[test]
fn fifo_waits_for_its_reader() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    nix::unistd::mkfifo(&lab.path("fifo"), Mode::S_IRWXU).unwrap();
    let tap = Process::spawn(
        lab.tool("hpcap-tap")
            .args(["hpcap0", "-w", "fifo", "-c", "500"]),
    );
    let mut bytes = Vec::new();
    let mut fifo = std::fs::File::open(lab.path("fifo")).unwrap();
    fifo.read_to_end(&mut bytes).unwrap();
    let _ = tap.wait().exits(0).says(&["500 frames written"]);
    std::fs::write(lab.path("fifo.pcapng"), &bytes).unwrap();
    let seen = read_capture(&lab.path("fifo.pcapng"));
    assert!(seen.is_whole && seen.frames == 500, "{seen:?}");
}

/// Starts a tap that serves viewers at a port that is free, and returns the address.
fn serve(lab: &Lab, args: &[&str]) -> (Process, String) {
    let mut tap = Process::spawn(
        lab.tool("hpcap-tap")
            .args(["hpcap0", "--listen", "0"])
            .args(args),
    );
    tap.wait_for("serving viewers at ");
    tap.wait_for("wireshark");
    let told = tap.err();
    let (_, rest) = told.split_once("serving viewers at ").unwrap();
    let (address, _) = rest.split_once(": ").unwrap();
    (tap, address.to_owned())
}

#[test]
fn tshark_views_over_tcp() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &ENDLESS);
    let (tap, address) = serve(&lab, &[]);
    // There is no viewer, so the queue has no listener.
    assert!(daemon.listeners("hpcap0").is_empty());
    let interface = format!("TCP@{address}");
    for _ in 0..2 {
        if let Some(count) = count_with_tshark(&lab, &["-i", &interface, "-c", "100"]) {
            assert_eq!(count, 100);
        }
        wait_until("the tap to leave the queue", || {
            daemon.listeners("hpcap0").is_empty()
        });
    }
    let _ = tap.interrupt().exits(0);
}

#[test]
fn stuck_viewer_misses_frames_alone() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    let (mut tap, address) = serve(&lab, &["-w", "file.pcapng"]);
    let mut stuck = TcpStream::connect(&address).unwrap();
    tap.wait_for("does not read fast enough");
    // The viewer reads again, and then finds the number of frames that it has missed.
    let mut bytes = vec![0; 8 << 20];
    stuck.read_exact(&mut bytes).unwrap();
    let tap = tap.interrupt().exits(0);
    stuck.read_to_end(&mut bytes).unwrap();
    std::fs::write(lab.path("stuck.pcapng"), &bytes).unwrap();
    let seen = read_capture(&lab.path("stuck.pcapng"));
    assert!(seen.frames > 0 && seen.missed > 0, "{seen:?}");
    let file = read_capture(&lab.path("file.pcapng"));
    assert!(file.frames > 0 && file.is_whole, "{file:?}");
    let _ = tap.says(&[&format!("{} missed by this tap", file.missed)]);
}

#[test]
fn filter_keeps_matching_frames() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    let args = [
        "hpcap0", "-f", "udp", "-s", "60", "-w", "x.pcap", "-c", "10",
    ];
    let _ = run(lab.tool("hpcap-tap").args(args)).exits(0);
    let file = testkit::pcap::read(&lab.path("x.pcap"));
    assert_eq!(file.frames.len(), 10);
    for frame in file.frames {
        assert_eq!((frame.data.len(), frame.len), (60, 200));
    }
    let args = ["hpcap0", "-f", "tcp", "-w", "y.pcap", "--duration", "200ms"];
    let _ = run(lab.tool("hpcap-tap").args(args))
        .exits(0)
        .says(&[" 0 match the filter"]);
    assert!(testkit::pcap::read(&lab.path("y.pcap")).frames.is_empty());
}

#[test]
fn several_queues_are_in_one_file() {
    let lab = Lab::new();
    let args = ["--ring", "4M", "hpcap0=gen:rate=1M", "hpcap0:1=gen:rate=1M"];
    let _daemon = Daemon::start(&lab, &args);
    let tap = ["hpcap0:*", "-w", "x.pcapng", "-c", "200"];
    let _ = run(lab.tool("hpcap-tap").args(tap)).exits(0).says(&[
        "hpcap0: ",
        "hpcap0:1: ",
        "200 frames written",
    ]);
    let mut tshark = lab.here(Path::new("tshark"));
    tshark.args(["-r", "x.pcapng", "-T", "fields", "-e", "frame.interface_id"]);
    if count_with_tshark(&lab, &["-r", "x.pcapng"]).is_some() {
        let ids = run(&mut tshark).exits(0).out;
        assert!(ids.lines().any(|id| id == "0") && ids.lines().any(|id| id == "1"));
    }
}

#[test]
fn pdump_specification_is_understood() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    let tap = |spec: &str| run(lab.tool("hpcap-tap").args(["--pdump", spec, "-c", "10"]));
    let _ = tap("port=0,queue=*,rx-dev=x.pcap,tx-dev=x.pcap").exits(0);
    assert_eq!(testkit::pcap::read(&lab.path("x.pcap")).frames.len(), 10);
    // A generator has no directions.
    let _ = tap("port=0,queue=0,rx-dev=r.pcap")
        .exits(2)
        .says(&["does not say"]);
    assert!(!lab.path("r.pcap").exists());
    let _ = tap("port=7,queue=*,rx-dev=r.pcap")
        .exits(1)
        .says(&["none of the queues"]);
}

#[test]
fn end_of_the_queue_ends_the_tap() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &ENDLESS);
    let tap = attached(&lab, &["hpcap0", "-w", "x.pcapng"]);
    let _ = daemon.process.kill();
    let _ = tap.wait().exits(1).says(&["the producer died"]);
    assert!(read_capture(&lab.path("x.pcapng")).is_whole);
}

#[test]
fn reader_that_leaves_ends_the_tap() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    nix::unistd::mkfifo(&lab.path("fifo"), Mode::S_IRWXU).unwrap();
    let mut tap = Process::spawn(lab.tool("hpcap-tap").args(["hpcap0", "-w", "fifo"]));
    let fifo = std::fs::File::open(lab.path("fifo")).unwrap();
    tap.wait_for("attached");
    drop(fifo);
    let _ = tap.wait().exits(0);
}

#[test]
fn full_disk_ends_its_output_alone() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    let args = [
        "hpcap0",
        "-w",
        "/dev/full",
        "-w",
        "good.pcap",
        "-c",
        "30000",
    ];
    let ended = run(lab.tool("hpcap-tap").args(args)).exits(1);
    let _ = ended.says(&["/dev/full", "No space left"]);
    assert_eq!(
        testkit::pcap::read(&lab.path("good.pcap")).frames.len(),
        30_000
    );
}

#[test]
fn taken_port_is_an_error() {
    let lab = Lab::new();
    let _daemon = Daemon::start(&lab, &ENDLESS);
    let (tap, address) = serve(&lab, &[]);
    let second = run(lab.tool("hpcap-tap").args(["hpcap0", "--listen", &address])).exits(1);
    let _ = second.says(&[&address, "another port"]);
    tap.signal(Signal::SIGTERM);
    let _ = tap.wait().exits(0);
}

#[test]
fn direction_of_a_queue_is_known() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let _daemon = Daemon::start(&lab, &["--ring", "4M", "af_packet:veth1,direction=in"]);
        let spec = "port=0,queue=*,rx-dev=r.pcapng,tx-dev=t.pcap";
        let mut tap = Process::spawn(lab.tool("hpcap-tap").args(["--pdump", spec, "-c", "5"]));
        tap.wait_for("sees no sent frames");
        tap.wait_for("attached");
        let sender = FrameSender::new(SEND);
        for _ in 0..5 {
            sender.send(&[0x88; 60]);
        }
        let _ = tap.wait().exits(0);
        assert!(testkit::pcap::read(&lab.path("t.pcap")).frames.is_empty());
        let fields = [
            "-r",
            "r.pcapng",
            "-T",
            "fields",
            "-e",
            "frame.packet_flags_direction",
        ];
        if count_with_tshark(&lab, &["-r", "r.pcapng"]).is_some() {
            let directions = run(lab.here(Path::new("tshark")).args(fields)).exits(0).out;
            let inbound =
                |line: &str| u32::from_str_radix(line.trim_start_matches("0x"), 16) == Ok(1);
            assert!(directions.lines().count() == 5 && directions.lines().all(inbound));
        }
    });
}
