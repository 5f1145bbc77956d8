//! The shapes of a drawing, which SVG and PNG show alike.

/// The meaning of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The background.
    Page,
    /// Text.
    Text,
    /// Text beside the point, such as numbers of an axis.
    Label,
    /// Grid lines, which lead the eye from a mark of an axis to the curve.
    Grid,
    /// Time without data.
    NoData,
    /// Nothing is wrong.
    Good,
    /// Frames were lost.
    Bad,
    /// The mean speed.
    Speed,
    /// The area below the mean speed.
    SpeedArea,
    /// The highest speed.
    Peak,
    /// Frames that a full ring lost.
    RingFull,
    /// Frames that the NIC missed.
    NicMissed,
    /// Damaged frames.
    NicError,
    /// Frames that the kernel dropped.
    KernelDropped,
    /// Frames that were lost for an unknown reason.
    Unknown,
    /// One of several things that are compared, the first. Eight have colours of their own.
    Series1,
    /// The second.
    Series2,
    /// The third.
    Series3,
    /// The fourth.
    Series4,
    /// The fifth.
    Series5,
    /// The sixth.
    Series6,
    /// The seventh.
    Series7,
    /// The eighth.
    Series8,
}

impl Role {
    /// The role of the thing number `n` of several that are compared, from 0. After eight roles, the first one follows
    /// again.
    #[must_use]
    pub const fn series(n: usize) -> Self {
        [
            Self::Series1,
            Self::Series2,
            Self::Series3,
            Self::Series4,
            Self::Series5,
            Self::Series6,
            Self::Series7,
            Self::Series8,
        ][n % 8]
    }
}

/// Where a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The text starts there.
    Start,
    /// The middle of the text is there.
    Middle,
    /// The text ends there.
    End,
}

/// A place in a drawing, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Pixels from the left.
    pub x: f32,
    /// Pixels from the top.
    pub y: f32,
}

/// A shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A filled rectangle.
    Rect {
        /// Its upper left corner.
        at: Point,
        /// Its width.
        width: f32,
        /// Its height.
        height: f32,
        /// The role of the rectangle.
        role: Role,
    },
    /// A line through points.
    Line {
        /// The points.
        points: Vec<Point>,
        /// Its width.
        width: f32,
        /// The role of the line.
        role: Role,
    },
    /// A filled area between points.
    Area {
        /// The corners.
        points: Vec<Point>,
        /// The role of the area.
        role: Role,
    },
    /// A line of text.
    Text {
        /// Its anchor, on the base line.
        at: Point,
        /// Height of the font.
        size: f32,
        /// Whether the font is bold.
        bold: bool,
        /// How the text is aligned with its anchor.
        anchor: Anchor,
        /// The role of the text.
        role: Role,
        /// The text.
        text: String,
    },
}

/// Shapes; later ones cover earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Its width in pixels.
    pub width: f32,
    /// Its height in pixels.
    pub height: f32,
    /// Description of the drawing, in a sentence, for people who cannot see it.
    pub description: String,
    /// The shapes.
    pub shapes: Vec<Shape>,
}

impl Drawing {
    /// Adds a rectangle from the corner `from` to the corner `to`.
    pub fn rect(&mut self, from: Point, to: Point, role: Role) {
        self.shapes.push(Shape::Rect {
            at: from,
            width: to.x - from.x,
            height: to.y - from.y,
            role,
        });
    }

    /// Adds a line.
    pub fn line(&mut self, points: Vec<Point>, width: f32, role: Role) {
        self.shapes.push(Shape::Line {
            points,
            width,
            role,
        });
    }

    /// Adds a text of ordinary weight.
    pub fn text(&mut self, at: Point, size: f32, anchor: Anchor, role: Role, text: &str) {
        self.shapes.push(Shape::Text {
            at,
            size,
            bold: false,
            anchor,
            role,
            text: text.to_owned(),
        });
    }
}

/// A point.
#[must_use]
pub const fn point(x: f32, y: f32) -> Point {
    Point { x, y }
}
