//! The alerts for Prometheus and the dashboard for Grafana.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap::counters::{INTERFACE, LISTENER, QUEUE};
use testkit::process::run;
use testkit::skip;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../packaging")
        .join(name)
}

/// Returns the names of all metrics.
fn metrics() -> BTreeSet<String> {
    let of_monitor =
        fs::read_to_string(packaging("../hpcap-monitor/src/serve/metrics.rs")).unwrap();
    QUEUE
        .iter()
        .map(|row| row.metric())
        .chain(LISTENER.iter().map(|row| row.metric()))
        .chain(INTERFACE.iter().map(|row| row.metric()))
        .chain(names(&of_monitor).flat_map(|name| [format!("{name}_total"), name]))
        .collect()
}

/// Returns the words in `text` that begin as the name of a metric does.
fn names(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("hpcap_"))
        .map(str::to_owned)
}

#[test]
fn alerts_pass_their_tests() {
    if Command::new("promtool").arg("--version").output().is_err() {
        skip("promtool is not installed");
        return;
    }
    let rules = packaging("prometheus/hpcap.rules.yml");
    let _ = run(Command::new("promtool").args(["check", "rules"]).arg(rules)).exits(0);
    let tests = packaging("prometheus/hpcap.rules.test.yml");
    let _ = run(Command::new("promtool").args(["test", "rules"]).arg(tests)).exits(0);
}

#[test]
fn alerts_use_metrics_that_exist() {
    let text = fs::read_to_string(packaging("prometheus/hpcap.rules.yml")).unwrap();
    let known = metrics();
    let used: Vec<String> = text
        .lines()
        .filter(|line| line.contains("hpcap_") && !line.contains("description"))
        .flat_map(names)
        .collect();
    assert!(used.len() > 6, "{used:?}");
    for name in used {
        assert!(known.contains(&name), "{name}");
    }
}

#[test]
fn dashboard_uses_metrics_that_exist() {
    let text = fs::read_to_string(packaging("grafana/hpcap.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let known = metrics();
    let mut queries: Vec<String> = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            for name in names(query) {
                assert!(known.contains(&name), "{name} in {}", panel["title"]);
            }
            // The variables of Grafana stand where Prometheus expects values.
            let plain = query.replace("$__rate_interval", "1m");
            queries.push(plain.replace("$__range", "1h"));
        }
    }
    assert!(queries.len() > 10);
    check_syntax(&queries);
}

/// Fails unless Prometheus can parse the queries.
fn check_syntax(queries: &[String]) {
    if Command::new("promtool").arg("--version").output().is_err() {
        skip("promtool is not installed");
        return;
    }
    let rules: Vec<serde_json::Value> = (0..)
        .zip(queries)
        .map(|(n, query): (u32, _)| serde_json::json!({"record": format!("query:{n}"), "expr": query}))
        .collect();
    // JSON is YAML.
    let file = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.yml");
    fs::write(&path, file.to_string()).unwrap();
    let _ = run(Command::new("promtool").args(["check", "rules"]).arg(path)).exits(0);
}
