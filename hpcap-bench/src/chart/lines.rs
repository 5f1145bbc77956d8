//! Curves over a number, each with its name at its end.

use hpcap_chart::{Anchor, Drawing, Point, Role, Scale, point};

use super::{SMALL, Value, WIDTH, bold, finish, pixels, titled};

/// A curve: the number of its colour, its name, and its points in the order of their first number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    pub(super) series: usize,
    pub(super) name: String,
    pub(super) points: Vec<(f64, Value)>,
}

/// Settings of the axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axes<'a> {
    pub(super) x: &'a str,
    /// The unit of the figures, and the name of a thousand of it.
    pub(super) y: [&'a str; 2],
    /// The numbers of the lower axis.
    pub(super) marks: &'a [f64],
}

const LEFT: f32 = 64.0;
const RIGHT: f32 = WIDTH - 170.0;
const TOP: f32 = 96.0;
const BOTTOM: f32 = 400.0;
/// Smallest distance between two names.
const LINE: f32 = 16.0;

/// Draws `curves`.
pub(super) fn draw(title: &str, explanation: &str, axes: Axes<'_>, curves: &[Curve]) -> Drawing {
    let mut drawing = titled(title, explanation);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let highest = points().map(|(_, v)| v.max).fold(0.0, f64::max);
    let widest = axes.marks.iter().copied().fold(1e-9, f64::max);
    let (factor, unit) = match highest < 1000.0 {
        true => (1.0, axes.y[0]),
        false => (1e-3, axes.y[1]),
    };
    let scale = Scale::up_to(highest * factor, 5);
    let x = |value: f64| LEFT + (RIGHT - LEFT) * pixels((value / widest).clamp(0.0, 1.0));
    let height = |part: f64| BOTTOM - (BOTTOM - TOP) * pixels(part.clamp(0.0, 1.0));
    let y = |value: f64| height(value * factor / scale.top);
    let unit = format!("{}{unit}", scale.prefix);
    bold(&mut drawing, point(LEFT, TOP - 12.0), SMALL, &unit);
    for tick in &scale.ticks {
        let at = height(tick.value / scale.top);
        let role = if tick.value == 0.0 {
            Role::Label
        } else {
            Role::Grid
        };
        drawing.line(vec![point(LEFT, at), point(RIGHT, at)], 1.0, role);
        let text = point(LEFT - 6.0, at + 4.5);
        drawing.text(text, SMALL, Anchor::End, Role::Label, &tick.text);
    }
    draw_marks(&mut drawing, axes, &x);
    for curve in curves {
        let role = Role::series(curve.series);
        let line: Vec<Point> = curve
            .points
            .iter()
            .map(|(at, value)| point(x(*at), y(value.median)))
            .collect();
        for (at, value) in &curve.points {
            let spread = vec![point(x(*at), y(value.min)), point(x(*at), y(value.max))];
            drawing.line(spread, 1.2, role);
        }
        for p in &line {
            let (from, to) = (point(p.x - 3.0, p.y - 3.0), point(p.x + 3.0, p.y + 3.0));
            drawing.rect(from, to, role);
        }
        drawing.line(line, 2.0, role);
    }
    draw_names(&mut drawing, curves, &y);
    finish(drawing, BOTTOM + 52.0)
}

/// Draws the numbers below the axis, and omits each that would touch its left neighbour.
fn draw_marks(drawing: &mut Drawing, axes: Axes<'_>, x: &impl Fn(f64) -> f32) {
    let mut free_from = 0.0;
    for mark in axes.marks {
        let at = x(*mark);
        drawing.line(
            vec![point(at, BOTTOM), point(at, BOTTOM + 5.0)],
            1.0,
            Role::Label,
        );
        if at < free_from {
            continue;
        }
        let place = point(at, BOTTOM + 20.0);
        drawing.text(place, SMALL, Anchor::Middle, Role::Label, &mark.to_string());
        free_from = at + 40.0;
    }
    let place = point(f32::midpoint(LEFT, RIGHT), BOTTOM + 40.0);
    drawing.text(place, SMALL, Anchor::Middle, Role::Text, axes.x);
}

/// Writes the names of the curves at their ends, moved apart where they would cover each other.
fn draw_names(drawing: &mut Drawing, curves: &[Curve], y: &impl Fn(f64) -> f32) {
    let end = |curve: &Curve| curve.points.last().map(|(_, value)| y(value.median));
    let mut names: Vec<(f32, &Curve)> = curves
        .iter()
        .filter_map(|curve| Some((end(curve)?, curve)))
        .collect();
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free_from = TOP;
    let most = BOTTOM - (names.len().saturating_sub(1)) as f32 * LINE;
    free_from = free_from.min(most);
    for (n, (at, curve)) in names.iter().enumerate() {
        let last = BOTTOM - (names.len() - 1 - n) as f32 * LINE;
        let place = at.max(free_from).min(last);
        drawing.text(
            point(RIGHT + 10.0, place + 4.5),
            SMALL,
            Anchor::Start,
            Role::series(curve.series),
            &curve.name,
        );
        free_from = place + LINE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpcap_chart::{Paint, Shape, Theme};

    fn curve(series: usize, name: &str, figures: &[f64]) -> Curve {
        let points = figures.iter().enumerate().map(|(n, figure)| {
            let value = Value {
                median: *figure,
                min: *figure,
                max: *figure,
            };
            (n as f64, value)
        });
        Curve {
            series,
            name: name.into(),
            points: points.collect(),
        }
    }

    const AXES: Axes<'_> = Axes {
        x: "length",
        y: ["ns", "µs"],
        marks: &[0.0, 1.0],
    };

    #[test]
    fn names_of_curves_do_not_cover_each_other() {
        let curves: Vec<Curve> = (0..12)
            .map(|n| curve(n, &format!("curve {n}"), &[1.0, 2.0]))
            .collect();
        let drawing = draw("Title", "Why", AXES, &curves);
        let mut heights: Vec<f32> = drawing
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Text { at, text, .. } if text.starts_with("curve") => Some(at.y),
                _ => None,
            })
            .collect();
        heights.sort_by(f32::total_cmp);
        assert_eq!(heights.len(), 12);
        assert!(
            heights
                .windows(2)
                .all(|pair| pair[1] - pair[0] >= LINE - 0.01)
        );
        assert!(heights.iter().all(|y| *y < drawing.height));
    }

    #[test]
    fn axis_has_its_unit() {
        let svg = |figure| {
            let curves = [curve(0, "a", &[0.0, figure])];
            draw("Title", "Why", AXES, &curves).svg(Paint::Fixed(Theme::Light))
        };
        assert!(svg(900.0).contains(">ns<"));
        assert!(svg(1100.0).contains(">µs<"));
    }

    #[test]
    fn chart_without_points_is_drawn() {
        let drawing = draw("Title", "Why", AXES, &[curve(0, "a", &[])]);
        assert!(drawing.png(Theme::Dark).is_ok());
    }
}
