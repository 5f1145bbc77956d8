//! A drawing as SVG.

use std::fmt::Write;

use crate::escaped::Escaped;
use crate::shape::{Anchor, Drawing, Point, Role, Shape};
use crate::theme::Theme;

/// How SVG names colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Colours are written into the file, for a file without a style sheet.
    Fixed(Theme),
    /// With classes of [`Theme::style_sheet`], for a part of a page.
    Classes,
}

impl Paint {
    fn fill(self, role: Role) -> String {
        match self {
            Self::Fixed(theme) => format!("fill=\"{}\"", theme.colour(role)),
            Self::Classes => format!("class=\"f-{}\"", role.name()),
        }
    }

    fn stroke(self, role: Role) -> String {
        match self {
            Self::Fixed(theme) => format!("stroke=\"{}\"", theme.colour(role)),
            Self::Classes => format!("class=\"s-{}\"", role.name()),
        }
    }
}

impl Drawing {
    /// Returns the drawing as SVG.
    #[must_use]
    pub fn svg(&self, paint: Paint) -> String {
        let (width, height) = (self.width, self.height);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"Roboto, Helvetica, Arial, sans-serif\" \
             role=\"img\">\n<title>{}</title>\n",
            Escaped(&self.description)
        );
        // Writing to a string does not fail.
        for shape in &self.shapes {
            let _ = write_shape(&mut out, shape, paint);
        }
        out.push_str("</svg>\n");
        out
    }
}

fn write_shape(out: &mut String, shape: &Shape, paint: Paint) -> std::fmt::Result {
    match shape {
        Shape::Rect {
            at,
            width,
            height,
            role,
        } => writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {}/>",
            Short(at.x),
            Short(at.y),
            Short(*width),
            Short(*height),
            paint.fill(*role)
        ),
        Shape::Line {
            points,
            width,
            role,
        } => writeln!(
            out,
            "<path d=\"{}\" fill=\"none\" stroke-width=\"{}\" stroke-linejoin=\"round\" {}/>",
            path(points),
            Short(*width),
            paint.stroke(*role)
        ),
        Shape::Area { points, role } => {
            writeln!(out, "<path d=\"{}Z\" {}/>", path(points), paint.fill(*role))
        }
        Shape::Text {
            at,
            size,
            bold,
            anchor,
            role,
            text,
        } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" font-size=\"{size}\" text-anchor=\"{anchor}\"{} {}>{}</text>",
                Short(at.x),
                Short(at.y),
                if *bold { " font-weight=\"bold\"" } else { "" },
                paint.fill(*role),
                Escaped(text)
            )
        }
    }
}

fn path(points: &[Point]) -> String {
    let mut text = String::with_capacity(points.len() * 12);
    for (at, point) in points.iter().enumerate() {
        let letter = if at == 0 { 'M' } else { 'L' };
        let _ = write!(text, "{letter}{} {}", Short(point.x), Short(point.y));
    }
    text
}

/// A coordinate with at most one decimal.
struct Short(f32);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", (self.0 * 10.0).round() / 10.0)
    }
}
