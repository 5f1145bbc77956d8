//! Programs that wait for another process stop waiting in time, and react to signals.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use hpcap::Reason;
use hpcap_e2e::daemon::{Daemon, frames};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::recording::contents;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept, bind, listen, socket,
};
use nix::sys::stat::Mode;
use testkit::pcapng::LITTLE;
use testkit::process::{Process, events, run};
use testkit::wait::wait_until;

const RATE: &str = "gen:size=imix,rate=50M,late=delay";

/// Continues a stopped process when it is dropped, so that the process can end.
struct Stopped<'a>(&'a Process);

impl<'a> Stopped<'a> {
    fn new(process: &'a Process) -> Self {
        process.signal(Signal::SIGSTOP);
        Self(process)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::SIGCONT);
    }
}

#[test]
fn attaching_to_a_stopped_daemon_ends() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let stopped = Stopped::new(&daemon.process);
    let pid = format!("process {}", daemon.process.pid());
    for tool in [
        ["hpcapdd", "hpcap0", "null"],
        ["hpcapctl", "status", "hpcap0"],
    ] {
        let _ = run(lab.tool(tool[0]).args(&tool[1..])).exits(1).says(&[
            &pid,
            "does not answer",
            "kill -CONT",
        ]);
    }
    drop(stopped);
    let _ = daemon.stop().exits(0);
}

/// Serves `queues` sockets. None of them answers before all of them have a client; then all
/// connections are closed, again and again.
fn serve_together(lab: &Lab, queues: usize) {
    std::fs::DirBuilder::new()
        .mode(0o755)
        .create(lab.run_dir())
        .unwrap();
    let sockets: Vec<OwnedFd> = (0..queues)
        .map(|number| {
            let flags = SockFlag::SOCK_CLOEXEC;
            let kind = SockType::SeqPacket;
            let socket = socket(AddressFamily::Unix, kind, flags, None).unwrap();
            let path = lab.socket(&format!("hpcap{number}"));
            bind(socket.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
            listen(&socket, Backlog::new(8).unwrap()).unwrap();
            socket
        })
        .collect();
    std::thread::spawn(move || {
        loop {
            let clients: Vec<_> = sockets
                .iter()
                .map(|socket| accept(socket.as_raw_fd()).unwrap())
                .collect();
            for client in clients {
                nix::unistd::close(client).unwrap();
            }
        }
    });
}

/// A program that opens one queue after the other waits for the limit of each.
#[test]
fn queues_are_opened_side_by_side() {
    let lab = Lab::new();
    serve_together(&lab, 4);
    for line in [
        "hpcapctl status",
        "hpcapctl listeners",
        "hpcap-tap -D",
        "hpcap-tap * -w x.pcapng",
        "hpcap-status --once",
    ] {
        let mut words = line.split(' ');
        let program = words.next().unwrap();
        let ended = run(lab.tool(program).args(words));
        let said = format!("{}{}", ended.out, ended.err);
        assert!(!said.contains("does not answer"), "{line}: {said}");
        assert!(!said.contains("did not answer"), "{line}: {said}");
    }
    let ended = run(lab.tool("hpcapctl").arg("status")).exits(1);
    let places: Vec<_> = (0..4)
        .map(|number| ended.err.find(&format!("queue hpcap{number}")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{}", ended.err);
}

/// The daemons that do not stand still are shown, and each of the others is named.
#[test]
fn two_of_three_daemons_stand_still() {
    let lab = Lab::new();
    let daemons: Vec<Process> = (0..3)
        .map(|number| {
            let queue = format!("hpcap{number}=gen:size=200,rate=1M,late=delay");
            let mut command = lab.tool("hpcapd");
            let mut daemon = Process::spawn(command.args(["--json", "--ring", "4M", &queue]));
            daemon.wait_for("\"event\":\"serving\"");
            daemon
        })
        .collect();
    let stopped = [Stopped::new(&daemons[0]), Stopped::new(&daemons[2])];
    // Each of them waits for ten seconds, so they run together.
    let programs = [
        "hpcapctl status",
        "hpcapctl status --json",
        "hpcapctl listeners",
        "hpcap-status --once",
        "hpcap-status --once --json",
    ]
    .map(|line| {
        let mut words = line.split(' ');
        let mut command = lab.tool(words.next().unwrap());
        (line, Process::spawn(command.args(words)))
    });
    for (line, program) in programs {
        let ended = program.wait();
        assert_eq!(ended.code(), Some(1), "{line}: {}", ended.err);
        for number in [0, 2] {
            let pid = daemons[number].pid();
            let why = format!("hpcap{number}: the producer (process {pid}) does not answer");
            assert!(ended.err.contains(&why), "{line}: {}", ended.err);
        }
        let is_list = line.ends_with("listeners");
        assert!(
            is_list || ended.out.contains("hpcap1"),
            "{line}: {}",
            ended.out
        );
    }
    let mut diag = lab.tool("hpcap-diag");
    let found = run(diag.args(["now", "--interval", "100ms", "--json"])).exits(1);
    for queue in ["hpcap0", "hpcap2"] {
        let unseen = events(&found.out).any(|finding| {
            finding["rule"] == "queue-unseen" && finding["evidence"].to_string().contains(queue)
        });
        assert!(unseen, "{queue}: {}", found.out);
    }
    drop(stopped);
    for daemon in daemons {
        let _ = daemon.interrupt().exits(0);
    }
}

#[test]
fn unseen_queue_is_not_without_listeners() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let stopped = Stopped::new(&daemon.process);
    let listeners = run(lab.tool("hpcapctl").args(["listeners", "hpcap0"])).exits(1);
    assert!(listeners.out.is_empty(), "{}", listeners.out);
    drop(stopped);
    let _ = daemon.stop().exits(0);
}

#[test]
fn signal_interrupts_attaching() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let stopped = Stopped::new(&daemon.process);
    let mut recorder = Process::spawn(lab.tool("hpcapdd").args(["hpcap0", "null"]));
    recorder.wait_for("still waiting for the producer of hpcap0 to answer");
    let _ = recorder.interrupt().exits(1).says(&["a signal came"]);
    let sniffer = Process::spawn(lab.tool("hpcap-sniff").arg("hpcap0"));
    wait_until("it handles SIGINT", || sniffer.catches(Signal::SIGINT));
    let _ = sniffer.interrupt().exits(1).says(&["a signal came"]);
    let tap = Process::spawn(lab.tool("hpcap-tap").args(["hpcap0", "-w", "x.pcapng"]));
    wait_until("it handles SIGINT", || tap.catches(Signal::SIGINT));
    let _ = tap.interrupt().exits(1).says(&["a signal came"]);
    drop(stopped);
    let _ = daemon.stop().exits(0);
}

#[test]
fn signal_interrupts_attaching_for_a_viewer() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    let args = ["hpcap0", "--listen", "0"];
    let mut tap = Process::spawn(lab.tool("hpcap-tap").args(args));
    tap.wait_for("wireshark");
    let told = tap.err();
    let (_, rest) = told.split_once("serving viewers at ").unwrap();
    let (address, _) = rest.split_once(": ").unwrap();
    let stopped = Stopped::new(&daemon.process);
    let _viewer = TcpStream::connect(address).unwrap();
    let tasks = format!("/proc/{}/task", tap.pid());
    wait_until("the tap asks the producer", || {
        let mut threads = fs::read_dir(&tasks).unwrap().flatten();
        threads.any(|thread| {
            let name = fs::read_to_string(thread.path().join("comm"));
            name.is_ok_and(|name| name.trim() == "cancellable")
        })
    });
    let _ = tap.interrupt().exits(1).says(&["a signal came"]);
    drop(stopped);
    let _ = daemon.stop().exits(0);
}

