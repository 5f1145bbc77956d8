//! The charts of a run, and the page that has all of them.

mod bars;
mod lines;
mod published;
pub mod report;
mod select;

use hpcap_chart::{Anchor, Drawing, Point, Role, Shape, point};

/// Height of texts.
const SMALL: f32 = 13.0;
const TITLE: f32 = 18.0;
const WIDTH: f32 = 960.0;
/// Left edge of titles.
const EDGE: f32 = 20.0;

/// A figure with its spread over the measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Value {
    median: f64,
    min: f64,
    max: f64,
}

/// Returns a drawing with a title and, below it, an explanation.
fn titled(title: &str, explanation: &str) -> Drawing {
    let mut drawing = Drawing {
        width: WIDTH,
        height: 0.0,
        description: format!("{title}. {explanation}"),
        shapes: Vec::new(),
    };
    bold(&mut drawing, point(EDGE, 30.0), TITLE, title);
    let at = point(EDGE, 50.0);
    drawing.text(at, SMALL, Anchor::Start, Role::Label, explanation);
    drawing
}

fn bold(drawing: &mut Drawing, at: Point, size: f32, text: &str) {
    drawing.shapes.push(Shape::Text {
        at,
        size,
        bold: true,
        anchor: Anchor::Start,
        role: Role::Text,
        text: text.to_owned(),
    });
}

/// Gives a drawing its height and its background.
fn finish(mut drawing: Drawing, height: f32) -> Drawing {
    drawing.height = height.ceil();
    let page = Shape::Rect {
        at: Point::default(),
        width: drawing.width,
        height: drawing.height,
        role: Role::Page,
    };
    drawing.shapes.insert(0, page);
    drawing
}

/// Returns pixels, which need few digits.
#[expect(clippy::cast_possible_truncation, reason = "pixels need few digits")]
fn pixels(value: f64) -> f32 {
    value as f32
}

/// Formats a figure with three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v < 0.01 => format!("{value:.4}"),
        v if v < 10.0 => format!("{value:.2}"),
        v if v < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let texts = [0.0, 0.0031, 1.234, 56.78, 1234.5].map(short);
        assert_eq!(texts, ["0", "0.0031", "1.23", "56.8", "1234"]);
    }
}
