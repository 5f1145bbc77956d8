//! `hpcap-monitor`, `hpcap-status` and `hpcap-diag` beside the module: the same numbers in every output.

use std::time::Instant;

use hpcap_e2e::monitor::grouped;
use hpcap_e2e::vm::{Ledger, Vm, Wanted, scaled};
use serde_json::Value;
use testkit::process::events;

vm_tests!(
    every_output_has_the_losses_of_the_nic: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M"),
    a_trace_sees_no_frames_of_the_module: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M"),
);

const SERVED: &str = "busybox wget -qO- http://127.0.0.1:9742";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn every_output_has_the_losses_of_the_nic(vm: &Vm) {
    vm.sh("ip link set lo up");
    let monitor = vm.background(
        "echo $$ >/out/monitor.pid
        exec hpcap-monitor run --interval 100ms --listen 127.0.0.1:9742 --basedir /out/log",
    );
    // The monitor must know the queue before its first loss, so as to know all of them.
    vm.until(&format!(
        "{SERVED}/metrics | grep -q hpcap_captured_packets_total{{"
    ));
    vm.until("cat /out/log/full/* 2>/dev/null | grep -q '\"hpcap0\":'");
    let recorder = vm.recorder("hpcap0", "raw");
    vm.flood(0, &format!("gen:size=imix,count={}", scaled(500_000)));
    vm.end_recorder(recorder, "raw");
    let (sent, ledger) = (vm.record(0).totals, vm.ledger("hpcap_0_0"));
    let missed = ledger["nic_missed"];
    assert!(missed > 0, "{sent:?}");
    assert_eq!(missed, sent.missed.frames);

    serves(vm, &ledger);
    let status = json(&vm.sh("hpcap-status --json --logs /out/log"));
    let queue = &status["queues"][0];
    for (reason, frames) in &ledger {
        assert_eq!(queue["ledger"][reason]["frames"], *frames, "{reason}");
    }
    let lost = missed + ledger["nic_error"] + ledger["ring_full"];
    assert_eq!(queue["losses"]["total"]["frames"], lost);
    let picture = vm.sh("COLUMNS=160 hpcap-status --once --logs /out/log");
    assert!(
        picture.contains("hpcap0 lost") || picture.contains("LOSING FRAMES  hpcap0"),
        "{picture}"
    );
    // Whether there is a problem depends on how long ago the last loss is.
    let said = vm.sh("hpcap-diag now --interval 1s --json || true");
    let found = events(&said).find(|finding| finding["rule"] == "losses-nic-missed");
    let evidence = found.unwrap()["evidence"].to_string();
    assert!(
        evidence.contains(&format!("nic_missed: {missed} frames of ")),
        "{evidence}"
    );

    vm.sh("kill -INT $(cat /out/monitor.pid)");
    let _ = monitor.finish();
    let report = json(&vm.sh("hpcap-monitor report hpcap0 --json --basedir /out/log"));
    let summary = &report["summary"];
    assert_eq!(summary["lost_frames"], lost, "{summary}");
    assert_eq!(summary["lost_by_cause"]["nic_missed"], missed, "{summary}");
    assert_eq!(
        summary["received_frames"],
        ledger.values().sum::<u64>() - lost,
        "{summary}"
    );
    let events = vm.sh("cat /out/log/events.jsonl");
    assert!(events.contains("hpcap0 loses frames"), "{events}");
}

/// Compares metrics and page with the ledger.
fn serves(vm: &Vm, ledger: &Ledger) {
    let metric = |family: &str, reason: &str| {
        let labels = match reason {
            "" => "{device=\"hpcap0\",queue=\"0\"}".to_owned(),
            reason => format!("{{device=\"hpcap0\",queue=\"0\",reason=\"{reason}\"}}"),
        };
        format!("hpcap_{family}_packets_total{labels}")
    };
    let all = metric("receive", "");
    let wire: u64 = ledger.values().sum();
    vm.until(&format!("{SERVED}/metrics | grep -qF '{all} {wire}'"));
    let metrics = vm.sh(&format!("{SERVED}/metrics"));
    for (name, frames) in [
        (metric("captured", ""), ledger["captured"]),
        (metric("dropped", "nic_missed"), ledger["nic_missed"]),
        (metric("dropped", "ring_full"), ledger["ring_full"]),
        (metric("discarded", "no_listener"), ledger["no_listener"]),
    ] {
        let line = format!("{name} {frames}");
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    let page = vm.sh(&format!("{SERVED}/"));
    for frames in [wire, ledger["captured"], ledger["nic_missed"]] {
        assert!(page.contains(&format!(">{}<", grouped(frames))), "{frames}");
    }
}

/// The poll thread takes frames before the network stack, so that none of them makes a record. What the tracepoints cost
/// a capture is printed: the time in which the guest takes the same frames, beside a trace and without one.
fn a_trace_sees_no_frames_of_the_module(vm: &Vm) {
    let frames = scaled(50_000);
    let receive = || {
        let began = Instant::now();
        vm.traffic(0, &format!("gen:size=60,count={frames}"));
        vm.settle();
        began.elapsed().as_secs_f64()
    };
    let mut ratios = Vec::new();
    let _ = receive();
    for round in 0..3 {
        let alone = receive();
        let trace = vm.background(&format!(
            "echo $$ >/out/trace.pid; exec hpcap-diag trace 1h --json >/out/trace{round} 2>/out/trace.err"
        ));
        vm.until("grep -q 'tracing for' /out/trace.err");
        let before = vm.ledger("hpcap_0_0");
        ratios.push(receive() / alone);
        let after = vm.ledger("hpcap_0_0");
        vm.sh("kill -INT $(cat /out/trace.pid); rm /out/trace.err");
        let _ = trace.finish();
        let all = events(&vm.sh(&format!("cat /out/trace{round}")))
            .next_back()
            .unwrap();
        let counted = after["no_listener"] - before["no_listener"];
        assert_eq!(counted, frames);
        assert_eq!(all["unreadable"], 0, "{all}");
        // The kernel may have tried to send a frame of its own, which the module dropped.
        let port = &all["interfaces"]["hpcap0"];
        for what in ["received", "copied", "polls"] {
            assert_eq!(port[what].as_u64().unwrap_or(0), 0, "{what}: {all}");
        }
        assert!(all["records"].as_u64().unwrap() < frames, "{all}");
    }
    println!("beside a trace, {frames} frames take {ratios:.2?} of their time");
}
