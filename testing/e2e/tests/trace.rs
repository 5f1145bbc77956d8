//! `hpcap-diag trace` of known frames on a veth pair.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use hpcap_e2e::lab::Lab;
use hpcap_e2e::tracing::{
    CLOSED, can_trace_or_skips, dropped_by_interface, drops_at, frame, kinds_at, question,
    repeat_until_whole, sent_by_interface, start, summary, veth,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::network::{FrameSender, create_veth_pair, in_namespace};
use testkit::packets::ethernet;
use testkit::process::{Process, events, run};
use testkit::skip;
use testkit::wait::wait_until;

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
        let drops = |wanted: &str| drops_at(&all, "trrcv1", |reason, _| reason == wanted);
        assert_eq!(drops("NO_SOCKET"), 20, "{all}");
        assert_eq!(drops("UNHANDLED_PROTO"), 10, "{all}");
    });
}

#[test]
fn frames_of_other_interfaces_cost_few_records() {
    const OTHERS: u64 = 2000;
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    in_namespace(move || {
        // IPv6 would send frames of its own, whenever it likes.
        let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        create_veth_pair("trsnd3", "trrcv3", 1500);
        create_veth_pair("trsnd4", "trrcv4", 1500);
        let send = || {
            let before = ["trrcv3", "trrcv4"].map(dropped_by_interface);
            let [wanted, other] = ["trsnd3", "trsnd4"].map(FrameSender::visible);
            let unknown = ethernet(0x88b5, &[0; 50]);
            for at in 0..OTHERS {
                other.send(&unknown);
                if at % 100 == 0 {
                    wanted.send(&unknown);
                }
            }
            wait_until("the kernel has dropped all frames", || {
                dropped_by_interface("trrcv3") >= before[0] + OTHERS / 100
                    && dropped_by_interface("trrcv4") >= before[1] + OTHERS
            });
        };
        let trace = |options: &[&str]| {
            let mut all = Value::Null;
            wait_until("a trace loses no record", || {
                let mut command = lab.tool("hpcap-diag");
                command.args(["trace", "1h", "--json", "--buffer", "4M"]);
                let mut trace = Process::spawn(command.args(options));
                trace.wait_for("tracing for");
                send();
                all = summary(&trace.interrupt().exits(0).out);
                all["lost"] == 0
            });
            all
        };
        let every = trace(&[]);
        let one = trace(&["--interface", "trrcv3"]);
        assert_eq!(one["missing"], every["missing"]);
        // The same answer about this interface, and the end of the pair that sends.
        let kind = |kind: &Value| ["reason", "function", "drops"].map(|key| kind[key].clone());
        let kinds = |all: &Value| kinds_at(all, "trrcv3").map(kind).collect::<Vec<_>>();
        assert_eq!(kinds(&one), kinds(&every));
        assert_eq!(kinds(&one)[0][2], OTHERS / 100, "{one}");
        for count in ["received", "dropped", "sent"] {
            for name in ["trrcv3", "trsnd3"] {
                let of = |all: &Value| all["interfaces"][name][count].clone();
                assert_eq!(of(&one), of(&every), "{count} of {name}");
            }
        }
        let times = |all: &Value, latency: &str| {
            all["interfaces"]["trrcv3"]["times"][latency]["count"].clone()
        };
        for latency in ["backlog", "softirq_to_received", "received_to_dropped"] {
            assert_eq!(times(&one, latency), OTHERS / 100, "{latency}: {one}");
            assert_eq!(times(&one, latency), times(&every, latency), "{latency}");
        }
        assert_eq!(one["interfaces"]["trrcv4"], Value::Null, "{one}");
        let records = |all: &Value| all["records"].as_u64().unwrap();
        println!("records: {} of {}", records(&one), records(&every));
        // Of the nine records of a frame through the other pair, five are left: that it was queued, received and dropped,
        // and the softirq that received it alone. A softirq that receives more has two for all of them.
        assert!(records(&every) >= 7 * OTHERS, "{every}");
        assert!(3 * records(&one) < 2 * records(&every), "{one}");
    });
}

