//! `hpcap-monitor` and `hpcap-status` beside 64 queues and 64 network interfaces at once.

use std::fs;

use hpcap::QueueName;
use hpcap_e2e::daemon::Daemon;
use hpcap_e2e::lab::Lab;
use hpcap_e2e::monitor::Monitor;
use hpcap_e2e::screen::Screen;
use serde_json::Value;
use testkit::is_root_or_skips;
use testkit::network::{FrameSender, create_veth_pair, in_namespace, ip};
use testkit::process::{events, run};
use testkit::wait::wait_until;

/// Starts a daemon with 64 queues: 4 adapters with 16 queues, or as many adapters. The last queue has more frames than
/// the others.
fn daemon(lab: &Lab, queues_of_an_adapter: u32) -> Daemon<'_> {
    let sources: Vec<String> = (0..64_u32)
        .map(|n| {
            let name = QueueName::new(n / queues_of_an_adapter, n % queues_of_an_adapter);
            let rate = if n == 63 { 1000 } else { 100 };
            format!("{name}=gen:rate={rate}pps,late=delay,size=60")
        })
        .collect();
    let mut args = vec!["--ring", "1M", "--look-back"];
    args.extend(sources.iter().map(String::as_str));
    Daemon::start(lab, &args)
}

#[test]
fn monitor_samples_64_queues_and_64_interfaces() {
    if !is_root_or_skips("network namespaces") {
        return;
    }
    in_namespace(|| {
        ip("link set lo up");
        for n in 0..32 {
            create_veth_pair(&format!("many{n}a"), &format!("many{n}b"), 1500);
        }
        let lab = Lab::new();
        let daemon = daemon(&lab, 16);
        let monitor = Monitor::start(&lab, &[]);
        let received = |n: u32| {
            let device = format!("{{device=\"many{n}b\"}}");
            monitor.metric(&format!("hpcap_interface_receive_packets_total{device}"))
        };
        let count = |family: &str| {
            let text = monitor.get("/metrics");
            text.lines().filter(|l| l.starts_with(family)).count()
        };
        wait_until("64 queues", || count("hpcap_captured_packets_total{") == 64);
        // The interfaces of the pairs, and the loopback interface.
        let interfaces = count("hpcap_interface_receive_packets_total{");
        assert!((64..=65).contains(&interfaces), "{interfaces}");
        // Interface N gets N + 1 frames, and no other one does.
        for n in 0..32 {
            let sender = FrameSender::new(&format!("many{n}a"));
            (0..=n).for_each(|_| sender.send(&[0xff; 100]));
        }
        wait_until("the frames of each interface", || {
            (0..32).all(|n| received(n) == Some(u64::from(n) + 1))
        });
        wait_until("a row of each adapter and interface", || {
            let adapters = (0..4).map(|n| format!("hpcap{n}"));
            let interfaces = (0..32).flat_map(|n| [format!("many{n}a"), format!("many{n}b")]);
            adapters
                .chain(interfaces)
                .all(|name| !monitor.rows(&name).is_empty())
        });
        wait_until("all of them on the page", || {
            let page = monitor.get("/");
            (0..4).all(|n| page.contains(&format!(">hpcap{n}<")))
                && (0..32).all(|n| page.contains(&format!(">many{n}b<")))
                && (1..16).all(|n| page.contains(&format!(">hpcap3:{n}<")))
        });
        let log = monitor.log.clone();
        let _ = monitor.process.interrupt().exits(0);
        let files = fs::read_dir(log.join("full")).unwrap();
        let text: String = files
            .filter_map(|file| fs::read_to_string(file.unwrap().path()).ok())
            .collect();
        let last = events(&text).rfind(Value::is_object).unwrap();
        assert_eq!(last["queues"].as_object().unwrap().len(), 64);
        assert!(last["interfaces"].as_object().unwrap().len() >= 64);
        let mut report = lab.tool("hpcap-monitor");
        report.args(["report", "many31b", "--json", "--basedir"]);
        let report = run(report.arg(&log)).exits(0).out;
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["summary"]["received_frames"], 32, "{report}");
        let _ = daemon.stop();
    });
}

#[test]
fn status_sorts_and_scrolls_64_queues() {
    let lab = Lab::new();
    let daemon = daemon(&lab, 1);
    let mut command = lab.tool("hpcap-status");
    command
        .args(["--logs", "none", "--interval", "100ms"])
        .env("LC_ALL", "C.UTF-8");
    let json = run(lab.tool("hpcap-status").args(["--logs", "none", "--json"])).exits(0);
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["queues"].as_array().unwrap().len(), 64);
    let mut screen = Screen::start(&command, (80, 24), true);
    // Names are sorted by their numbers, and the heading says how many there are.
    screen.wait_for("64 queues");
    screen.wait_for(">hpcap0 ");
    assert!(!screen.text().contains("hpcap63"), "{}", screen.text());
    // End shows the last one, Home the first one, and Up at the first one stays there.
    screen.press_for("\x1b[F", ">hpcap63 ");
    screen.press_for("\x1b[H", ">hpcap0 ");
    screen.press("k");
    for at in 1..=9 {
        screen.press_for("j", &format!(">hpcap{at} "));
    }
    // The busiest comes first, once all rates are known, and the selection stays with its queue.
    screen.press_for("s", "wire\u{25bc}");
    wait_until("the busiest queue", || {
        screen.press("\x1b[H");
        screen.text().contains(">hpcap63 ")
    });
    screen.press_for("\r", "ledger:");
    screen.press_for("\x1b", "Enter detail");
    screen.resize((200, 100));
    wait_until("all queues on a tall terminal", || {
        let text = screen.text();
        (0..64).all(|n| text.contains(&format!("hpcap{n} ")))
    });
    screen.press("q");
    assert!(screen.wait().success());
    let _ = daemon.stop();
}
