//! What a trace says to people.

use std::fmt::Write;

use hpcap::visible::visible;

use super::Names;
use super::journey::Journey;
use super::statistics::{DropKind, Latency, Statistics, Times};
use super::summary::Summary;
use crate::report::wrap;

/// Widest bar of a histogram.
const BAR: u64 = 40;

/// A time in the unit that reads best.
#[must_use]
pub fn time(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

/// A kind of drop in words: `NO_SOCKET in __udp4_lib_rcv, rx0`.
#[must_use]
pub fn drop_kind(kind: &DropKind) -> String {
    let device = kind.device.as_deref().unwrap_or("unknown interface");
    format!("{} in {}, {device}", kind.reason, kind.function)
}

/// The steps of a frame, a step a line.
#[must_use]
pub fn journey(journey: &Journey, number: u64, began_ns: u64, names: &Names<'_>) -> String {
    let first = journey.steps.first().map_or(0, |step| step.time_ns);
    let mut out = format!(
        "frame {number}: {} bytes, at {:.6} s",
        journey.len,
        first.saturating_sub(began_ns) as f64 / 1e9
    );
    let mut before = first;
    for step in &journey.steps {
        let _ = write!(
            out,
            "\n  {:>10}  CPU {:<3} {:10} {}",
            format!("+{}", time(step.time_ns.saturating_sub(before))),
            step.cpu,
            visible(step.device.as_deref().unwrap_or("")),
            step.step.words()
        );
        before = step.time_ns;
    }
    match journey.drop {
        Some((reason, place)) => {
            let reason = names.reason(reason);
            let device = journey.steps.last().and_then(|step| step.device.as_deref());
            let function = names.place(&reason, place, device);
            let _ = write!(out, ": {} in {}", visible(&reason), visible(&function));
        }
        None if !journey.is_complete => out.push_str("\n              its end was not seen"),
        None => {}
    }
    out
}

/// Everything that was counted.
#[must_use]
pub fn summary(summary: &Summary, statistics: &Statistics) -> String {
    let mut out = format!(
        "{:.1} s: {} records, {} lost\n",
        summary.seconds, summary.records, summary.lost
    );
    let mut tell = |text: &str| wrap::write("  ", text, &mut out);
    summary.missing.iter().for_each(|text| tell(text));
    if summary.lost > 0 {
        tell(
            "Records were lost, so some frames lack steps, and all numbers are too low; a larger --buffer loses fewer, \
             and so does a trace of fewer frames.",
        );
    }
    if summary.untracked > 0 {
        tell(&format!(
            "{} frames were not followed, because too many were on their way.",
            summary.untracked
        ));
    }
    out.push_str("\n  interface          received  to programs     dropped        sent       polls  full polls\n");
    for (name, device) in &statistics.devices {
        let _ = writeln!(
            out,
            "  {:16} {:10} {:12} {:11} {:11} {:11} {:11}",
            visible(name),
            device.received,
            device.copied,
            device.dropped,
            device.sent,
            device.polls,
            device.full_polls
        );
    }
    drops(&mut out, statistics);
    out.push_str("\n  times                                      count        50 %        90 %        99 %     longest\n");
    for (latency, times) in &statistics.softirq {
        line(&mut out, "all", *latency, times);
    }
    for (name, device) in &statistics.devices {
        for (latency, times) in &device.times {
            line(&mut out, name, *latency, times);
        }
    }
    for (latency, times) in &statistics.softirq {
        histogram(&mut out, "all", *latency, times);
    }
    for (name, device) in &statistics.devices {
        for (latency, times) in &device.times {
            histogram(&mut out, name, *latency, times);
        }
    }
    let own = 100.0 * summary.own_cpu_seconds / summary.seconds.max(0.001);
    let _ = write!(
        out,
        "\n{} journeys with their end, {} without; hpcap-diag itself used {own:.1} % of a CPU.",
        statistics.complete, statistics.incomplete
    );
    out
}

fn drops(out: &mut String, statistics: &Statistics) {
    if statistics.drops.is_empty() {
        out.push_str("\n  No frame was dropped.\n");
        return;
    }
    let mut drops: Vec<_> = statistics
        .drops
        .iter()
        .map(|(kind, seconds)| (seconds.values().sum::<u64>(), kind, seconds))
        .collect();
    drops.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    out.push_str("\n     drops  in seconds  reason, function, interface\n");
    for (count, kind, seconds) in drops {
        let first = seconds.keys().next().copied().unwrap_or(0);
        let last = seconds.keys().next_back().copied().unwrap_or(0);
        let _ = writeln!(
            out,
            "  {count:8}  {:>10}  {}",
            format!("{first}-{last}"),
            visible(&drop_kind(kind))
        );
    }
}

fn line(out: &mut String, device: &str, latency: Latency, times: &Times) {
    let _ = writeln!(
        out,
        "  {:16} {:20} {:10} {:>11} {:>11} {:>11} {:>11}",
        visible(device),
        latency.words(),
        times.count(),
        time(times.quantile_ns(0.5)),
        time(times.quantile_ns(0.9)),
        time(times.quantile_ns(0.99)),
        time(times.max_ns())
    );
}

fn histogram(out: &mut String, device: &str, latency: Latency, times: &Times) {
    let _ = writeln!(out, "\n  {}, {}:", visible(device), latency.words());
    let classes = times.classes();
    let most = classes.iter().map(|(_, count)| *count).max().unwrap_or(1);
    for (end, count) in classes {
        let bar = usize::try_from((count * BAR).div_ceil(most)).unwrap_or(0);
        let _ = writeln!(
            out,
            "    up to {:>9} {count:10} {}",
            time(end),
            "#".repeat(bar)
        );
    }
}
