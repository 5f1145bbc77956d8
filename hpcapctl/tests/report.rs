//! Tests of reports about a queue that an engine in this process serves.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use hpcap::QueueName;
use hpcap::dedup::DedupSettings;
use hpcap::report::{DedupReport, QueueReport, json_line};
use hpcap_engine::{Engine, EngineConfig};

fn start_engine(dedup: Option<&str>) -> Engine {
    let source = "gen:rate=1000pps".parse().unwrap();
    let mut config = EngineConfig::new(QueueName::new(3, 1), source);
    config.ring_bytes = 1 << 20;
    config.dedup = dedup.map(|text| text.parse().unwrap());
    Engine::start(&config).unwrap().0
}

/// Replaces the values that differ from run to run: the process id and every count.
fn filters() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"pid \d+", "pid [PID]");
    settings.add_filter(r#""pid": \d+"#, r#""pid": "[PID]""#);
    settings.add_filter(
        r"(on the wire|captured|no_listener) +\d+ frames +\S+ \S+",
        "$1 [FRAMES] frames [BYTES]",
    );
    settings.add_filter(
        r#""(frames|bytes|published_bytes|page_bytes|longest_pause_ns)": \d+"#,
        r#""$1": "[N]""#,
    );
    settings.add_filter(r"in \d+ KiB pages", "in [PAGE] pages");
    settings
}

#[test]
fn report_shows_the_current_dedup() {
    let engine = start_engine(Some("window=1000,age=1500us,ignore=ipsum+mac,action=mark"));
    // The text has a line only for reasons that have a frame, so this waits for the first one.
    while engine.queue().ledger().ledger.on_the_wire().is_zero() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let report = QueueReport::of(engine.queue());
    let _filters = filters().bind_to_scope();
    let line = json_line(&report).unwrap();
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&object).unwrap());
    insta::assert_snapshot!("text", report.to_string());

    engine.set_dedup(Some(DedupSettings::default())).unwrap();
    let dedup = DedupReport::of(engine.queue()).unwrap();
    insta::assert_snapshot!("default_dedup", json_line(&dedup).unwrap());
    engine.set_dedup(None).unwrap();
    let dedup = DedupReport::of(engine.queue()).unwrap();
    insta::assert_snapshot!("no_dedup", json_line(&dedup).unwrap());
    assert_eq!(dedup.text, "off");
}

#[test]
fn queue_answers_with_all_settings() {
    let longest = "window=16,bytes=2048,age=18446744073709551615ns,renew=off,\
                   ignore=ttl+ipsum+vlan+mac,action=mark";
    let engine = start_engine(None);
    assert!(!DedupReport::of(engine.queue()).unwrap().enabled);
    engine.set_dedup(Some(longest.parse().unwrap())).unwrap();
    let dedup = DedupReport::of(engine.queue()).unwrap();
    assert_eq!(dedup.text, longest);
    assert_eq!(dedup.settings.unwrap().age_ns, u64::MAX);
}
