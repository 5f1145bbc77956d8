//! The history of a queue: its rate as columns, its losses below them, and the times.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table::put;
use super::{View, title};
use crate::app::Units;
use crate::collect::history::{Series, Slice};
use crate::collect::report::Rate;
use crate::text::{rate, whole};

/// Width of the numbers at the left.
const AXIS: u16 = 15;

/// What a part of the graph shows.
struct Curve {
    name: &'static str,
    value: fn(&Slice, Units) -> f64,
}

const TRAFFIC: Curve = Curve {
    name: "wire",
    value: |slice, units| match units {
        Units::Bits => slice.bits_per_second,
        Units::Bytes => slice.bits_per_second / 8.0,
        Units::Frames => slice.frames_per_second,
    },
};
const LOST: Curve = Curve {
    name: "lost",
    value: |slice, _| slice.lost_per_second,
};
const RING: Curve = Curve {
    name: "ring",
    value: |slice, _| slice.ring_fill,
};

/// Draws the history of the queue called `name`.
pub(super) fn draw(view: &View<'_>, name: &str, mut area: Rect, buf: &mut Buffer) {
    let span = view.app.span.seconds();
    let head = super::take_top(&mut area, 1);
    let origin = match &view.history.origin {
        Some(origin) => format!(", before the start from {origin}"),
        None => String::new(),
    };
    let minutes = match span / 60 {
        1 => "minute".to_owned(),
        60 => "hour".to_owned(),
        n => format!("{n} minutes"),
    };
    let text = format!("{}, the last {minutes}{origin}", hpcap::visible(name));
    title(view, &text, head, buf);
    if area.width <= AXIS + 1 || area.height == 0 {
        return;
    }
    let empty = Series::default();
    let series = view.history.queues.get(name).unwrap_or(&empty);
    let columns = usize::from(area.width - AXIS - 1);
    let now = view.report.time_ns / 1_000_000_000;
    let slices = series.slices(now, span, columns);
    if area.height >= 4 {
        let line = super::take_bottom(&mut area, 1);
        draw_times(view, span, line, buf);
    }
    if area.height >= 3 {
        let ring = super::take_bottom(&mut area, 1);
        draw_curve(view, &RING, &slices, ring, Style::new(), buf);
    }
    let lines = if area.height >= 8 { 2 } else { 1 };
    let lost = super::take_bottom(&mut area, lines);
    draw_curve(view, &LOST, &slices, lost, view.theme.bad(), buf);
    if area.height > 0 {
        draw_curve(view, &TRAFFIC, &slices, area, view.theme.good(), buf);
    }
}

/// Draws the largest value at the left, and the columns.
fn draw_curve(
    view: &View<'_>,
    curve: &Curve,
    slices: &[Option<Slice>],
    area: Rect,
    style: Style,
    buf: &mut Buffer,
) {
    let value = |slice: &Slice| (curve.value)(slice, view.app.units);
    let largest = slices.iter().flatten().map(value).fold(0.0, f64::max);
    let is_known = slices.iter().any(Option::is_some);
    let (top, label) = match curve.name {
        "ring" => (1.0, format!("{:.0} %", 100.0 * largest)),
        "lost" => (largest, rate(largest, "pps")),
        _ => (largest, label(view, largest)),
    };
    let label = if is_known { label } else { String::new() };
    put(buf, area.x, area.y, AXIS - 1, &label, Style::new(), true);
    put(
        buf,
        area.x,
        area.y,
        4,
        curve.name,
        view.theme.quiet(),
        false,
    );
    let steps = f64::from(area.height) * 8.0;
    let bars = view.theme.bars();
    for (x, slice) in (area.x + AXIS..area.right()).zip(slices) {
        let Some(slice) = slice else {
            continue;
        };
        let part = if top > 0.0 { value(slice) / top } else { 0.0 };
        // A value above 0 is never drawn as an empty column.
        let filled = whole((part * steps).ceil());
        for (up, y) in (area.y..area.bottom()).rev().enumerate() {
            let below = u64::try_from(up).unwrap_or(0) * 8;
            let level = usize::try_from(filled.saturating_sub(below).min(8)).unwrap_or(8);
            let is_base = up == 0 && level == 0;
            let text = match is_base {
                // A line of dots says that the value is known, and is 0.
                true => {
                    if view.theme.unicode {
                        "·"
                    } else {
                        "_"
                    }
                }
                false => bars[level],
            };
            let style = if is_base { view.theme.quiet() } else { style };
            put(buf, x, y, 1, text, style, false);
        }
    }
}

fn label(view: &View<'_>, value: f64) -> String {
    let wire = match view.app.units {
        Units::Bits => Rate {
            bits_per_second: value,
            ..Rate::default()
        },
        Units::Bytes => Rate {
            bits_per_second: 8.0 * value,
            ..Rate::default()
        },
        Units::Frames => Rate {
            frames_per_second: value,
            ..Rate::default()
        },
    };
    super::queues::traffic(view, wire)
}

/// Writes the times of the start, the middle and the end.
fn draw_times(view: &View<'_>, span: u64, area: Rect, buf: &mut Buffer) {
    let now = view.report.time_ns;
    let at = |part: u64| {
        view.clock
            .time(now.saturating_sub(span * 1_000_000_000 / 4 * part))
    };
    let style = view.theme.quiet();
    let width = area.width - AXIS;
    let x = area.x + AXIS;
    put(buf, x, area.y, width, &at(4), style, false);
    for part in 1..4 {
        let text = at(4 - part);
        let from_start = width / 4 * u16::try_from(part).unwrap_or(1);
        put(
            buf,
            x + from_start,
            area.y,
            width - from_start,
            &text,
            style,
            false,
        );
    }
    put(buf, x, area.y, width, "now", style, true);
}
