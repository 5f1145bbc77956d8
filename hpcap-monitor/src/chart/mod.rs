//! Charts of speed and losses, as SVG for pages and files, and as PNG.
//!
//! One drawing is the source of both, so that they show the same. A chart answers first whether frames
//! were lost, then why, when and because of whom, and shows speed and losses above one another.

mod axis;
mod font;
mod png;
mod shape;
mod svg;
mod theme;

use hpcap::Timestamp;

use crate::markup::Grouped;
use crate::report::{Bucket, Buckets};
use crate::sample::{Cause, Causes};
use axis::{Scale, Tick};
use font::{text_width, wrap};
use shape::{Anchor, Point, point};

pub use shape::{Drawing, Role};
pub use svg::Paint;
pub use theme::Theme;

/// What a chart shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it is of, and whether frames were lost; empty if the page around it says so.
    pub title: String,
    /// Why, when and because of whom.
    pub details: Vec<String>,
    /// The traffic.
    pub buckets: Buckets,
    /// Start of the time axis.
    pub start: Timestamp,
    /// End of the time axis.
    pub end: Timestamp,
}

/// Width of the screens and papers that a chart is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A page, or a screen on a desk.
    Wide,
    /// Half a screen on a desk.
    Half,
    /// The screen of a phone.
    Narrow,
}

/// Height of texts beside the points.
const SMALL: f32 = 12.5;
const TITLE: f32 = 19.0;
/// Space between two panels, with the heading of the lower one.
const GAP: f32 = 38.0;

const fn role_of(cause: Cause) -> Role {
    match cause {
        Cause::RingFull => Role::RingFull,
        Cause::NicMissed => Role::NicMissed,
        Cause::NicError => Role::NicError,
        Cause::KernelDropped => Role::KernelDropped,
        Cause::Unknown => Role::Unknown,
    }
}

/// Where the curves are.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
    start: f64,
    end: f64,
}

impl Frame {
    #[expect(clippy::cast_possible_truncation, reason = "pixels need few digits")]
    fn x(&self, second: f64) -> f32 {
        let part = (second - self.start) / (self.end - self.start).max(1e-9);
        self.left + (self.right - self.left) * part.clamp(0.0, 1.0) as f32
    }

    #[expect(clippy::cast_possible_truncation, reason = "pixels need few digits")]
    fn y(&self, value: f64, scale: &Scale) -> f32 {
        self.bottom - (self.bottom - self.top) * (value / scale.top).clamp(0.0, 1.0) as f32
    }
}

impl Chart {
    /// Draws the chart.
    #[must_use]
    pub fn draw(&self, size: Size) -> Drawing {
        let (width, left, right, most) = match size {
            Size::Wide => (960.0, 52.0, 24.0, 440),
            Size::Half => (470.0, 42.0, 12.0, 200),
            Size::Narrow => (400.0, 40.0, 10.0, 170),
        };
        let buckets = self.buckets.cut(self.start, self.end, most);
        let mut lost = Causes::default();
        buckets
            .parts
            .iter()
            .for_each(|part| lost.add_all(&part.lost));
        let has_losses = lost.iter().next().is_some();
        let mut drawing = Drawing {
            width,
            height: 0.0,
            description: std::iter::once(&self.title)
                .chain(&self.details)
                .filter(|text| !text.is_empty())
                .cloned()
                .collect::<Vec<_>>()
                .join(". "),
            shapes: Vec::new(),
        };
        let top = match self.title.is_empty() {
            true => 0.0,
            false => self.draw_head(&mut drawing, has_losses),
        };
        let height = |panel: f32| {
            if size != Size::Wide {
                panel * 0.8
            } else {
                panel
            }
        };
        let mut frame = Frame {
            left,
            right: width - right,
            top: top + GAP - 8.0,
            bottom: top + GAP - 8.0 + height(if has_losses { 150.0 } else { 190.0 }),
            start: self.start.as_ns() as f64 / 1e9,
            end: self.end.as_ns() as f64 / 1e9,
        };
        let room = if size == Size::Wide { 90.0 } else { 66.0 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number of marks is small"
        )]
        let ticks = axis::times(self.start, self.end, ((width - left - right) / room) as u64);
        draw_speed(&mut drawing, &frame, &buckets, &ticks);
        if has_losses {
            let panel = height(110.0);
            frame.top = frame.bottom + GAP;
            frame.bottom = frame.top + panel;
            draw_losses(&mut drawing, &frame, &buckets, &ticks, &lost);
            frame.top = frame.bottom + GAP;
            frame.bottom = frame.top + panel;
            draw_accumulated(&mut drawing, &frame, &buckets, &ticks, &lost);
        }
        draw_times(&mut drawing, &frame, &ticks, self.end);
        drawing.height = (frame.bottom + 42.0).ceil();
        let page = shape::Shape::Rect {
            at: Point::default(),
            width,
            height: drawing.height,
            role: Role::Page,
        };
        drawing.shapes.insert(0, page);
        drawing
    }

    /// Draws title and details, and returns where they end.
    fn draw_head(&self, drawing: &mut Drawing, has_losses: bool) -> f32 {
        let room = drawing.width - 34.0;
        let role = if has_losses { Role::Bad } else { Role::Good };
        let mut y = 12.0;
        let size = if drawing.width < 500.0 {
            TITLE - 3.0
        } else {
            TITLE
        };
        for line in wrap(&self.title, size * 1.06, room) {
            y += size + 3.0;
            drawing.shapes.push(shape::Shape::Text {
                at: point(24.0, y),
                size,
                bold: true,
                anchor: Anchor::Start,
                role,
                text: line,
            });
        }
        for detail in &self.details {
            for line in wrap(detail, SMALL, room) {
                y += SMALL + 5.0;
                drawing.text(point(24.0, y), SMALL, Anchor::Start, Role::Text, &line);
            }
        }
        drawing.rect(point(10.0, 14.0), point(15.0, y + 4.0), role);
        y + 4.0
    }
}

