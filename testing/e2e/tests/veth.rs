//! Capture from one interface, sent to by another, into files: every frame of every capture
//! arrives.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap::Reason;
use hpcap_e2e::captures::{Capture, all};
use hpcap_e2e::daemon::{Daemon, frames, on_the_wire};
use hpcap_e2e::lab::Lab;
use hpcap_e2e::network::{CAPTURE, Fate, SEND, fate, veth_pair};
use hpcap_e2e::peers;
use testkit::network::in_namespace;
use testkit::pcap::{self, Frame};
use testkit::process::run;
use testkit::wait::wait_until;

const MTU: usize = 9000;

/// Sends `capture`. Returns the frames that must arrive.
fn send(lab: &Lab, capture: &Capture) -> Vec<Vec<u8>> {
    let count = |wanted| {
        let frames = &capture.file.frames;
        frames
            .iter()
            .filter(|f| fate(&f.data, MTU) == wanted)
            .count() as u64
    };
    let spec = format!("pcap:{}", capture.path.display());
    let sent = run(lab
        .tool("hpcap-bench")
        .args(["send", "--json", &spec, "--to", SEND]))
    .exits(if capture.file.whole { 0 } else { 1 });
    if capture.file.frames.is_empty() {
        return Vec::new();
    }
    let outcome: serde_json::Value = serde_json::from_str(&sent.out).unwrap();
    let said = |value: &serde_json::Value| value["frames"].as_u64().unwrap();
    let not_sent = &outcome["not_sent"];
    assert_eq!(
        (
            said(&outcome["sent"]),
            said(&not_sent["too_short"]),
            said(&not_sent["too_long"])
        ),
        (
            count(Fate::Arrives) + count(Fate::Dropped),
            count(Fate::TooShort),
            count(Fate::TooLong)
        ),
        "{}: {outcome}",
        capture.name
    );
    let arriving = capture.file.frames.iter().map(|f| f.data.clone());
    arriving.filter(|f| fate(f, MTU) == Fate::Arrives).collect()
}

fn data(frames: &[Frame]) -> Vec<&[u8]> {
    frames.iter().map(|f| f.data.as_slice()).collect()
}

#[test]
fn every_captured_frame_arrives_intact() {
    in_namespace(|| {
        veth_pair(MTU.try_into().unwrap());
        let lab = Lab::new();
        let captures = all(lab.dir());
        let daemon = Daemon::start(&lab, &["--ring", "16M", &format!("af_packet:{CAPTURE}")]);
        let recorder = lab.recorder(&["hpcap0", "raw"]);
        let mut expected = Vec::new();
        for capture in &captures {
            expected.extend(send(&lab, capture));
            // The test waits for each capture, so that a failure names the file.
            wait_until(&capture.name, || {
                on_the_wire(&daemon.status("hpcap0")["ledger"]) >= expected.len() as u64
            });
        }
        println!("{} frames of {} captures", expected.len(), captures.len());

        let ended = daemon.stop().exits(0).event("ended");
        let ledger = &ended["ledger"];
        let count = expected.len() as u64;
        assert_eq!(on_the_wire(ledger), count);
        assert_eq!(frames(ledger, Reason::Captured), count);
        let summary = recorder.wait().exits(1).event("summary");
        assert_eq!(summary["frames"], count);
        let checked = run(lab.tool("checkraw").args(["--json", "raw"])).exits(0);
        assert!(!checked.out.is_empty());

        for (out, options) in [
            ("ns.pcap", &[][..]),
            ("us.pcap", &["--micro"]),
            ("ng.pcapng", &[]),
        ] {
            let convert = ["--quiet", "raw", "-o", out];
            let _ = run(lab.tool("raw2pcap").args(convert).args(options)).exits(0);
            peers::both_read(&lab.path(out), expected.len());
        }
        let ns = pcap::read(&lab.path("ns.pcap"));
        assert!(ns.nanoseconds && ns.whole);
        for (i, (got, sent)) in ns.frames.iter().zip(&expected).enumerate() {
            assert_eq!(got.data, *sent, "frame {i}");
            assert_eq!(got.len as usize, sent.len(), "frame {i}");
        }
        assert_eq!(ns.frames.len(), expected.len());
        let us = pcap::read(&lab.path("us.pcap"));
        assert!(!us.nanoseconds && data(&us.frames) == data(&ns.frames));
        for (us, ns) in us.frames.iter().zip(&ns.frames) {
            assert_eq!((us.sec, us.nsec), (ns.sec, ns.nsec / 1000 * 1000));
        }
        if peers::tshark_converts(&lab.path("ng.pcapng"), &lab.path("ng.pcap")) {
            assert_eq!(pcap::read(&lab.path("ng.pcap")).frames, ns.frames);
        }
    });
}

/// A veth pair claims a speed of 10 Gb/s, but no disk is too slow for what it carries.
#[test]
fn capture_starts_without_advice_on_hugepages() {
    in_namespace(|| {
        veth_pair(1500);
        let lab = Lab::new();
        for line in [
            &["-i", CAPTURE, "--duration", "1ms", "-w", "null"][..],
            &["--source", "gen:count=1", "-w", "null"],
        ] {
            let recorded = run(lab.tool("hpcapdd").args(line)).exits(0);
            assert!(!recorded.err.contains("hugepages"), "{}", recorded.err);
            assert!(recorded.err.starts_with("recording "), "{}", recorded.err);
        }
    });
}
