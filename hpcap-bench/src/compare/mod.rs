//! `hpcap-bench compare`: what is better or worse in the second of two results, and how sure that is.

mod interval;

use std::fmt;

use serde::Serialize;

use crate::run::{Measurement, Results};

pub use interval::Difference;

/// A figure that is compared. Less is better for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Part of the offered frames that are lost, in percent.
    LostPercent,
    /// Processor time of the target for each captured frame, in nanoseconds.
    CostNs,
    /// Processor time of sender and delivery for each sent frame, in nanoseconds.
    OutsideNs,
    /// Half of the frames are read within this time, in microseconds.
    LatencyUs,
    /// 99 % of the frames are read within this time, in microseconds.
    LatencyP99Us,
    /// Peak of the memory, in MiB.
    MemoryMib,
}

impl Metric {
    const ALL: [Self; 6] = [
        Self::LostPercent,
        Self::CostNs,
        Self::OutsideNs,
        Self::LatencyUs,
        Self::LatencyP99Us,
        Self::MemoryMib,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::LostPercent => "lost, %",
            Self::CostNs => "cost, ns a frame",
            Self::OutsideNs => "outside, ns a frame",
            Self::LatencyUs => "latency, median, us",
            Self::LatencyP99Us => "latency, 99 %, us",
            Self::MemoryMib => "memory, MiB",
        }
    }

    /// Returns the figure of a measurement; `None` where it was not measured.
    fn of(self, m: &Measurement) -> Option<f64> {
        let a = &m.account;
        let us = |ns: i64| ns as f64 / 1000.0;
        match self {
            Self::LostPercent => Some(a.lost() as f64 / a.offered.frames.max(1) as f64 * 100.0),
            Self::CostNs => Some(m.cost.user_ns + m.cost.kernel_ns),
            Self::OutsideNs => Some(m.cost.outside_ns),
            Self::LatencyUs => a.latency.map(|l| us(l.p50_ns)),
            Self::LatencyP99Us => a.latency.map(|l| us(l.p99_ns)),
            Self::MemoryMib => Some(m.memory_bytes as f64 / 1_048_576.0),
        }
    }
}

/// The judgement about one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The second results are better, at least with 95 % probability.
    Better,
    /// The second results are worse, at least with 95 % probability.
    Worse,
    /// No difference is certain.
    Same,
    /// There are too few measurements to judge.
    Unknown,
}

/// One compared figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Name of the measurement.
    pub what: String,
    /// The figure.
    pub metric: Metric,
    /// The difference; `None` with fewer than two measurements on a side.
    pub difference: Option<Difference>,
    /// The judgement.
    pub verdict: Verdict,
}

/// A comparison of two results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The compared figures.
    pub lines: Vec<Line>,
    /// What is in only one of the results.
    pub alone: Vec<String>,
    /// Properties in which the machines differ, so that the figures may differ for that reason.
    pub machines: Vec<String>,
}

/// Compares two results. Measurements belong together if they are of the same target under the same
/// load.
#[must_use]
pub fn compare(before: &Results, after: &Results) -> Comparison {
    let mut lines = Vec::new();
    let mut alone = Vec::new();
    let kinds = |results: &Results| {
        let mut kinds: Vec<String> = Vec::new();
        for m in &results.measurements {
            if !kinds.contains(&m.what()) {
                kinds.push(m.what());
            }
        }
        kinds
    };
    let (first, second) = (kinds(before), kinds(after));
    for what in &first {
        if !second.contains(what) {
            alone.push(format!("only in the first: {what}"));
            continue;
        }
        for metric in Metric::ALL {
            let sample = |results: &Results| -> Vec<f64> {
                let of_kind = results.measurements.iter().filter(|m| m.what() == *what);
                of_kind.filter_map(|m| metric.of(m)).collect()
            };
            let (a, b) = (sample(before), sample(after));
            if a.is_empty() || b.is_empty() {
                continue;
            }
            let difference = Difference::of(&a, &b);
            lines.push(Line {
                what: what.clone(),
                metric,
                difference,
                verdict: verdict(difference),
            });
        }
    }
    let only_second = second.iter().filter(|what| !first.contains(what));
    alone.extend(only_second.map(|what| format!("only in the second: {what}")));
    Comparison {
        lines,
        alone,
        machines: differences_of_machines(before, after),
    }
}

fn verdict(difference: Option<Difference>) -> Verdict {
    match difference {
        None => Verdict::Unknown,
        Some(d) if !d.is_certain() => Verdict::Same,
        Some(d) if d.high < 0.0 => Verdict::Better,
        Some(_) => Verdict::Worse,
    }
}

