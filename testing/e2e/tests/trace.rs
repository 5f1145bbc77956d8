//! `hpcap-diag trace` of known frames on a veth pair.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use hpcap_e2e::lab::Lab;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::packets::{ethernet, ipv4, udp};
use testkit::process::{Process, events, run};
use testkit::wait::wait_until;
use testkit::{is_root_or_skips, skip};

/// A port that no program has.
const CLOSED: u16 = 4243;

/// Whether this kernel lets a process trace; skips the test otherwise.
fn can_trace_or_skips(lab: &Lab) -> bool {
    if !is_root_or_skips("tracepoints of the kernel") {
        return false;
    }
    let done = run(lab.tool("hpcap-diag").args(["trace", "100ms", "--json"]));
    if done.code() != Some(0) {
        skip(&format!("this kernel cannot trace: {}", done.err.trim()));
    }
    done.code() == Some(0)
}

/// A veth pair whose receiving end `name` has the address 198.51.100.1.
fn veth(sender: &str, name: &str) {
    create_veth_pair(sender, name, 1500);
    ip(&format!("link set {name} address 02:00:00:00:00:01"));
    ip(&format!("addr add 198.51.100.1/24 dev {name}"));
    ip(&format!(
        "neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev {name}"
    ));
}

/// A frame with a datagram for `port` of that address.
fn frame(port: u16) -> Vec<u8> {
    let mut packet = ipv4(17, &udp(4000, port, b"hello, trace"));
    packet[12..16].copy_from_slice(&[198, 51, 100, 2]);
    packet[16..20].copy_from_slice(&[198, 51, 100, 1]);
    packet[10..12].fill(0);
    let words = packet[..20]
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    // The kernel does not check a datagram without a checksum.
    packet[26..28].fill(0);
    let mut frame = ethernet(0x0800, &packet);
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame
}

/// A frame that asks for the hardware address of another machine (ARP). The kernel frees it in the softirq that receives
/// it, with a record. A datagram for a program would do less well: since Linux 6.18, whether the kernel reports its end
/// depends on the CPU that the program runs on.
fn question() -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend([2, 0, 0, 0, 0, 2, 198, 51, 100, 2]);
    arp.extend([0, 0, 0, 0, 0, 0, 203, 0, 113, 7]);
    arp.resize(46, 0);
    let mut frame = ethernet(0x0806, &arp);
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame
}

/// Starts a trace of `name` that goes on until it is interrupted, and returns when it runs.
fn start(lab: &Lab, name: &str, more: &[&str]) -> Process {
    let mut command = lab.tool("hpcap-diag");
    command
        .args(["trace", "1h", "--json", "--interface", name])
        .args(more);
    let mut trace = Process::spawn(&mut command);
    trace.wait_for("tracing for");
    trace
}

/// Repeats `trace` until it has lost no record, and returns what it has printed. On a machine that is busy with other
/// frames, records are lost, and steps with them.
fn repeat_until_whole(mut trace: impl FnMut() -> String) -> String {
    let mut out = String::new();
    wait_until("a trace loses no record", || {
        out = trace();
        summary(&out)["lost"] == 0
    });
    out
}

/// Frames that no protocol of the kernel wanted, as the interface counts them.
fn dropped_by_interface(name: &str) -> u64 {
    let links: Value = serde_json::from_str(&ip(&format!("-s -j link show dev {name}"))).unwrap();
    links[0]["stats64"]["rx"]["dropped"].as_u64().unwrap()
}

/// Datagrams for ports that no program has, as the kernel counts them in this namespace.
fn datagrams_without_port() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
    let (names, numbers) = (lines.next().unwrap(), lines.next().unwrap());
    let at = names
        .split_whitespace()
        .position(|name| name == "NoPorts")
        .unwrap();
    numbers.split_whitespace().nth(at).unwrap().parse().unwrap()
}

/// The last line of a trace: all numbers.
fn summary(out: &str) -> Value {
    events(out).next_back().unwrap()
}