#[test]
fn recorder_reports_a_stalled_producer() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "16M", RATE]);
    let mut recorder = lab.recorder(&["hpcap0", "null"]);
    let stopped = Stopped::new(&daemon.process);
    recorder.wait_for("has captured nothing for");
    drop(stopped);
    recorder.wait_for("captures again after");
    // The producer captures again, so the recording did not fail.
    let _ = recorder.interrupt().exits(0);
    let _ = daemon.stop().exits(0);
}

#[test]
fn recording_of_stalled_producer_fails() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "16M", RATE]);
    let mut recorder = lab.recorder(&["hpcap0", "null"]);
    let stopped = Stopped::new(&daemon.process);
    recorder.wait_for("has captured nothing for");
    let _ = recorder
        .interrupt()
        .exits(1)
        .says(&["captures nothing any more", "is stored"]);
    drop(stopped);
    let _ = daemon.stop().exits(0);
}

fn pipe(path: &Path) {
    nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap();
}

#[test]
fn signal_interrupts_pipe_without_writer() {
    let lab = Lab::new();
    pipe(&lab.path("pipe"));
    let mut recorder = Process::spawn(lab.tool("hpcapdd").args(["--source", "pcap:pipe", "raw"]));
    recorder.wait_for("still waiting");
    let _ = recorder.interrupt().exits(1).says(&["a signal came"]);
    let mut daemon = Process::spawn(lab.tool("hpcapd").arg("pcap:pipe"));
    daemon.wait_for("waiting for pcap:pipe to begin");
    let _ = daemon.interrupt().exits(0);
    assert!(!lab.socket("hpcap0").exists());
}

/// Returns a pcap file: its header and `count` frames.
fn pcap(count: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for number in 0..count {
        for word in [1_700_000_000 + number, 0, 60, 60] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend([0x55; 60]);
    }
    bytes
}