fn differences_of_machines(before: &Results, after: &Results) -> Vec<String> {
    let (a, b) = (&before.machine, &after.machine);
    let facts = [
        ("processor", a.processor.clone(), b.processor.clone()),
        ("processors", a.cpus.to_string(), b.cpus.to_string()),
        ("kernel", a.kernel.clone(), b.kernel.clone()),
        (
            "memory",
            a.memory_bytes.to_string(),
            b.memory_bytes.to_string(),
        ),
        (
            "optimised",
            a.optimised.to_string(),
            b.optimised.to_string(),
        ),
        (
            "mitigations",
            format!("{:?}", a.mitigations),
            format!("{:?}", b.mitigations),
        ),
    ];
    let different = facts.into_iter().filter(|(_, a, b)| a != b);
    different
        .map(|(what, a, b)| format!("{what}: {a}, then {b}"))
        .collect()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for machine in &self.machines {
            writeln!(f, "The machines differ: {machine}")?;
        }
        let mut what = "";
        for line in &self.lines {
            if line.what != what {
                what = &line.what;
                writeln!(f, "\n{what}")?;
            }
            let verdict = match line.verdict {
                Verdict::Better => "better",
                Verdict::Worse => "WORSE",
                Verdict::Same => "same",
                Verdict::Unknown => "unknown: measure each at least twice",
            };
            match line.difference {
                None => writeln!(f, "  {:<20} {verdict}", line.metric.name())?,
                Some(d) => writeln!(
                    f,
                    "  {:<20} {:>10.2} -> {:>10.2}   {:+.2} to {:+.2}   {verdict}",
                    line.metric.name(),
                    d.before,
                    d.after,
                    d.low,
                    d.high,
                )?,
            }
        }
        if !self.alone.is_empty() {
            writeln!(f)?;
        }
        for one in &self.alone {
            writeln!(f, "{one}")?;
        }
        let count = |verdict| self.lines.iter().filter(|l| l.verdict == verdict).count();
        write!(
            f,
            "\n{} better, {} worse, {} the same, {} unknown; intervals of 95 %, so one of twenty \
             figures differs by chance",
            count(Verdict::Better),
            count(Verdict::Worse),
            count(Verdict::Same),
            count(Verdict::Unknown),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Account, Cost, FORMAT, Offered, Passport};
    use crate::verify::Findings;

    /// Results with three measurements of one target, of which a frame costs `costs`.
    fn results(target: &str, costs: &[f64]) -> Results {
        let offered = Offered {
            frames: 1000,
            ..Offered::default()
        };
        let found = Findings {
            verified: 1000,
            ..Findings::default()
        };
        let measurements = costs.iter().enumerate().map(|(repeat, cost)| Measurement {
            target: target.into(),
            size: "60".into(),
            rate: "max".into(),
            copies: 0.0,
            consumers: 1,
            repeat,
            account: Account::new(offered, &found, None),
            cost: Cost {
                user_ns: *cost,
                ..Cost::default()
            },
            memory_bytes: 1 << 20,
        });
        Results {
            format: FORMAT,
            machine: Passport::here(&[]),
            command: String::new(),
            planned: costs.len(),
            measurements: measurements.collect(),
            unavailable: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn cost_of(comparison: &Comparison) -> Verdict {
        let line = comparison.lines.iter().find(|l| l.metric == Metric::CostNs);
        line.unwrap().verdict
    }

    #[test]
    fn difference_is_judged_with_its_uncertainty() {
        let before = results("a", &[100.0, 101.0, 99.0]);
        for (costs, verdict) in [
            (&[80.0, 81.0, 79.0][..], Verdict::Better),
            (&[120.0, 121.0, 119.0], Verdict::Worse),
            (&[80.0, 140.0, 60.0], Verdict::Same),
            (&[80.0], Verdict::Unknown),
        ] {
            let comparison = compare(&before, &results("a", costs));
            assert_eq!(cost_of(&comparison), verdict, "{costs:?}");
            assert!(comparison.machines.is_empty() && comparison.alone.is_empty());
        }
    }

    #[test]
    fn measurements_of_one_side_are_named() {
        let comparison = compare(&results("a", &[1.0, 2.0]), &results("b", &[1.0, 2.0]));
        assert!(comparison.lines.is_empty());
        assert_eq!(
            comparison.alone,
            [
                "only in the first: a, 60 B, max",
                "only in the second: b, 60 B, max"
            ]
        );
    }

    #[test]
    fn results_of_another_machine_are_named() {
        let mut other = results("a", &[1.0, 2.0]);
        other.machine.kernel = "2.6.32".into();
        let comparison = compare(&results("a", &[1.0, 2.0]), &other);
        assert!(comparison.machines[0].contains("then 2.6.32"));
    }
}
