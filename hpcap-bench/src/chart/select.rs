//! Which charts a run has: those for which it measured enough.

use hpcap_chart::Drawing;

use super::Value;
use super::bars::{self, Bar, Group};
use super::lines::{self, Axes, Curve};
use super::published;
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

/// Captured bits a second in units of 1e9.
fn captured(m: &Measurement) -> Option<f64> {
    Some(m.account.captured_bytes as f64 * 8.0 / m.account.offered.seconds.max(1e-9) / 1e9)
}

/// Offered bits a second in units of 1e9.
fn offered(m: &Measurement) -> Option<f64> {
    Some(m.account.offered.bytes as f64 * 8.0 / m.account.offered.seconds.max(1e-9) / 1e9)
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
    charts.extend(captured_by_size(all));
    charts.extend(cost_by_size(all));
    charts.extend(by_copies(all, &COST_BY_COPIES));
    if all.iter().any(|m| m.account.lost() > 0) {
        charts.extend(by_copies(all, &LOST_BY_COPIES));
    }
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

/// A chart over the part of copies.
struct ByCopies {
    name: &'static str,
    title: &'static str,
    y: [&'static str; 2],
    of: Figures,
}

const COST_BY_COPIES: ByCopies = ByCopies {
    name: "cost-by-copies",
    title: "Processor time for each frame, by the part of copies",
    y: ["ns a frame", "µs a frame"],
    of: cost,
};

const LOST_BY_COPIES: ByCopies = ByCopies {
    name: "lost-by-copies",
    title: "Frames that were lost, by the part of copies",
    y: ["% of the frames", ""],
    of: lost,
};

fn by_copies(all: &[Measurement], chart: &ByCopies) -> Option<Chart> {
    let (first, last) = (all.first()?, all.last()?);
    let chosen: Vec<&Measurement> = all
        .iter()
        .filter(|m| m.rate == last.rate && m.size == first.size)
        .collect();
    let (marks, curves) = curves(&chosen, |m| Some(m.copies * 100.0), chart.of);
    (marks.len() > 1).then(|| Chart {
        name: chart.name,
        drawing: lines::draw(
            chart.title,
            &format!("{}. hpcapd removes copies. {SPREAD}", size(first)),
            Axes {
                x: "copies, % of the frames that are sent",
                y: chart.y,
                marks: &marks,
            },
            &curves,
        ),
    })
}

/// What each target captured, beside what was offered, what a link carries, and what the original captured in 2017.
fn captured_by_size(all: &[Measurement]) -> Option<Chart> {
    let rate = &all.last()?.rate;
    let chosen: Vec<&Measurement> = all
        .iter()
        .filter(|m| m.rate == *rate && m.copies == 0.0)
        .collect();
    let length = |m: &Measurement| m.size.parse().ok();
    let (mut marks, mut curves) = curves(&chosen, length, captured);
    if marks.len() < 2 {
        return None;
    }
    let exactly = |(at, figure): (f64, f64)| {
        let value = Value {
            median: figure,
            min: figure,
            max: figure,
        };
        (at, value)
    };
    let offers = marks.iter().filter_map(|at| {
        let here = chosen.iter().copied().filter(|m| length(m) == Some(*at));
        Some((*at, value(here, offered)?))
    });
    let offers = offers.collect();
    let original = published::original();
    marks.extend(original.iter().map(|point| point.0));
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    let further = [
        ("offered, median", offers),
        (
            "original, 2017, 10 GbE",
            original.into_iter().map(exactly).collect(),
        ),
        (
            "limit of 10 Gb/s",
            published::limit(&marks).into_iter().map(exactly).collect(),
        ),
    ];
    for (name, points) in further {
        curves.push(Curve {
            series: curves.len(),
            name: name.to_owned(),
            points,
        });
    }
    Some(Chart {
        name: "captured-by-size",
        drawing: lines::draw(
            "Captured bits of frames a second, by the length of frames",
            "The sender of this machine, not a link, sets what is offered; the original had 10 GbE and stored nothing.",
            Axes {
                x: "length of a frame, bytes without FCS",
                y: ["Gb/s", ""],
                marks: &marks,
            },
            &curves,
        ),
    })
}