/// Returns a pcapng file: a section, an interface, and `count` frames.
fn pcapng(count: u32) -> Vec<u8> {
    let mut bytes = [LITTLE.section(), LITTLE.interface(1, &[])].concat();
    for _ in 0..count {
        bytes.extend(LITTLE.packet(0, 0x0006_0a00_0000_0000, 60, &[0x55; 60], &[]));
        // The reader must skip a block of an unknown type.
        bytes.extend(LITTLE.block(0x0bad, &[0; 400]));
    }
    bytes
}

fn captured(recorder: &Process) -> u64 {
    let last = events(&recorder.out()).rfind(|e| e["event"] == "progress");
    last.map_or(0, |e| frames(&e["ledger"], Reason::Captured))
}

#[test]
fn pipe_is_captured_while_its_writer_pauses() {
    for bytes in [pcap(50), pcapng(50)] {
        // The file is written at once, and in parts that end within the header and within a frame.
        for cuts in [vec![bytes.len()], vec![10, 3000, bytes.len()]] {
            let lab = Lab::new();
            pipe(&lab.path("pipe"));
            let mut recorder = Process::spawn(lab.tool("hpcapdd").args([
                "--json",
                "--source",
                "pcap:pipe",
                "raw",
            ]));
            let mut writer = File::options().write(true).open(lab.path("pipe")).unwrap();
            let mut from = 0;
            for cut in cuts {
                writer.write_all(&bytes[from..cut]).unwrap();
                from = cut;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            recorder.wait_for("\"event\":\"start\"");
            wait_until("all 50 are captured", || captured(&recorder) == 50);
            // The writer keeps the pipe open.
            let summary = recorder.interrupt().exits(0).event("summary");
            assert_eq!(summary["ended_by"], "signal");
            assert_eq!(contents(&lab.path("raw")).frames.len(), 50);
            drop(writer);
        }
    }
}

#[test]
fn pipe_ends_the_recording_with_its_writer() {
    let lab = Lab::new();
    pipe(&lab.path("pipe"));
    let recorder = Process::spawn(lab.tool("hpcapdd").args(["--source", "pcap:pipe", "raw"]));
    std::fs::write(lab.path("pipe"), pcap(1000)).unwrap();
    let _ = recorder.wait().exits(0);
    assert_eq!(contents(&lab.path("raw")).frames.len(), 1000);
}

#[test]
fn recorder_waits_for_its_queue() {
    let lab = Lab::new();
    let mut recorder = Process::spawn(
        lab.tool("hpcapdd")
            .args(["--json", "--wait", "hpcap0", "raw"]),
    );
    recorder.wait_for("no producer serves it");
    let daemon = Daemon::start(&lab, &["--ring", "4M", RATE]);
    recorder.wait_for("\"event\":\"start\"");
    wait_until("it records", || captured(&recorder) > 0);
    let _ = recorder.interrupt().exits(0);
    let _ = daemon.stop().exits(0);
}

#[test]
fn recorder_attaches_again_after_its_daemon() {
    let lab = Lab::new();
    let mut recorder = Process::spawn(
        lab.tool("hpcapdd")
            .args(["--json", "--wait", "hpcap0", "raw"]),
    );
    let starts = |p: &Process| events(&p.out()).filter(|e| e["event"] == "start").count();
    let ended = |p: &Process| events(&p.out()).filter(|e| e["event"] == "summary").count();
    // The daemon is stopped in the first round and killed in the second one. In the third round the
    // recorder itself is interrupted.
    for (round, signal) in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM]
        .into_iter()
        .enumerate()
    {
        let daemon = Daemon::start(&lab, &["--ring", "4M", &format!("hpcap0={RATE}")]);
        wait_until("it is attached", || starts(&recorder) == round + 1);
        if round == 2 {
            assert!(recorder.is_running());
            break;
        }
        daemon.process.signal(signal);
        let _ = daemon.process.wait();
        wait_until("the recording is closed", || ended(&recorder) == round + 1);
    }
    recorder.signal(Signal::SIGINT);
    let _ = recorder.wait();
    let files = hpcap_e2e::recording::files(&lab.path("raw"));
    assert!(files.iter().all(|f| f.extension().unwrap() == "raw"));
}

#[test]
fn limits_span_several_producers() {
    let lab = Lab::new();
    let mut recorder = Process::spawn(lab.tool("hpcapdd").args([
        "--json",
        "--wait",
        "--contract",
        "lossless",
        "--frames",
        "3000",
        "hpcap0",
        "raw",
    ]));
    let slow = "hpcap0=gen:size=60,rate=500pps,late=delay";
    let daemon = Daemon::start(&lab, &["--ring", "4M", slow]);
    recorder.wait_for("\"event\":\"start\"");
    wait_until("some are recorded", || captured(&recorder) > 0);
    let _ = daemon.stop().exits(0);
    let daemon = Daemon::start(
        &lab,
        &["--ring", "4M", "hpcap0=gen:size=60,rate=1M,late=delay"],
    );
    let _ = recorder.wait().exits(0);
    assert_eq!(contents(&lab.path("raw")).frames.len(), 3000);
    let _ = daemon.stop().exits(0);
}
