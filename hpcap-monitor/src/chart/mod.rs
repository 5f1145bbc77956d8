//! Charts of speed and losses, as SVG for pages and files, and as PNG.
//!
//! One drawing is the source of both, so that they show the same. A chart answers first whether frames
//! were lost, then why, when and because of whom, and shows speed and losses above one another.

mod axis;
mod frame;
mod losses;
mod speed;

use hpcap::Timestamp;
use hpcap_chart::{Anchor, Point, Shape, point, wrap};

use crate::report::Buckets;
use crate::sample::Causes;
use frame::{Frame, SMALL, draw_times};
use losses::{draw_accumulated, draw_losses};
use speed::draw_speed;

pub use hpcap_chart::{Drawing, Paint, Role, Theme};

/// The content of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The subject, and whether frames were lost; empty if the page around the chart says so.
    pub title: String,
    /// The reasons and times of losses, and who is to blame.
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

const TITLE: f32 = 19.0;
/// Space between two panels, with the heading of the lower one.
const GAP: f32 = 38.0;

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
        let page = Shape::Rect {
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
            drawing.shapes.push(Shape::Text {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