/// Draws the lines of the axes and their numbers.
fn draw_grid(drawing: &mut Drawing, frame: &Frame, scale: &Scale, ticks: &[Tick]) {
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

fn draw_heading(drawing: &mut Drawing, frame: &Frame, text: &str) -> f32 {
    let at = point(frame.left, frame.top - 10.0);
    drawing.shapes.push(shape::Shape::Text {
        at,
        size: SMALL,
        bold: true,
        anchor: Anchor::Start,
        role: Role::Text,
        text: text.to_owned(),
    });
    frame.left + text_width(text, SMALL, true)
}

/// Marks time with losses above the curve of the speed.
fn draw_loss_marks(drawing: &mut Drawing, frame: &Frame, buckets: &Buckets) {
    for (from, to, part) in places(buckets, frame) {
        if part.lost_frames() > 0 {
            let to = to.max(from + 2.0);
            drawing.rect(
                point(from, frame.top),
                point(to, frame.top + 6.0),
                Role::Bad,
            );
        }
    }
}

/// Draws time without data.
fn draw_unknown_times(drawing: &mut Drawing, frame: &Frame, buckets: &Buckets) {
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
fn places<'a>(
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

fn draw_speed(drawing: &mut Drawing, frame: &Frame, buckets: &Buckets, ticks: &[Tick]) {
    let highest = buckets
        .parts
        .iter()
        .map(|part| part.highest_bps)
        .max()
        .unwrap_or(0);
    let scale = Scale::up_to(highest as f64, 4);
    draw_unknown_times(drawing, frame, buckets);
    let mut runs: Vec<Vec<(f32, f32, f32)>> = Vec::new();
    let mut run: Vec<(f32, f32, f32)> = Vec::new();
    for (from, to, part) in places(buckets, frame) {
        if part.known_ns == 0 {
            runs.push(std::mem::take(&mut run));
            continue;
        }
        let x = f32::midpoint(from, to);
        let peak = frame.y(part.highest_bps as f64, &scale);
        run.push((x, frame.y(part.mean_bps(), &scale), peak));
    }
    runs.push(run);
    // The lines of the grid lie over the areas, and the curves over all.
    runs.iter().for_each(|run| draw_area(drawing, frame, run));
    draw_grid(drawing, frame, &scale, ticks);
    runs.iter().for_each(|run| draw_curves(drawing, run));
    draw_loss_marks(drawing, frame, buckets);
    let end = draw_heading(drawing, frame, &format!("Received, {}b/s", scale.prefix));
    let mean = format!("mean of each {}", width_text(buckets));
    let highest = "highest in it";
    let widths = [
        text_width(&mean, SMALL, false),
        text_width(highest, SMALL, false),
    ];
    let mut x = end + 14.0;
    if x + widths[0] + widths[1] + 56.0 > drawing.width {
        return;
    }
    for (text, width, line, role) in [
        (mean.as_str(), widths[0], 2.0, Role::Speed),
        (highest, widths[1], 1.2, Role::Peak),
    ] {
        let y = frame.top - 14.0;
        drawing.line(vec![point(x, y), point(x + 16.0, y)], line, role);
        drawing.text(
            point(x + 21.0, frame.top - 10.0),
            SMALL,
            Anchor::Start,
            Role::Label,
            text,
        );
        x += 21.0 + width + 14.0;
    }
}

/// Draws the area below an uninterrupted curve, of which each part has its middle, its mean and its peak.
fn draw_area(drawing: &mut Drawing, frame: &Frame, run: &[(f32, f32, f32)]) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return;
    };
    let mut points: Vec<Point> = run.iter().map(|(x, mean, _)| point(*x, *mean)).collect();
    points.push(point(last.0, frame.bottom));
    points.push(point(first.0, frame.bottom));
    drawing.shapes.push(shape::Shape::Area {
        points,
        role: Role::SpeedArea,
    });
}

