//! Listeners of a queue that an engine in this process serves: how they are shown, and which of
//! them hold the ring back.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use hpcap::{Contract, Queue, QueueName, Request, Start};
use hpcap_engine::{Engine, EngineConfig};
use hpcapctl::kill::{Verdict, judge};
use hpcapctl::listeners::{ListenerLine, text};

fn start_engine() -> Engine {
    let source = "gen:size=1000,rate=100Mbps".parse().unwrap();
    let mut config = EngineConfig::new(QueueName::new(3, 1), source);
    config.ring_bytes = 1 << 20;
    Engine::start(&config).unwrap().0
}

fn attach(queue: &Queue, name: &str, contract: Contract) -> hpcap::Listener {
    let request = Request {
        contract,
        start: Start::Newest,
        program: name.into(),
    };
    queue.attach(&request).unwrap()
}

/// Waits until `condition` holds; the test fails if it does not within a minute.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn listeners_are_described() {
    let engine = start_engine();
    let queue = engine.queue();
    let _stuck = attach(queue, "stuck\u{1b}[2J", Contract::Lossless);
    let _live = attach(queue, "live", Contract::Lossy);
    let lag = || ListenerLine::all(queue)[0].status.lag_bytes;
    wait_until("the ring is full", || lag() + (200 << 10) > 1 << 20);
    let lines = ListenerLine::all(queue);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].holds_ring && !lines[1].holds_ring);
    assert!(lines[0].kill_effect.starts_with("frees "), "{:?}", lines[0]);
    assert!(
        lines[1]
            .kill_effect
            .starts_with("changes nothing for the ring")
    );
    let command = lines[0].command.as_deref().unwrap();
    assert!(command.contains("listeners"), "{command}");
    let shown = text(&lines);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    assert!(shown.contains("stuck\\x1b[2J"), "{shown}");
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"(?m)^(\S+ +\d+  .{16}) +\d+  \S+ +", "$1 [PID] [USER] ");
    settings.add_filter(r" +\d[\d.]* (B|KiB|MiB) +\d+%", " [LAG]");
    settings.add_filter(r"\d[\d.]* (B|KiB|MiB)", "[BYTES]");
    settings.add_filter(r"command: .*", "command: [COMMAND]");
    let _filters = settings.bind_to_scope();
    insta::assert_snapshot!("text", shown);
    insta::assert_snapshot!("none", text(&[]));
}

#[test]
fn verdict_needs_a_full_ring() {
    let judge = |waits, before, after| judge(waits, 1000, 100, before, after);
    assert_eq!(judge(true, (950, 7), (950, 7)), Verdict::Blocked);
    assert_eq!(judge(true, (950, 7), (950, 8)), Verdict::Slow);
    assert_eq!(judge(true, (850, 7), (950, 7)), Verdict::Harmless);
    assert_eq!(judge(true, (950, 7), (10, 990)), Verdict::Harmless);
    assert_eq!(judge(false, (950, 7), (950, 7)), Verdict::Harmless);
}
