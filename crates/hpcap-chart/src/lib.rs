//! Drawings of charts, as SVG for pages and files, and as PNG.
//!
//! One drawing is the source of both, so that they show the same. A drawing consists of shapes, each of
//! which has a role; a theme gives each role a colour. What a chart shows is its program's business.

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
