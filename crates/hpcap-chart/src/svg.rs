//! A drawing as SVG.

use std::fmt::Write;

use crate::escaped::Escaped;
use crate::font::{has_characters, text_width};
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
                "<text x=\"{}\" y=\"{}\" font-size=\"{size}\" text-anchor=\"{anchor}\"{}{} {}>{}</text>",
                Short(at.x),
                Short(at.y),
                Length::of(text, *size, *bold),
                if *bold { " font-weight=\"bold\"" } else { "" },
                paint.fill(*role),
                Escaped(text)
            )
        }
    }
}

/// The width for which a text was placed. A browser without the font takes another one, often a wider one, and then
/// squeezes the text, instead of drawing it over the next.
struct Length(Option<f32>);

impl Length {
    /// Of one character, the width is that of any font; of characters that the font does not have, it is not known.
    fn of(text: &str, size: f32, bold: bool) -> Self {
        let is_known = text.chars().nth(1).is_some() && has_characters(text, bold);
        Self(is_known.then(|| text_width(text, size, bold)))
    }
}

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(width) = self.0 else { return Ok(()) };
        let width = Short(width);
        write!(
            f,
            " textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\""
        )
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_width_in_any_font() {
        let text = |text: &str| Shape::Text {
            at: Point { x: 3.0, y: 4.0 },
            size: 12.0,
            bold: true,
            anchor: Anchor::Start,
            role: Role::Text,
            text: text.to_owned(),
        };
        let of = |words: &str| {
            let mut out = String::new();
            write_shape(&mut out, &text(words), Paint::Classes).unwrap();
            out
        };
        let heading = "Lost in each 10 s, thousand frames";
        let width = Short(text_width(heading, 12.0, true)).to_string();
        assert!(width.parse::<f32>().unwrap() > 100.0, "{width}");
        let length = format!(" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\"");
        assert!(of(heading).contains(&length), "{}", of(heading));
        // No width is known of a name in another script, and none is needed for a digit.
        assert!(!of("\u{754c}\u{9762}").contains("textLength"));
        assert!(!of("0").contains("textLength"));
    }
}
