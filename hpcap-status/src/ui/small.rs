//! The screen of a terminal that is too small for tables: the answer to the first question.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{View, put_lines, take_top, wrap};

/// Draws the verdict over as many lines as it needs.
pub(super) fn draw(view: &View<'_>, mut area: Rect, buf: &mut Buffer) {
    let verdict = &view.report.verdict;
    let width = usize::from(area.width.max(1));
    let style = view.theme.verdict(verdict.level);
    let lines = wrap(&verdict.headline, width);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let part = take_top(&mut area, height);
    buf.set_style(part, style);
    put_lines(&lines, style, part, buf);
    let lines = wrap(&verdict.reason, width);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let part = take_top(&mut area, height);
    put_lines(&lines, ratatui::style::Style::new(), part, buf);
    let hint = wrap("a terminal of 80 x 24 shows the tables; q quits", width);
    put_lines(&hint, view.theme.quiet(), area, buf);
}
