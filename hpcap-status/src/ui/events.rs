//! The list of events, the newest first.

use hpcap::visible;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table::put;
use super::{View, put_lines, take_top, wrap};

/// Draws one event a line.
pub(super) fn draw(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    if area.height > 0 && view.report.events.is_empty() {
        let text = " none since the start of this program";
        put(
            buf,
            area.x,
            area.y,
            area.width,
            text,
            view.theme.quiet(),
            false,
        );
    }
    let events = view.report.events.iter().rev();
    let mut area = area;
    for event in events {
        if area.height == 0 {
            return;
        }
        let style = match event.phase.as_str() {
            "end" => view.theme.good(),
            _ => view.theme.warning(),
        };
        let time = view.clock.time(event.time_ns);
        let width = u16::try_from(time.len()).unwrap_or(0) + 3;
        let message = visible(&event.message);
        let lines = wrap(&message, usize::from(area.width.saturating_sub(width)));
        let mut part = take_top(&mut area, u16::try_from(lines.len()).unwrap_or(1));
        put(buf, part.x + 1, part.y, width, &time, style, false);
        part.x += width;
        part.width = part.width.saturating_sub(width);
        put_lines(&lines, style, part, buf);
    }
}