#[test]
fn drop_by_netfilter_is_named() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    if Command::new("nft").arg("--version").output().is_err() {
        return skip("nft is not installed");
    }
    in_namespace(move || {
        veth("trsnd5", "trrcv5");
        let rules = "add table ip t; \
            add chain ip t in { type filter hook prerouting priority 0; }; \
            add counter ip t dropped; \
            add rule ip t in udp dport 4243 counter name dropped drop";
        let done = run(Command::new("nft").arg(rules));
        if done.code() != Some(0) {
            return skip(&format!(
                "this kernel has no filter of nft: {}",
                done.err.trim()
            ));
        }
        let dropped = || {
            let list = run(Command::new("nft").args(["list", "counter", "ip", "t", "dropped"]));
            let words: Vec<&str> = list.out.split_whitespace().collect();
            let at = words.iter().position(|word| *word == "packets").unwrap();
            words[at + 1].parse::<u64>().unwrap()
        };
        let out = repeat_until_whole(|| {
            let trace = start(&lab, "trrcv5", &["--buffer", "4M"]);
            let before = dropped();
            let sender = FrameSender::new("trsnd5");
            (0..20).for_each(|_| sender.send(&frame(CLOSED)));
            wait_until("the rule has dropped all frames", || {
                dropped() >= before + 20
            });
            trace.interrupt().exits(0).out
        });
        let all = summary(&out);
        let by_netfilter = drops_at(&all, "trrcv5", |reason, function| {
            let is_of_netfilter = ["nf_", "nft_"]
                .iter()
                .any(|part| function.starts_with(part));
            reason == "NETFILTER_DROP" && is_of_netfilter
        });
        assert_eq!(by_netfilter, 20, "{all}");
    });
}

#[test]
fn drop_by_traffic_control_is_named() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    in_namespace(move || {
        veth("trsnd6", "trrcv6");
        // A program of one instruction, which drops every frame that comes in: "return TC_ACT_SHOT".
        let drop_all = ["bpf", "direct-action", "bytecode", "1,6 0 0 2,"];
        let add_filter = ["filter", "add", "dev", "trrcv6", "ingress"];
        let steps = [
            ["qdisc", "add", "dev", "trrcv6", "clsact"].to_vec(),
            [&add_filter[..], &drop_all].concat(),
        ];
        for step in steps {
            let done = run(Command::new("tc").args(&step));
            if done.code() != Some(0) {
                let why = done.err.trim();
                return skip(&format!("this kernel refuses tc {step:?}: {why}"));
            }
        }
        let out = repeat_until_whole(|| {
            let trace = start(&lab, "trrcv6", &["--buffer", "4M"]);
            let before = sent_by_interface("trsnd6");
            let sender = FrameSender::new("trsnd6");
            (0..20).for_each(|_| sender.send(&frame(CLOSED)));
            wait_until("all frames are sent", || {
                sent_by_interface("trsnd6") >= before + 20
            });
            trace.interrupt().exits(0).out
        });
        let all = summary(&out);
        let by_filter = drops_at(&all, "trrcv6", |reason, function| {
            reason == "TC_INGRESS" && function.contains("netif_receive_skb")
        });
        assert_eq!(by_filter, 20, "{all}");
    });
}

/// The state of tracefs that outlives a process, and the mounts of a process.
fn traces_left(mounts: &str) -> Vec<String> {
    let files = [
        "current_tracer",
        "set_event",
        "dynamic_events",
        "tracing_on",
    ];
    let tracing = files.map(|name| format!("/sys/kernel/tracing/{name}"));
    let paths = tracing.iter().map(String::as_str).chain([mounts]);
    paths
        .map(|path| fs::read_to_string(path).unwrap_or_default())
        .collect()
}

/// How many perf events a process has open; 0 once it has ended.
fn open_events(pid: u32) -> usize {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return 0;
    };
    let targets = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    targets
        .filter(|target| target.as_os_str() == "anon_inode:[perf_event]")
        .count()
}

#[test]
fn killed_trace_leaves_nothing_behind() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    let before = traces_left("/proc/self/mounts");
    let mut trace = Process::spawn(lab.tool("hpcap-diag").args(["trace", "1h", "--json"]));
    trace.wait_for("tracing for");
    let pid = trace.pid();
    assert!(open_events(pid) > 0);
    // A child would have kept the events open.
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    assert_eq!(children.unwrap_or_default(), "");
    assert_eq!(trace.kill().signal(), Some(Signal::SIGKILL));
    assert_eq!(open_events(pid), 0);
    assert_eq!(traces_left("/proc/self/mounts"), before);
}

#[test]
fn trace_mounts_tracefs_for_itself_alone() {
    let lab = Lab::new();
    if !can_trace_or_skips(&lab) {
        return;
    }
    let tool = lab.tool("hpcap-diag");
    let mut command = Command::new("unshare");
    // The mounts of this process stay as they are.
    command.args(["--mount", "sh", "-c"]);
    let script = "while umount /sys/kernel/tracing 2>/dev/null; do :; done; umount -l /sys/kernel/debug 2>/dev/null
        ! test -e /sys/kernel/tracing/events || exit 9
        exec \"$0\" trace 1h --json";
    command.arg(script).arg(Path::new(tool.get_program()));
    let mut trace = Process::spawn(&mut command);
    trace.wait_for("tracing for");
    let pid = trace.pid();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
    assert!(!mounts.contains(" tracefs "), "{mounts}");
    let all = summary(&trace.interrupt().exits(0).out);
    assert_eq!(all["unreadable"], 0, "{all}");
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
