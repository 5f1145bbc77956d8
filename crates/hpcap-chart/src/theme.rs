//! The colours of charts and pages.

use crate::shape::Role;

/// A colour: red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Colours for a background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light, for paper and screens.
    Light,
    /// Light on dark.
    Dark,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 23] = [
        Self::Page,
        Self::Text,
        Self::Label,
        Self::Grid,
        Self::NoData,
        Self::Good,
        Self::Bad,
        Self::Speed,
        Self::SpeedArea,
        Self::Peak,
        Self::RingFull,
        Self::NicMissed,
        Self::NicError,
        Self::KernelDropped,
        Self::Unknown,
        Self::Series1,
        Self::Series2,
        Self::Series3,
        Self::Series4,
        Self::Series5,
        Self::Series6,
        Self::Series7,
        Self::Series8,
    ];

    /// The name of the role in style sheets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Text => "text",
            Self::Label => "label",
            Self::Grid => "grid",
            Self::NoData => "nodata",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Speed => "speed",
            Self::SpeedArea => "speedarea",
            Self::Peak => "peak",
            Self::RingFull => "ringfull",
            Self::NicMissed => "nicmissed",
            Self::NicError => "nicerror",
            Self::KernelDropped => "dropped",
            Self::Unknown => "unknown",
            Self::Series1 => "series1",
            Self::Series2 => "series2",
            Self::Series3 => "series3",
            Self::Series4 => "series4",
            Self::Series5 => "series5",
            Self::Series6 => "series6",
            Self::Series7 => "series7",
            Self::Series8 => "series8",
        }
    }
}

impl Theme {
    /// Returns the colour of a role.
    ///
    /// The colours of curves are of Okabe and Ito's palette, which colour-blind people can tell apart, and
    /// differ in lightness, for prints in grey.
    #[must_use]
    pub const fn colour(self, role: Role) -> Colour {
        match (self, role) {
            (Self::Light, Role::Page) => Colour(255, 255, 255),
            (Self::Light, Role::Text) => Colour(26, 28, 31),
            (Self::Light, Role::Label) => Colour(86, 92, 99),
            (Self::Light, Role::Grid) => Colour(224, 227, 231),
            (Self::Light, Role::NoData) => Colour(236, 237, 239),
            (Self::Light, Role::Good) => Colour(0, 122, 87),
            (Self::Light, Role::Bad) => Colour(190, 60, 0),
            (Self::Light, Role::Speed) => Colour(0, 114, 178),
            (Self::Light, Role::SpeedArea) => Colour(205, 226, 241),
            (Self::Light, Role::Peak) => Colour(126, 178, 215),
            (Self::Light, Role::RingFull) => Colour(213, 94, 0),
            (Self::Light, Role::NicMissed) => Colour(122, 58, 114),
            (Self::Light, Role::NicError) => Colour(240, 178, 40),
            (Self::Light, Role::KernelDropped) => Colour(86, 180, 233),
            (Self::Light, Role::Unknown) => Colour(120, 120, 120),
            (Self::Light, Role::Series1) => Colour(0, 114, 178),
            (Self::Light, Role::Series2) => Colour(213, 94, 0),
            (Self::Light, Role::Series3) => Colour(0, 140, 100),
            (Self::Light, Role::Series4) => Colour(170, 80, 140),
            (Self::Light, Role::Series5) => Colour(60, 150, 210),
            (Self::Light, Role::Series6) => Colour(200, 140, 0),
            (Self::Light, Role::Series7) => Colour(90, 90, 90),
            (Self::Light, Role::Series8) => Colour(20, 20, 20),
            (Self::Dark, Role::Page) => Colour(20, 23, 27),
            (Self::Dark, Role::Text) => Colour(232, 234, 237),
            (Self::Dark, Role::Label) => Colour(160, 168, 178),
            (Self::Dark, Role::Grid) => Colour(48, 54, 61),
            (Self::Dark, Role::NoData) => Colour(36, 40, 46),
            (Self::Dark, Role::Good) => Colour(70, 200, 150),
            (Self::Dark, Role::Bad) => Colour(255, 136, 77),
            (Self::Dark, Role::Speed) => Colour(86, 180, 233),
            (Self::Dark, Role::SpeedArea) => Colour(28, 62, 84),
            (Self::Dark, Role::Peak) => Colour(52, 112, 150),
            (Self::Dark, Role::RingFull) => Colour(240, 120, 30),
            (Self::Dark, Role::NicMissed) => Colour(204, 121, 167),
            (Self::Dark, Role::NicError) => Colour(240, 200, 80),
            (Self::Dark, Role::KernelDropped) => Colour(110, 160, 240),
            (Self::Dark, Role::Unknown) => Colour(150, 150, 150),
            (Self::Dark, Role::Series1) => Colour(86, 180, 233),
            (Self::Dark, Role::Series2) => Colour(240, 130, 50),
            (Self::Dark, Role::Series3) => Colour(60, 200, 150),
            (Self::Dark, Role::Series4) => Colour(220, 140, 190),
            (Self::Dark, Role::Series5) => Colour(130, 200, 250),
            (Self::Dark, Role::Series6) => Colour(240, 200, 80),
            (Self::Dark, Role::Series7) => Colour(170, 170, 170),
            (Self::Dark, Role::Series8) => Colour(235, 235, 235),
        }
    }

    /// Returns a style sheet with the colours of both themes, between which the browser chooses.
    #[must_use]
    pub fn style_sheet() -> String {
        use std::fmt::Write;
        let variables = |theme: Self| -> String {
            let all = Role::ALL.into_iter();
            all.map(|role| format!("--{}:{};", role.name(), theme.colour(role)))
                .collect()
        };
        let mut css = format!(
            ":root{{color-scheme:light dark;{}}}\n@media(prefers-color-scheme:dark){{:root{{{}}}}}\n",
            variables(Self::Light),
            variables(Self::Dark)
        );
        for role in Role::ALL {
            let name = role.name();
            let _ = writeln!(
                css,
                ".f-{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}"
            );
        }
        css
    }
}