/// Draws the means and peaks of an uninterrupted curve.
fn draw_curves(drawing: &mut Drawing, run: &[(f32, f32, f32)]) {
    let Some(first) = run.first() else {
        return;
    };
    let mut mean: Vec<Point> = run.iter().map(|(x, mean, _)| point(*x, *mean)).collect();
    let mut peak: Vec<Point> = run.iter().map(|(x, _, peak)| point(*x, *peak)).collect();
    if run.len() == 1 {
        // A single part is a short line.
        mean.push(point(first.0 + 2.0, first.1));
        peak.push(point(first.0 + 2.0, first.2));
    }
    drawing.line(peak, 1.2, Role::Peak);
    drawing.line(mean, 2.0, Role::Speed);
}

/// Returns the width of a part in words, such as `15 min`.
fn width_text(buckets: &Buckets) -> String {
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

fn draw_losses(
    drawing: &mut Drawing,
    frame: &Frame,
    buckets: &Buckets,
    ticks: &[Tick],
    lost: &Causes,
) {
    let highest = buckets
        .parts
        .iter()
        .map(Bucket::lost_frames)
        .max()
        .unwrap_or(0);
    let scale = Scale::up_to(highest as f64, 3);
    draw_grid(drawing, frame, &scale, ticks);
    for (from, to, part) in places(buckets, frame) {
        let mut bottom = frame.bottom;
        let mut sum = 0;
        for (cause, frames) in part.lost.iter() {
            sum += frames;
            // However few frames were lost, the eye must find them.
            let top = frame.y(sum as f64, &scale).min(bottom - 2.0);
            let right = (to - 0.5).max(from + 2.5);
            drawing.rect(point(from, top), point(right, bottom), role_of(cause));
            bottom = top;
        }
    }
    let unit = unit_text(&scale);
    let end = draw_heading(
        drawing,
        frame,
        &format!("Lost in each {}, {unit}", width_text(buckets)),
    );
    let mut x = end + 14.0;
    for (cause, frames) in lost.iter() {
        let text = format!("{} {}", cause.name(), Grouped(frames));
        let width = text_width(&text, SMALL, false);
        if x + width + 16.0 > drawing.width {
            break;
        }
        let y = frame.top - 10.0;
        drawing.rect(point(x, y - 9.5), point(x + 10.0, y + 0.5), role_of(cause));
        drawing.text(point(x + 15.0, y), SMALL, Anchor::Start, Role::Text, &text);
        x += width + 31.0;
    }
}

fn unit_text(scale: &Scale) -> String {
    match scale.prefix {
        "" => "frames".to_owned(),
        "k" => "thousand frames".to_owned(),
        "M" => "million frames".to_owned(),
        prefix => format!("{prefix} frames"),
    }
}

fn draw_accumulated(
    drawing: &mut Drawing,
    frame: &Frame,
    buckets: &Buckets,
    ticks: &[Tick],
    lost: &Causes,
) {
    let total = lost
        .iter()
        .fold(0_u64, |sum, (_, frames)| sum.saturating_add(frames));
    let scale = Scale::up_to(total as f64, 3);
    draw_grid(drawing, frame, &scale, ticks);
    // The lowest cause is drawn last, over the sums with the others.
    let causes: Vec<Cause> = lost.iter().map(|(cause, _)| cause).collect();
    for count in (1..=causes.len()).rev() {
        let shown = &causes[..count];
        let mut sum = 0_u64;
        let mut points = Vec::new();
        for (from, to, part) in places(buckets, frame) {
            let before = sum;
            shown
                .iter()
                .for_each(|cause| sum = sum.saturating_add(part.lost.of(*cause)));
            if before != sum || points.is_empty() {
                points.push(point(from, frame.y(before as f64, &scale)));
                points.push(point(to, frame.y(sum as f64, &scale)));
            }
        }
        let end = frame.x(frame.end);
        points.push(point(end, frame.y(sum as f64, &scale)));
        points.push(point(end, frame.bottom));
        points.push(point(frame.left, frame.bottom));
        if let Some(first) = points.first().copied() {
            points.push(point(first.x, frame.bottom));
        }
        let role = shown.last().map_or(Role::Unknown, |cause| role_of(*cause));
        drawing.shapes.push(shape::Shape::Area { points, role });
    }
    let end = draw_heading(
        drawing,
        frame,
        &format!("Lost so far, {}", unit_text(&scale)),
    );
    let text = format!("{} in all", Grouped(total));
    if end + 14.0 + text_width(&text, SMALL, false) < drawing.width {
        drawing.text(
            point(end + 14.0, frame.top - 10.0),
            SMALL,
            Anchor::Start,
            Role::Text,
            &text,
        );
    }
}

fn draw_times(drawing: &mut Drawing, frame: &Frame, ticks: &[Tick], end: Timestamp) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
