//! The frame of a panel: its axes, its grid, its heading, and time without data.

use hpcap::Timestamp;

use crate::report::{Bucket, Buckets};
use hpcap_chart::{Anchor, Drawing, Role, Scale, Shape, Tick, point, text_width};

/// Height of texts beside the points.
pub(super) const SMALL: f32 = 12.5;

/// The rectangle of the picture that has the curves, in pixels, and the time that it spans.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) top: f32,
    pub(super) bottom: f32,
    /// The first and the last second.
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Frame {
    #[expect(clippy::cast_possible_truncation, reason = "pixels need few digits")]
    pub(super) fn x(&self, second: f64) -> f32 {
        let part = (second - self.start) / (self.end - self.start).max(1e-9);
        self.left + (self.right - self.left) * part.clamp(0.0, 1.0) as f32
    }

    #[expect(clippy::cast_possible_truncation, reason = "pixels need few digits")]
    pub(super) fn y(&self, value: f64, scale: &Scale) -> f32 {
        self.bottom - (self.bottom - self.top) * (value / scale.top).clamp(0.0, 1.0) as f32
    }
}

/// Draws the lines of the axes and their numbers.
pub(super) fn draw_grid(drawing: &mut Drawing, frame: &Frame, scale: &Scale, ticks: &[Tick]) {
    for tick in ticks {
        let x = frame.x(tick.value);
        drawing.line(
            vec![point(x, frame.top), point(x, frame.bottom)],
            1.0,
            Role::Grid,
        );
    }
    for tick in &scale.ticks {
        let y = frame.y(tick.value, scale);
        let role = if tick.value == 0.0 {
            Role::Label
        } else {
            Role::Grid
        };
        drawing.line(vec![point(frame.left, y), point(frame.right, y)], 1.0, role);
        drawing.text(
            point(frame.left - 6.0, y + 4.0),
            SMALL,
            Anchor::End,
            Role::Label,
            &tick.text,
        );
    }
}

/// Writes the heading of a panel, and returns where it ends.
pub(super) fn draw_heading(drawing: &mut Drawing, frame: &Frame, text: &str) -> f32 {
    let at = point(frame.left, frame.top - 10.0);
    drawing.shapes.push(Shape::Text {
        at,
        size: SMALL,
        bold: true,
        anchor: Anchor::Start,
        role: Role::Text,
        text: text.to_owned(),
    });
    frame.left + text_width(text, SMALL, true)
}

/// Draws time without data.
pub(super) fn draw_unknown_times(drawing: &mut Drawing, frame: &Frame, buckets: &Buckets) {
    let mut unknown: Option<(f32, f32)> = None;
    for (from, to, part) in places(buckets, frame) {
        if part.known_ns == 0 {
            unknown = Some((unknown.map_or(from, |(start, _)| start), to));
        } else if let Some((from, to)) = unknown.take() {
            draw_unknown(drawing, frame, from, to);
        }
    }
    if let Some((from, to)) = unknown {
        draw_unknown(drawing, frame, from, to);
    }
}

fn draw_unknown(drawing: &mut Drawing, frame: &Frame, from: f32, to: f32) {
    drawing.rect(
        point(from, frame.top),
        point(to, frame.bottom),
        Role::NoData,
    );
    if to - from > 60.0 {
        let at = point(f32::midpoint(from, to), frame.top + 16.0);
        drawing.text(at, SMALL, Anchor::Middle, Role::Label, "no data");
    }
}

/// Returns each part with the pixels where it begins and ends.
pub(super) fn places<'a>(
    buckets: &'a Buckets,
    frame: &Frame,
) -> impl DoubleEndedIterator<Item = (f32, f32, &'a Bucket)> + use<'a> {
    let frame = *frame;
    let width = buckets.width_ns as f64 / 1e9;
    let start = buckets.start_ns() as f64 / 1e9;
    buckets.parts.iter().enumerate().map(move |(at, part)| {
        let from = start + at as f64 * width;
        (frame.x(from), frame.x(from + width), part)
    })
}

/// Returns the width of a part in words, such as `15 min`.
pub(super) fn width_text(buckets: &Buckets) -> String {
    let seconds = buckets.width_ns / 1_000_000_000;
    let units = [(86_400, "day"), (3600, "h"), (60, "min"), (1, "s")];
    let (unit, name) = units
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit))
        .unwrap_or((1, "s"));
    match (seconds / unit, name) {
        (1, name) => name.to_owned(),
        (count, "day") => format!("{count} days"),
        (count, name) => format!("{count} {name}"),
    }
}

/// Writes the times below the lowest panel, and their zone.
pub(super) fn draw_times(drawing: &mut Drawing, frame: &Frame, ticks: &[Tick], end: Timestamp) {
    for tick in ticks {
        let x = frame.x(tick.value);
        let half = text_width(&tick.text, SMALL, false) / 2.0;
        let x = x.min(drawing.width - half - 2.0).max(half + 2.0);
        drawing.text(
            point(x, frame.bottom + 17.0),
            SMALL,
            Anchor::Middle,
            Role::Label,
            &tick.text,
        );
        if !tick.below.is_empty() {
            let half = text_width(&tick.below, SMALL, false) / 2.0;
            let x = x.min(drawing.width - half - 2.0).max(half + 2.0);
            drawing.text(
                point(x, frame.bottom + 33.0),
                SMALL,
                Anchor::Middle,
                Role::Label,
                &tick.below,
            );
        }
    }
    let zone = end.local().to_string();
    let offset = zone.get(29..).unwrap_or_default();
    let text = match offset {
        "" | "Z" | "+00:00" => "UTC".to_owned(),
        offset => format!("UTC{offset}"),
    };
    let right = frame.right;
    let taken = ticks
        .iter()
        .filter(|tick| !tick.below.is_empty())
        .map(|tick| frame.x(tick.value))
        .fold(0.0, f32::max);
    if taken + 60.0 < right {
        drawing.text(
            point(right, frame.bottom + 33.0),
            SMALL,
            Anchor::End,
            Role::Label,
            &text,
        );
    }
}
