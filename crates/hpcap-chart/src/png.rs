//! A drawing as PNG.

use ab_glyph::{Font, OutlineCurve, ScaleFont};
use hpcap_base::{Error, Kind, Result};
use tiny_skia::{FillRule, LineJoin, Paint, PathBuilder, Pixmap, Stroke, Transform};

use crate::font::{font, scale, text_width};
use crate::shape::{Anchor, Drawing, Point, Role, Shape};
use crate::theme::Theme;

/// Pixels of the picture for each pixel of the drawing: sharp on paper and on fine screens.
const SCALE: f32 = 2.0;

impl Drawing {
    /// Returns the drawing as a PNG picture of twice its size.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the drawing is too large or has no size.
    pub fn png(&self, theme: Theme) -> Result<Vec<u8>> {
        let tried = || format!("draw a picture of {} x {} pixels", self.width, self.height);
        let refused = |why: &str| Error::new(Kind::Usage, tried(), why.to_owned());
        let mut pixmap = Pixmap::new(pixels(self.width), pixels(self.height))
            .ok_or_else(|| refused("a picture of this size is not possible"))?;
        for shape in &self.shapes {
            draw(&mut pixmap, shape, theme);
        }
        pixmap.encode_png().map_err(|e| refused(&e.to_string()))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and sizes are not negative"
)]
fn pixels(size: f32) -> u32 {
    (size * SCALE).round() as u32
}

fn paint(theme: Theme, role: Role) -> Paint<'static> {
    let colour = theme.colour(role);
    let mut paint = Paint::default();
    paint.set_color_rgba8(colour.0, colour.1, colour.2, 255);
    paint.anti_alias = true;
    paint
}

fn draw(pixmap: &mut Pixmap, shape: &Shape, theme: Theme) {
    let transform = Transform::from_scale(SCALE, SCALE);
    match shape {
        Shape::Rect {
            at,
            width,
            height,
            role,
        } => {
            if let Some(rect) = tiny_skia::Rect::from_xywh(at.x, at.y, *width, *height) {
                pixmap.fill_rect(rect, &paint(theme, *role), transform, None);
            }
        }
        Shape::Line {
            points,
            width,
            role,
        } => {
            if let Some(path) = path_of(points, false) {
                let stroke = Stroke {
                    width: *width,
                    line_join: LineJoin::Round,
                    ..Stroke::default()
                };
                pixmap.stroke_path(&path, &paint(theme, *role), &stroke, transform, None);
            }
        }
        Shape::Area { points, role } => {
            if let Some(path) = path_of(points, true) {
                let paint = paint(theme, *role);
                pixmap.fill_path(&path, &paint, FillRule::Winding, transform, None);
            }
        }
        Shape::Text {
            at,
            size,
            bold,
            anchor,
            role,
            text,
        } => {
            let width = text_width(text, *size, *bold);
            let left = match anchor {
                Anchor::Start => at.x,
                Anchor::Middle => at.x - width / 2.0,
                Anchor::End => at.x - width,
            };
            if let Some(path) = text_path(Point { x: left, y: at.y }, *size, *bold, text) {
                let paint = paint(theme, *role);
                pixmap.fill_path(&path, &paint, FillRule::Winding, transform, None);
            }
        }
    }
}

fn path_of(points: &[Point], closed: bool) -> Option<tiny_skia::Path> {
    let mut path = PathBuilder::new();
    for (at, point) in points.iter().enumerate() {
        match at {
            0 => path.move_to(point.x, point.y),
            _ => path.line_to(point.x, point.y),
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}

/// Returns the outlines of a text that starts at `at`, on its base line.
fn text_path(at: Point, size: f32, bold: bool, text: &str) -> Option<tiny_skia::Path> {
    let font = font(bold)?;
    let scaled = font.as_scaled(scale(&font, size));
    let unit = size / font.units_per_em()?;
    let mut path = PathBuilder::new();
    let mut left = at.x;
    for c in text.chars() {
        let glyph = font.glyph_id(c);
        let place = |p: &ab_glyph::Point| (left + p.x * unit, at.y - p.y * unit);
        let mut end = None;
        for curve in font
            .outline(glyph)
            .into_iter()
            .flat_map(|outline| outline.curves)
        {
            let (from, to) = match &curve {
                OutlineCurve::Line(a, b) => (place(a), place(b)),
                OutlineCurve::Quad(a, _, b) => (place(a), place(b)),
                OutlineCurve::Cubic(a, _, _, b) => (place(a), place(b)),
            };
            if end != Some(from) {
                path.move_to(from.0, from.1);
            }
            match &curve {
                OutlineCurve::Line(..) => path.line_to(to.0, to.1),
                OutlineCurve::Quad(_, b, _) => {
                    let b = place(b);
                    path.quad_to(b.0, b.1, to.0, to.1);
                }
                OutlineCurve::Cubic(_, b, c, _) => {
                    let (b, c) = (place(b), place(c));
                    path.cubic_to(b.0, b.1, c.0, c.1, to.0, to.1);
                }
            }
            end = Some(to);
        }
        left += scaled.h_advance(glyph);
    }
    path.finish()
}
