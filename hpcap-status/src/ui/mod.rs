//! Draws the dashboard: one widget a file. Everything is drawn into a buffer of characters, which is the
//! screen, the text of `--once`, or a picture in a test.

mod detail;
mod events;
mod graph;
mod header;
mod help;
mod listeners;
mod overview;
mod queues;
mod small;
mod table;
pub mod theme;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::{App, Screen};
use crate::collect::history::History;
use crate::collect::report::Report;
use crate::text::Clock;
use theme::Theme;

pub use overview::height as overview_height;

/// Everything that drawing needs.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The report to draw.
    pub report: &'a Report,
    /// The histories of the queues.
    pub history: &'a History,
    /// The choices of the user.
    pub app: &'a App,
    /// Colours and characters.
    pub theme: Theme,
    /// How times are written.
    pub clock: &'a Clock,
    /// Time between two screens, for people; empty for a single picture.
    pub interval: &'a str,
}

/// The smallest screen that has room for the tables.
const SMALLEST: (u16, u16) = (60, 12);

/// Draws the screen into `area`. Returns the first line of the help that is shown.
pub fn draw(view: &View<'_>, area: Rect, buf: &mut Buffer) -> u16 {
    let area = area.intersection(*buf.area());
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        small::draw(view, area, buf);
        return view.app.scroll;
    }
    match view.app.screen {
        Screen::Overview => overview::draw(view, area, buf),
        Screen::Detail => detail::draw(view, area, buf),
        Screen::Help => return help::draw(view, area, buf),
    }
    view.app.scroll
}

/// Cuts `height` lines from the top of `area`.
fn take_top(area: &mut Rect, height: u16) -> Rect {
    let height = height.min(area.height);
    let top = Rect { height, ..*area };
    area.y += height;
    area.height -= height;
    top
}

/// Cuts `height` lines from the bottom of `area`.
fn take_bottom(area: &mut Rect, height: u16) -> Rect {
    let height = height.min(area.height);
    area.height -= height;
    Rect {
        y: area.bottom(),
        height,
        ..*area
    }
}

/// Draws the title of a part of the screen, and a line to its right end.
fn title(view: &View<'_>, text: &str, area: Rect, buf: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let rule = view.theme.rule().repeat(usize::from(area.width));
    table::put(
        buf,
        area.x,
        area.y,
        area.width,
        &rule,
        view.theme.quiet(),
        false,
    );
    let text = format!("{} {text} ", view.theme.rule());
    table::put(
        buf,
        area.x,
        area.y,
        area.width,
        &text,
        view.theme.title(),
        false,
    );
}

/// Writes `text` into lines of `width` characters, cut at spaces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let length = |text: &str| ratatui::text::Span::raw(text).width();
    for word in text.split(' ') {
        if !line.is_empty() && length(&line) + 1 + length(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Writes lines from the top of `area`; those beyond its end are left out.
fn put_lines(lines: &[String], style: Style, area: Rect, buf: &mut Buffer) {
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        table::put(buf, area.x, y, area.width, line, style, false);
    }
}
