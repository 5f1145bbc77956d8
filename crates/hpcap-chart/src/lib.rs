//! Drawings of charts, as SVG for pages and files, and as PNG.
//!
//! One drawing is the source of both, so that they show the same. A drawing consists of shapes, each of
//! which has a role; a theme gives each role a colour. What a chart shows is its program's business.
//!
//! ```
//! use hpcap_chart::{Anchor, Drawing, Paint, Role, Theme, point};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut drawing = Drawing {
//!     width: 200.0,
//!     height: 100.0,
//!     description: "The speed grows from 0 to 10 Gb/s.".into(),
//!     shapes: Vec::new(),
//! };
//! drawing.rect(point(0.0, 0.0), point(200.0, 100.0), Role::Page);
//! drawing.line(vec![point(10.0, 90.0), point(190.0, 10.0)], 2.0, Role::Speed);
//! drawing.text(point(100.0, 50.0), 12.0, Anchor::Middle, Role::Text, "10 Gb/s");
//! assert!(drawing.svg(Paint::Fixed(Theme::Light)).contains("10 Gb/s"));
//! assert!(drawing.png(Theme::Light)?.starts_with(b"\x89PNG"));
//! # Ok(())
//! # }
//! ```

mod escaped;
mod font;
mod png;
mod scale;
mod shape;
mod svg;
mod theme;

pub use escaped::Escaped;
pub use font::{text_width, wrap};
pub use scale::{Scale, Tick};
pub use shape::{Anchor, Drawing, Point, Role, Shape, point};
pub use svg::Paint;
pub use theme::{Colour, Theme};
