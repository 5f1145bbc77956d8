//! Which charts a run has: those for which it measured enough.

use hpcap_chart::Drawing;

use super::Value;
use super::bars::{self, Bar, Group};
use super::lines::{self, Axes, Curve};
use crate::report::{Figure, Unit};
use crate::run::{Measurement, Results};

/// A chart, and the name of its files.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    pub(super) name: &'static str,
    pub(super) drawing: Drawing,
}

/// A figure of a measurement, if it was measured.
type Figures = fn(&Measurement) -> Option<f64>;

fn cost(m: &Measurement) -> Option<f64> {
    Some(m.cost.user_ns + m.cost.kernel_ns)
}

fn lost(m: &Measurement) -> Option<f64> {
    Some(m.account.lost() as f64 / m.account.offered.frames.max(1) as f64 * 100.0)
}

fn latency(m: &Measurement) -> Option<f64> {
    m.account.latency.map(|l| l.p99_ns as f64 / 1e6)
}

const SPREAD: &str = "Medians; the thin line goes from the smallest to the largest measurement.";

/// Returns the charts of a run.
pub(super) fn charts(results: &Results) -> Vec<Chart> {
    let all = &results.measurements;
    let mut charts = Vec::new();
    let mut add_bars = |name, title: &str, unit: &str, of: Figures| {
        let groups = groups(all, of);
        if groups.is_empty() {
            return;
        }
        charts.push(Chart {
            name,
            drawing: bars::draw(title, SPREAD, unit, &groups),
        });
    };
    add_bars(
        "cost",
        "Processor time of the capturing program for each frame",
        "ns",
        cost,
    );
    if all.iter().any(|m| m.account.lost() > 0) {
        add_bars("lost", "Frames that were lost", "%", lost);
    }
    add_bars(
        "latency",
        "Time within which 99 % of the frames reach a program that reads",
        "ms",
        latency,
    );
    charts.extend(cost_by_size(all));
    charts.extend(cost_by_copies(all));
    charts
}

/// The distinct names, in the order in which they come.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// The name of the target, with the number of readers if there are several.
fn target(m: &Measurement) -> String {
    match m.consumers {
        1 => m.target.clone(),
        n => format!("{}, {n} readers", m.target),
    }
}

fn size(m: &Measurement) -> String {
    match m.size.as_str() {
        "imix" => "IMIX".into(),
        bytes => format!("{bytes} bytes"),
    }
}

/// The offered load, in words.
fn load(m: &Measurement) -> String {
    let rate = match m.rate.as_str() {
        "max" => "as fast as the sender can",
        rate => rate,
    };
    let copies = match m.copies {
        part if part > 0.0 => format!(", {} % copies", part * 100.0),
        _ => String::new(),
    };
    format!("{}, {rate}{copies}", size(m))
}

fn value<'a>(measurements: impl Iterator<Item = &'a Measurement>, of: Figures) -> Option<Value> {
    let figures: Vec<f64> = measurements.filter_map(of).collect();
    let figure = Figure::of(Unit::NsPerFrame, &figures);
    (figure.runs > 0).then_some(Value {
        median: figure.median,
        min: figure.min,
        max: figure.max,
    })
}

fn groups(all: &[Measurement], of: Figures) -> Vec<Group> {
    let targets = distinct(all.iter().map(target));
    let groups = distinct(all.iter().map(load)).into_iter().map(|name| {
        let bar = |(series, target_name): (usize, &String)| {
            let of_bar = all
                .iter()
                .filter(|m| load(m) == name && target(m) == *target_name);
            Some(Bar {
                series,
                name: target_name.clone(),
                value: value(of_bar, of)?,
            })
        };
        let bars = targets.iter().enumerate().filter_map(bar).collect();
        Group { name, bars }
    });
    groups.filter(|group| !group.bars.is_empty()).collect()
}

/// The curves of all targets over a number.
fn curves(
    all: &[&Measurement],
    number: fn(&Measurement) -> Option<f64>,
    of: Figures,
) -> (Vec<f64>, Vec<Curve>) {
    let mut numbers: Vec<f64> = all.iter().filter_map(|m| number(m)).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    let targets = distinct(all.iter().map(|m| target(m)));
    let curve = |(series, name): (usize, String)| {
        let points = numbers.iter().filter_map(|at| {
            let here = all
                .iter()
                .copied()
                .filter(|m| target(m) == name && number(m) == Some(*at));
            Some((*at, value(here, of)?))
        });
        Curve {
            series,
            points: points.collect(),
            name,
        }
    };
    let curves = targets.into_iter().enumerate().map(curve).collect();
    (numbers, curves)
}

fn cost_by_size(all: &[Measurement]) -> Option<Chart> {
    // One rate without copies makes a chart that can be read: the last, which is the highest.
    let rate = &all.last()?.rate;
    let chosen: Vec<&Measurement> = all
        .iter()
        .filter(|m| m.rate == *rate && m.copies == 0.0)
        .collect();
    let (marks, curves) = curves(&chosen, |m| m.size.parse().ok(), cost);
    let offered = match rate.as_str() {
        "max" => "Offered as fast as the sender can.".to_owned(),
        rate => format!("Offered: {rate}."),
    };
    (marks.len() > 1).then(|| Chart {
        name: "cost-by-size",
        drawing: lines::draw(
            "Processor time for each frame, by the length of frames",
            &format!("{offered} {SPREAD}"),
            Axes {
                x: "length of a frame, bytes without FCS",
                y: ["ns a frame", "µs a frame"],
                marks: &marks,
            },
            &curves,
        ),
    })
}

fn cost_by_copies(all: &[Measurement]) -> Option<Chart> {
    let (first, last) = (all.first()?, all.last()?);
    let chosen: Vec<&Measurement> = all
        .iter()
        .filter(|m| m.rate == last.rate && m.size == first.size)
        .collect();
    let (marks, curves) = curves(&chosen, |m| Some(m.copies * 100.0), cost);
    (marks.len() > 1).then(|| Chart {
        name: "cost-by-copies",
        drawing: lines::draw(
            "Processor time for each frame, by the part of copies",
            &format!(
                "{} hpcapd removes copies. {SPREAD}",
                size(all.first().unwrap_or(last))
            ),
            Axes {
                x: "copies, % of the frames that are sent",
                y: ["ns a frame", "µs a frame"],
                marks: &marks,
            },
            &curves,
        ),
    })
}
