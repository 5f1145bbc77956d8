//! What a trace says to programs.

use hpcap::visible::visible_json;
use serde_json::{Value, json};

use super::Names;
use super::journey::Journey;
use super::statistics::{Latency, Statistics, Times};

/// A trace that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How long it took.
    pub seconds: f64,
    /// Records of tracepoints.
    pub records: u64,
    /// Records that did not fit into a ring.
    pub lost: u64,
    /// Records that could not be read.
    pub unreadable: u64,
    /// Frames that were not followed.
    pub untracked: u64,
    /// Time of a CPU that hpcap-diag itself used.
    pub own_cpu_seconds: f64,
    /// What the kernel does not have, in sentences.
    pub missing: Vec<String>,
}

/// A line of JSON about everything that was counted.
#[must_use]
pub fn json_summary(summary: &Summary, statistics: &Statistics) -> String {
    let devices: serde_json::Map<String, Value> = statistics
        .devices
        .iter()
        .map(|(name, device)| {
            let value = json!({
                "received": device.received,
                "copied": device.copied,
                "dropped": device.dropped,
                "sent": device.sent,
                "refused_by_driver": device.busy,
                "polls": device.polls,
                "full_polls": device.full_polls,
                "times": times(&device.times),
            });
            (name.to_string(), value)
        })
        .collect();
    let drops: Vec<Value> = statistics
        .drops
        .iter()
        .map(|(kind, seconds)| {
            json!({
                "interface": kind.device.as_deref(),
                "reason": kind.reason,
                "function": kind.function,
                "drops": seconds.values().sum::<u64>(),
                "by_second": seconds,
            })
        })
        .collect();
    line(&json!({
        "event": "summary",
        "seconds": summary.seconds,
        "records": summary.records,
        "lost": summary.lost,
        "unreadable": summary.unreadable,
        "untracked": summary.untracked,
        "missing": summary.missing,
        "own_cpu_seconds": summary.own_cpu_seconds,
        "complete": statistics.complete,
        "incomplete": statistics.incomplete,
        "softirq": times(&statistics.softirq),
        "interfaces": devices,
        "drops": drops,
    }))
}

fn times(times: &std::collections::BTreeMap<Latency, Times>) -> Value {
    let value = |times: &Times| {
        json!({
            "count": times.count(),
            "p50_ns": times.quantile_ns(0.5),
            "p90_ns": times.quantile_ns(0.9),
            "p99_ns": times.quantile_ns(0.99),
            "max_ns": times.max_ns(),
            "up_to_ns": times.classes(),
        })
    };
    let entries = times
        .iter()
        .map(|(latency, times)| (latency.key().to_owned(), value(times)));
    Value::Object(entries.collect())
}

/// A line of JSON about a frame.
#[must_use]
pub fn json_journey(journey: &Journey, number: u64, names: &Names<'_>) -> String {
    let steps: Vec<Value> = journey
        .steps
        .iter()
        .map(|step| {
            json!({
                "step": step.step,
                "time_ns": step.time_ns,
                "cpu": step.cpu,
                "interface": step.device.as_deref(),
            })
        })
        .collect();
    let drop = journey.drop.map(|(reason, place)| {
        let reason = names.reason(reason);
        let device = journey.steps.last().and_then(|step| step.device.as_deref());
        let function = names.place(&reason, place, device);
        json!({"reason": reason, "function": function})
    });
    line(&json!({
        "event": "frame",
        "number": number,
        "len": journey.len,
        "complete": journey.is_complete,
        "steps": steps,
        "drop": drop,
    }))
}

fn line(value: &Value) -> String {
    visible_json(&value.to_string()).into_owned()
}
