//! The findings of `hpcapctl doctor` on stored machines and on this one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod printed;

use std::process::Command;

use hpcap::{Count, Ledger, Reason};
use hpcap_host::interface::{Offloads, Pause, RingLengths};
use hpcap_host::process::Thread;
use hpcap_host::{PciDevice, Tree};
use hpcapctl::doctor::{
    CHECKS, Facts, Finding, InterfaceFacts, QueueFacts, SlowListener, State, examine, has_problem,
    render,
};
use tempfile::TempDir;
use testkit::machine::{two_nodes, unpack};

/// An 82599 with every setting that costs frames.
fn bad_interface(tree: &Tree) -> InterfaceFacts {
    InterfaceFacts {
        name: "hpcap0".into(),
        up: true,
        running: true,
        bits_per_second: Some(10_000_000_000),
        mtu: 1500,
        rx_errors: 12,
        offloads: Offloads {
            gro: true,
            lro: true,
            strips_vlan: false,
        },
        pause: Some(Pause {
            negotiates: true,
            obeys: true,
            sends: true,
        }),
        rings: Some(RingLengths {
            receive: 512,
            receive_limit: 4096,
            transmit: 512,
            transmit_limit: 4096,
        }),
        device: PciDevice::of_interface(tree, "hpcap0"),
    }
}

/// A queue that loses frames, polled by process 900 of the stored machine.
fn bad_queue(tree: &Tree) -> QueueFacts {
    let mut ledger = Ledger::default();
    ledger[Reason::Captured] = Count::new(900, 90_000);
    ledger[Reason::RingFull] = Count::new(90, 9_000);
    ledger[Reason::NicMissed] = Count::new(10, 0);
    QueueFacts {
        name: "hpcap0".into(),
        source: "hpcap0".into(),
        interface: "hpcap0".into(),
        ring_bytes: 64 << 20,
        page_bytes: 4096,
        ledger,
        losing: vec![(Reason::RingFull, 7)],
        poll_thread: Thread::of_process(tree, 900).pop(),
        slowest: Some(SlowListener {
            id: 3,
            program: "slow".into(),
            lossless: true,
            lag_bytes: 60 << 20,
        }),
    }
}

/// The stored machine with one interface and one queue; the folder lives as long as it is used.
fn bad_machine(changes: &str) -> (TempDir, Facts) {
    let (dir, tree) = two_nodes();
    unpack(changes, dir.path());
    let (interface, queue) = (bad_interface(&tree), bad_queue(&tree));
    let facts = Facts::of(tree, vec![interface], vec![queue], Vec::new());
    (dir, facts)
}

fn find<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings.iter().find(|f| f.check == check).unwrap()
}

#[test]
fn findings_are_text_for_people() {
    let (_dir, facts) = bad_machine("");
    let findings = examine(&facts);
    assert!(has_problem(&findings));
    insta::assert_snapshot!("text", render(&findings, false).unwrap());
}

#[test]
fn findings_are_json_for_programs() {
    let (_dir, facts) = bad_machine("");
    insta::assert_snapshot!("json", render(&examine(&facts), true).unwrap());
}

#[test]
fn machine_without_a_nic_gets_the_userspace_engine() {
    let dir = tempfile::tempdir().unwrap();
    let findings = examine(&Facts::of(
        Tree::at(dir.path()),
        Vec::new(),
        Vec::new(),
        Vec::new(),
    ));
    assert!(!has_problem(&findings));
    insta::assert_snapshot!("nothing_known", render(&findings, false).unwrap());
}

#[test]
fn more_serious_findings_come_first() {
    let (_dir, facts) = bad_machine("");
    let states: Vec<State> = examine(&facts).iter().map(|f| f.state).collect();
    assert!(states.is_sorted());
    assert!(states.contains(&State::Problem) && states.contains(&State::Ok));
}

#[test]
fn modules_of_two_versions_are_a_problem() {
    let (_dir, facts) = bad_machine("/sys/module/hpcap_ixgbe/version = 0.0.9\n");
    let findings = examine(&facts);
    let modules = find(&findings, "modules");
    assert_eq!(modules.state, State::Problem);
    let text = render(std::slice::from_ref(modules), false).unwrap();
    insta::assert_snapshot!("modules_of_two_versions", text);
}

#[test]
fn module_of_igb_counts_as_a_module() {
    let changes = "/sys/module/hpcap_igb/initstate = live\n/sys/module/hpcap_igb/version = 0.0.9\n";
    let (_dir, facts) = bad_machine(changes);
    assert_eq!(find(&examine(&facts), "modules").state, State::Problem);
}

#[test]
fn poll_thread_on_another_node_is_reported() {
    let (_dir, facts) =
        bad_machine("/proc/900/task/900/status = Name:\\tpoll\\nCpus_allowed_list:\\t0\n");
    let mut findings = examine(&facts);
    let concerned = ["numa-node", "isolated-cores", "interrupts", "irqbalance"];
    findings.retain(|finding| concerned.contains(&finding.check));
    insta::assert_snapshot!("other_node", render(&findings, false).unwrap());
}

#[test]
fn two_poll_threads_on_one_cpu_are_a_problem() {
    let (_dir, mut facts) = bad_machine("");
    let mut second = facts.queues[0].clone();
    second.name = "hpcap0:1".into();
    facts.queues.push(second);
    assert_eq!(find(&examine(&facts), "poll-thread").state, State::Problem);
}

#[test]
fn names_of_peers_cannot_control_the_terminal() {
    let (_dir, mut facts) = bad_machine("");
    facts.queues[0].slowest.as_mut().unwrap().program = "\x1b[2Jevil\n".into();
    for json in [false, true] {
        let text = render(&examine(&facts), json).unwrap();
        assert!(!text.contains('\x1b'), "{text}");
    }
}

#[test]
fn each_check_has_its_place_in_the_documents() {
    let text = include_str!("../../docs/tuning.md");
    let headings: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(headings, names);
}

#[test]
fn this_machine_is_examined() {
    let facts = Facts::gather(&[]).unwrap();
    let findings = examine(&facts);
    for name in ["nic", "isolated-cores", "clock-source", "queues"] {
        find(&findings, name);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut has_problem = false;
    for line in lines.lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        has_problem |= finding["state"] == "problem";
    }
    assert_eq!(output.status.code(), Some(i32::from(has_problem)));
}

#[test]
fn unknown_interface_is_refused_by_name() {
    let output = Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(["doctor", "no-such-if"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let _filters = printed::settings().bind_to_scope();
    insta::assert_snapshot!(
        "unknown_interface",
        String::from_utf8(output.stderr).unwrap()
    );
}
