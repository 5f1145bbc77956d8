//! The table of counters: its document, its names, and its agreement with `hpcapctl status --json`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hpcap::counters::{Counter, INTERFACE, Kind, LISTENER, QUEUE, QueueReading, page};
use hpcap::report::QueueStatus;
use hpcap::{Count, Reason};
use hpcap_engine::{Engine, EngineConfig};
use serde_json::Value;

#[test]
fn document_of_the_counters_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/counters.md");
    if std::env::var_os("HPCAP_WRITE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        written,
        page(),
        "HPCAP_WRITE_DOCS=1 writes docs/counters.md anew"
    );
}

/// Fails unless the names of `rows` follow the rules of Prometheus.
fn check_names<S>(rows: &[Counter<S>]) {
    let mut series = BTreeSet::new();
    let mut keys = BTreeSet::new();
    let mut families: Vec<&str> = Vec::new();
    for row in rows {
        assert!(series.insert((row.metric(), row.reason)), "{}", row.key);
        assert!(keys.insert(row.key), "{}", row.key);
        assert!(row.family.starts_with("hpcap_"), "{}", row.family);
        assert!(
            row.family
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{}",
            row.family
        );
        assert!(
            !row.family.ends_with("_total"),
            "metric() adds it: {}",
            row.family
        );
        let last = families.last();
        assert!(
            last == Some(&row.family) || !families.contains(&row.family),
            "the rows of {} do not stand together",
            row.family
        );
        families.push(row.family);
    }
}

#[test]
fn metrics_have_names_that_prometheus_takes() {
    check_names(QUEUE);
    check_names(LISTENER);
    check_names(INTERFACE);
}

#[test]
fn every_reason_of_the_ledger_has_rows() {
    for reason in Reason::ledger() {
        for unit in ["frames", "bytes"] {
            let key = format!("ledger.{reason}.{unit}");
            assert!(QUEUE.iter().any(|row| row.key == key), "{key}");
        }
    }
}

#[test]
fn rows_of_the_ledger_add_up() {
    let mut reading = QueueReading::default();
    for (power, reason) in (0..).zip(Reason::ledger()) {
        reading.counts.ledger[*reason] = Count::new(1 << power, 100 << power);
    }
    for unit in ["frames", "bytes"] {
        let sum: u64 = QUEUE
            .iter()
            .filter(|row| row.key.starts_with("ledger.") && row.key.ends_with(unit))
            .map(|row| row.value(&reading))
            .sum();
        let all = QUEUE
            .iter()
            .find(|row| row.key == format!("on_the_wire.{unit}"));
        assert_eq!(all.unwrap().value(&reading), sum, "{unit}");
    }
}

/// Returns the number at `key` of `object`; a flag is 1 or 0.
fn number_at(object: &Value, key: &str) -> u64 {
    let value = key.split('.').fold(object, |inner, key| &inner[key]);
    match value {
        Value::Bool(flag) => u64::from(*flag),
        number => number
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {number} in {object}")),
    }
}

#[test]
fn status_has_the_keys_of_the_table() {
    let config = EngineConfig {
        ring_bytes: 4 << 20,
        look_back: true,
        ..EngineConfig::new(
            "hpcap0".parse().unwrap(),
            "gen:size=100,count=1000".parse().unwrap(),
        )
    };
    let (engine, _) = Engine::start(&config).unwrap();
    let queue = engine.queue();
    while queue.page().end().is_none() {
        std::thread::yield_now();
    }
    let status = serde_json::to_value(QueueStatus::of(queue)).unwrap();
    let reading = QueueReading::of(queue);
    for row in QUEUE {
        assert_eq!(
            number_at(&status, row.key),
            row.value(&reading),
            "{}",
            row.key
        );
    }
    assert_eq!(number_at(&status, "on_the_wire.frames"), 1000);
    assert!(QUEUE.iter().any(|row| row.kind == Kind::Gauge));
}