fn steps(frame: &Value) -> Vec<&str> {
    let steps = frame["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect()
}

#[test]
fn journey_of_a_frame_has_its_steps_in_order() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    in_namespace(move || {
        veth("trsnd0", "trrcv0");
        let out = repeat_until_whole(|| {
            let mut trace = start(&lab, "trrcv0", &["--frames", "3", "--buffer", "4M"]);
            let sender = FrameSender::visible("trsnd0");
            wait_until("three journeys are seen", || {
                sender.send(&question());
                !trace.is_running()
            });
            trace.wait().exits(0).out
        });
        let frames: Vec<Value> = events(&out)
            .filter(|event| event["event"] == "frame")
            .collect();
        assert_eq!(frames.len(), 3, "{}", out);
        for frame in &frames {
            let steps = steps(frame);
            let place = |wanted: &str| steps.iter().position(|step| *step == wanted);
            let order = [
                "queued",
                "start_send",
                "backlog",
                "softirq",
                "received",
                "freed",
            ]
            .map(place);
            assert!(
                order.iter().all(Option::is_some) && order.is_sorted(),
                "{frame}"
            );
            let times: Vec<u64> = frame["steps"]
                .as_array()
                .unwrap()
                .iter()
                .map(|step| step["time_ns"].as_u64().unwrap())
                .collect();
            assert!(times.is_sorted(), "{frame}");
            let received = &frame["steps"][place("received").unwrap()];
            assert_eq!(received["interface"], "trrcv0", "{frame}");
        }
        let all = summary(&out);
        let times = &all["interfaces"]["trrcv0"]["times"];
        assert!(
            all["interfaces"]["trsnd0"]["sent"].as_u64().unwrap() >= 1,
            "{all}"
        );
        let count = |latency: &str| times[latency]["count"].as_u64().unwrap_or(0);
        for latency in ["backlog", "softirq_to_received", "received_to_freed"] {
            assert!(count(latency) >= 3, "{latency}: {all}");
        }
    });
}

#[test]
fn drop_is_named_with_its_reason() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    in_namespace(move || {
        veth("trsnd1", "trrcv1");
        let out = repeat_until_whole(|| {
            let trace = start(&lab, "trrcv1", &["--buffer", "4M"]);
            let before = (dropped_by_interface("trrcv1"), datagrams_without_port());
            let sender = FrameSender::new("trsnd1");
            let mut unknown = ethernet(0x88b5, &[0; 50]);
            unknown[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
            (0..10).for_each(|_| sender.send(&unknown));
            (0..20).for_each(|_| sender.send(&frame(CLOSED)));
            wait_until("the kernel has dropped all frames", || {
                dropped_by_interface("trrcv1") >= before.0 + 10
                    && datagrams_without_port() >= before.1 + 20
            });
            trace.interrupt().exits(0).out
        });
        let all = summary(&out);
        let drops = |reason: &str| -> u64 {
            let kinds = all["drops"].as_array().unwrap().iter();
            kinds
                .filter(|kind| kind["reason"] == reason && kind["interface"] == "trrcv1")
                .map(|kind| kind["drops"].as_u64().unwrap())
                .sum()
        };
        assert_eq!(drops("NO_SOCKET"), 20, "{all}");
        assert_eq!(drops("UNHANDLED_PROTO"), 10, "{all}");
    });
}

#[test]
fn records_that_do_not_fit_are_counted() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    in_namespace(move || {
        veth("trsnd2", "trrcv2");
        let sender = FrameSender::new("trsnd2");
        let send = |frames| (0..frames).for_each(|_| sender.send(&frame(CLOSED)));
        let trace = start(&lab, "trrcv2", &["--buffer", "4K"]);
        trace.signal(Signal::SIGSTOP);
        send(1000);
        trace.signal(Signal::SIGCONT);
        let all = summary(&trace.interrupt().exits(0).out);
        assert!(all["lost"].as_u64().unwrap() > 0, "{all}");
    });
}

#[test]
fn unknown_interface_is_named() {
    let lab = Lab::new();
    let done = run(lab
        .tool("hpcap-diag")
        .args(["trace", "1", "--interface", "nosuch0"]))
    .exits(1);
    assert!(
        done.err.contains("there is none of that name"),
        "{}",
        done.err
    );
    assert!(
        run(lab
            .tool("hpcap-diag")
            .args(["trace", "1", "--buffer", "5K"]))
        .code()
            == Some(2)
    );
}
