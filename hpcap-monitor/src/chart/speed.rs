//! The panel of the speed, with marks where frames were lost.

use super::frame::{Frame, SMALL, draw_grid, draw_heading, draw_unknown_times, places, width_text};
use crate::report::Buckets;
use hpcap_chart::{Anchor, Drawing, Point, Role, Scale, Shape, Tick, point, text_width};

/// Draws mean and peak speed.
pub(super) fn draw_speed(drawing: &mut Drawing, frame: &Frame, buckets: &Buckets, ticks: &[Tick]) {
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

/// Draws the area below an uninterrupted curve, given as the middle, the mean and the peak of each part.
fn draw_area(drawing: &mut Drawing, frame: &Frame, run: &[(f32, f32, f32)]) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return;
    };
    let mut points: Vec<Point> = run.iter().map(|(x, mean, _)| point(*x, *mean)).collect();
    points.push(point(last.0, frame.bottom));
    points.push(point(first.0, frame.bottom));
    drawing.shapes.push(Shape::Area {
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
