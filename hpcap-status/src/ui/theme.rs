//! Colours and characters. Colours are the sixteen of the terminal, which its user has chosen to be
//! readable on its background, and no meaning depends on a colour alone.

use ratatui::style::{Color, Modifier, Style};

use crate::collect::report::Level;

/// How the screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether there are colours.
    pub color: bool,
    /// Whether the terminal shows characters beyond ASCII.
    pub unicode: bool,
}

impl Theme {
    /// Reads the wishes of the user: `NO_COLOR` (no-color.org), and the character set of the locale.
    #[must_use]
    pub fn from_environment() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        // The first that is set counts, as in locale(7).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        Self {
            color: !is_set("NO_COLOR") && !dumb,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    fn colored(self, color: Color) -> Style {
        match self.color {
            true => Style::new().fg(color),
            false => Style::new(),
        }
    }

    /// Something that is wrong.
    #[must_use]
    pub fn bad(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Something that may be wrong.
    #[must_use]
    pub fn warning(self) -> Style {
        // Yellow text cannot be read on a light background.
        self.colored(Color::Magenta).add_modifier(Modifier::BOLD)
    }

    /// Something that is right.
    #[must_use]
    pub fn good(self) -> Style {
        self.colored(Color::Green)
    }

    /// The title of a part of the screen.
    #[must_use]
    pub fn title(self) -> Style {
        self.colored(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The heading of a column.
    #[must_use]
    pub fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Explanations beside the values.
    #[must_use]
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The row that keys act on.
    #[must_use]
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The answer to the first question.
    #[must_use]
    pub fn verdict(self, level: Level) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match (level, self.color) {
            (Level::Losing | Level::Failed, true) => bold.fg(Color::White).bg(Color::Red),
            (Level::Blind | Level::Unheard, true) => {
                Style::new().fg(Color::Black).bg(Color::Yellow)
            }
            (Level::Losing | Level::Failed | Level::Blind | Level::Unheard, false) => {
                bold.add_modifier(Modifier::REVERSED)
            }
            (Level::Lost, _) => self.warning(),
            (Level::Idle, _) => bold,
            (Level::Fine, _) => self.good().add_modifier(Modifier::BOLD),
        }
    }

    /// The characters of a column of a graph, from empty to full.
    #[must_use]
    pub fn bars(self) -> &'static [&'static str; 9] {
        match self.unicode {
            true => &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
            false => &[" ", ".", ".", ":", ":", "|", "|", "#", "#"],
        }
    }

    /// The full and the empty character of a gauge.
    #[must_use]
    pub fn gauge(self) -> (&'static str, &'static str) {
        match self.unicode {
            true => ("█", "░"),
            false => ("#", "."),
        }
    }

    /// The character of a line across the screen.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self.unicode {
            true => "─",
            false => "-",
        }
    }

    /// The mark of a column by which rows are sorted, downwards or upwards.
    #[must_use]
    pub fn sorted(self, reverse: bool) -> &'static str {
        match (self.unicode, reverse) {
            (true, false) => "▼",
            (true, true) => "▲",
            (false, false) => "v",
            (false, true) => "^",
        }
    }
}
