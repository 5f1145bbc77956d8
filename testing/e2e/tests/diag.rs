//! `hpcap-diag` beside a daemon that captures: what is in a tarball, and what is not.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use hpcap_e2e::daemon::{Daemon, on_the_wire};
use hpcap_e2e::lab::Lab;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::is_root_or_skips;
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::process::run;
use testkit::wait::wait_until;

/// A frame from one host to another, with a payload that is nowhere else.
fn frame() -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend([0x02, 0x5e, 0xc0, 0xff, 0xee, 0x01]);
    frame.extend([0x02, 0x5e, 0xc0, 0xff, 0xee, 0x02]);
    frame.extend([0x08, 0x00, 0x45, 0, 0, 64, 0, 0, 0x40, 0, 64, 17, 0, 0]);
    frame.extend([198, 51, 100, 77, 203, 0, 113, 88]);
    frame.extend([0x9c, 0x40, 0x9c, 0x41, 0, 44, 0, 0]);
    frame.extend(b"the payload of nobody but this test.");
    frame
}

/// Private data, which must not be in a redacted tarball: texts and bytes.
const PRIVATE: [&[u8]; 12] = [
    b"02:5e:c0:ff:ee",
    b"025ec0ffee",
    b"\x02\x5e\xc0\xff\xee",
    b"198.51.100.77",
    b"203.0.113.88",
    b"198.51.100.1",
    b"2001:db8:77::",
    b"C63364",
    b"643363C6",
    b"the payload of",
    b"\xc6\x33\x64",
    b"\xcb\x00\x71",
];

/// Returns the offset of private data in `bytes`.
fn leak(bytes: &[u8]) -> Option<String> {
    let lower = bytes.to_ascii_lowercase();
    PRIVATE.iter().find_map(|private| {
        let wanted = private.to_ascii_lowercase();
        let at = lower
            .windows(wanted.len())
            .position(|window| window == wanted)?;
        let end = bytes.len().min(at + 60);
        let around = String::from_utf8_lossy(&bytes[at.saturating_sub(60)..end]).into_owned();
        Some(format!(
            "{:?} in {around:?}",
            String::from_utf8_lossy(private)
        ))
    })
}

/// Unpacks `tarball` to standard output, the contents and the names of all files.
fn contents(lab: &Lab, tarball: &str, options: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for action in ["-xzOf", "-tzf"] {
        let mut command = Command::new("tar");
        command.arg(action).arg(lab.path(tarball)).args(options);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        bytes.extend(output.stdout);
    }
    bytes
}

#[test]
fn traffic_is_in_no_redacted_tarball() {
    if !is_root_or_skips("network namespaces") {
        return;
    }
    in_namespace(|| {
        create_veth_pair("sender0", "probe0", 1500);
        ip("link set probe0 address 02:5e:c0:ff:ee:01");
        ip("link set sender0 address 02:5e:c0:ff:ee:02");
        ip("addr add 198.51.100.1/24 dev probe0");
        ip("neigh add 198.51.100.77 lladdr 02:5e:c0:ff:ee:02 dev probe0");
        let socket = std::net::UdpSocket::bind("198.51.100.1:0").unwrap();
        socket.connect("198.51.100.77:9").unwrap();
        let lab = Lab::new();
        let daemon = Daemon::start(
            &lab,
            &[
                "af_packet:probe0",
                "--filter",
                "not ip6 host 2001:db8:77::1",
            ],
        );
        let recorder = lab.recorder(&["hpcap0", "data"]);
        wait_until("the recorder is attached", || {
            !daemon.listeners("hpcap0").is_empty()
        });
        let sender = FrameSender::new("sender0");
        (0..500).for_each(|_| sender.send(&frame()));
        wait_until("the frames are counted", || {
            on_the_wire(&daemon.status("hpcap0")["ledger"]) >= 500
        });
        let collect = |name: &str, redact: &str| {
            let mut command = lab.tool("hpcap-diag");
            command
                .args([
                    "collect",
                    "--interval",
                    "0s",
                    "--time-limit",
                    "10m",
                    "--captures",
                ])
                .arg(lab.dir());
            command.args(["--redact", redact, "-o"]).arg(lab.path(name));
            run(&mut command).exits(0)
        };
        let done = collect("redacted.tar.gz", "on");
        assert!(done.out.contains("replaced: "), "{}", done.out);
        let bytes = contents(&lab, "redacted.tar.gz", &[]);
        assert_eq!(leak(&bytes), None);

        // A tarball without redaction contains the private data, except for data of frames.
        collect("plain.tar.gz", "off");
        let plain = contents(&lab, "plain.tar.gz", &[]);
        assert!(leak(&plain).is_some());
        let payload = b"the payload of";
        assert!(!plain.windows(payload.len()).any(|window| window == payload));

        let queues = contents(&lab, "redacted.tar.gz", &["--wildcards", "*/queues.json"]);
        let end = queues.iter().rposition(|byte| *byte == b'}').unwrap();
        let queues = String::from_utf8(queues[..=end].to_vec()).unwrap();
        let first: Value = serde_json::Deserializer::from_str(&queues)
            .into_iter::<Value>()
            .next()
            .unwrap()
            .unwrap();
        let report = &first["queues"][0]["report"];
        assert!(on_the_wire(&report["ledger"]) >= 500, "{report}");
        assert_eq!(report["listeners"][0]["program"], "hpcapdd", "{report}");
        drop(recorder);
        drop(daemon);
    });
}

#[test]
fn stopped_daemon_is_a_finding() {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &["--ring", "1M", "gen:rate=1000pps,late=delay"]);
    daemon.process.signal(Signal::SIGSTOP);
    let now = ["now", "--interval", "100ms", "--json"];
    // A script that asks whether all is well gets a no.
    let found = run(lab.tool("hpcap-diag").args(now)).exits(1).out;
    let findings = found.lines().map(serde_json::from_str::<Value>);
    let mut unseen = findings
        .map(Result::unwrap)
        .filter(|finding| finding["rule"] == "queue-unseen");
    let evidence = unseen.next().expect(&found)["evidence"].to_string();
    assert!(evidence.contains("hpcap0"), "{evidence}");
    daemon.process.signal(Signal::SIGCONT);
    let _ = daemon.stop().exits(0);
}
