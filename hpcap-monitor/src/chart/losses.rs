//! The panels of the losses: in each part of the time, and summed up.

use super::frame::{Frame, SMALL, draw_grid, draw_heading, places, width_text};
use crate::markup::Grouped;
use crate::report::{Bucket, Buckets};
use crate::sample::{Cause, Causes};
use hpcap_chart::{Anchor, Drawing, Role, Scale, Shape, Tick, point, text_width};

const fn role_of(cause: Cause) -> Role {
    match cause {
        Cause::RingFull => Role::RingFull,
        Cause::NicMissed => Role::NicMissed,
        Cause::NicError => Role::NicError,
        Cause::KernelDropped => Role::KernelDropped,
        Cause::Unknown => Role::Unknown,
    }
}

/// Draws how many frames were lost in each part, by cause.
pub(super) fn draw_losses(
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

/// Draws how many frames were lost so far, by cause.
pub(super) fn draw_accumulated(
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
    // The area of a cause includes those of the causes below it, so the lowest one is drawn last.
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
        drawing.shapes.push(Shape::Area { points, role });
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
