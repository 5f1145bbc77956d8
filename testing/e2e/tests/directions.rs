//! Whether this machine sent a frame or received it: what AF_PACKET knows of each frame is in every output.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use hpcap::pcapfile::{Direction, Reader};
use hpcap::{Event, Stream};
use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::network::{CAPTURE, SEND, veth_pair};
use testkit::network::{FrameSender, in_namespace};
use testkit::process::{Process, run};

/// Number of frames that the captured interface receives, and of those that it sends.
const EACH: usize = 20;

/// Makes a frame that says whether the captured interface sends it.
fn frame(is_sent: bool) -> [u8; 60] {
    let mut frame = [0x88; 60];
    frame[20] = is_sent.into();
    frame
}

/// Sends frames in both directions, one after the other.
fn exchange() {
    let (receive, send) = (FrameSender::new(SEND), FrameSender::visible(CAPTURE));
    for _ in 0..EACH {
        receive.send(&frame(false));
        send.send(&frame(true));
    }
}

/// Checks that each frame of a file has its direction. Returns the number of received and of sent frames.
fn count(path: &Path) -> (usize, usize) {
    let mut counts = (0, 0);
    let mut stream = Stream::open(path).unwrap();
    while let Some(event) = stream.next().unwrap() {
        if let Event::Frame(frame) = event {
            assert_eq!(frame.is_sent, frame.data[20] == 1, "{}", path.display());
            match frame.is_sent {
                false => counts.0 += 1,
                true => counts.1 += 1,
            }
        }
    }
    counts
}

/// Returns the directions that a pcapng file has of the received and of the sent frames.
fn directions(path: &Path) -> [Vec<Option<Direction>>; 2] {
    let mut directions = [Vec::new(), Vec::new()];
    let mut reader = Reader::open(path).unwrap();
    while let Some(frame) = reader.next().unwrap() {
        directions[usize::from(frame.data[20])].push(frame.direction);
    }
    directions
}

#[test]
fn sent_frames_are_marked_in_every_output() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        let daemon = Daemon::start(&lab, &["--ring", "4M", "af_packet:veth1"]);
        let both = (2 * EACH).to_string();
        let recorders = [
            vec!["hpcap0", "raw"],
            vec!["hpcap0", "cut", "--caplen", "40"],
            vec!["hpcap0", "captured.pcapng"],
        ];
        let recorders = recorders.map(|mut args| {
            args.extend(["--frames", &both]);
            lab.recorder(&args)
        });
        let attached = |args: &[&str]| {
            let mut tap = Process::spawn(lab.tool("hpcap-tap").args(args));
            tap.wait_for("attached");
            tap
        };
        let apart = "port=0,queue=*,rx-dev=received.pcapng,tx-dev=sent.pcapng";
        let taps = [
            attached(&["hpcap0", "-w", "tapped.pcapng", "-c", &both]),
            attached(&["--pdump", apart, "-c", &both]),
        ];
        exchange();
        for ended in recorders.into_iter().chain(taps) {
            let _ = ended.wait().exits(0);
        }
        let _ = daemon.stop();
        let convert = |from: &str, to: &str| {
            let _ = run(lab.tool("raw2pcap").args([from, "-o", to])).exits(0);
        };
        convert("raw", "converted.pcapng");
        convert("cut", "cut.pcapng");
        for all in [
            "raw",
            "cut",
            "captured.pcapng",
            "tapped.pcapng",
            "converted.pcapng",
        ] {
            assert_eq!(count(&lab.path(all)), (EACH, EACH), "{all}");
        }
        let known = [Direction::Inbound, Direction::Outbound].map(|d| vec![Some(d); EACH]);
        for all in [
            "captured.pcapng",
            "tapped.pcapng",
            "converted.pcapng",
            "cut.pcapng",
        ] {
            assert_eq!(directions(&lab.path(all)), known, "{all}");
        }
        assert_eq!(count(&lab.path("received.pcapng")), (EACH, 0));
        assert_eq!(count(&lab.path("sent.pcapng")), (0, EACH));
        let checked = run(lab.tool("checkraw").arg("raw")).exits(0);
        let line = format!("{EACH} sent by the machine itself");
        assert!(checked.out.contains(&line), "{}", checked.out);

        // A capture file gives the marks of sent frames to the next capture of its frames. Nobody knows
        // of a capture file whether it has the direction of every frame.
        let again = ["--source", "pcap:converted.pcapng", "again"];
        let _ = lab.recorder(&again).wait().exits(0);
        assert_eq!(count(&lab.path("again")), (EACH, EACH));
        convert("again", "again.pcapng");
        let sent_only = [None, Some(Direction::Outbound)].map(|d| vec![d; EACH]);
        assert_eq!(directions(&lab.path("again.pcapng")), sent_only);
        let plain = ["--source", "pcap:converted.pcapng", "plain", "--plain"];
        let _ = lab.recorder(&plain).wait().exits(0);
        let checked = run(lab.tool("checkraw").arg("plain")).exits(0);
        assert!(!checked.out.contains("sent by"), "{}", checked.out);
    });
}
