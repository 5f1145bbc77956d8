//! The listeners: who holds a ring back, and how fast each reads.

use hpcap::visible;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::View;
use super::table::{self, Cell, Column, Rows};
use crate::app::{Focus, ListenerRow};
use crate::collect::report::ListenerReport;
use crate::text::{bytes, percent, rate};

const fn columns<'a>() -> [Column<ListenerRow<'a>>; 11] {
    [
        Column::left("queue", 9, 0, |_, (queue, _), _| {
            Cell::plain(visible(&queue.queue))
        }),
        Column::right("id", 3, 0, |_, (_, l), _| Cell::plain(l.id.to_string())),
        Column {
            grows_to: 16,
            ..Column::left("listener", 10, 0, |view, (_, l), _| {
                Cell::styled(visible(&l.program), view.theme.heading())
            })
        },
        Column::right("pid", 7, 0, |_, (_, l), _| Cell::plain(l.pid.to_string())),
        Column::left("contract", 9, 1, contract),
        Column::left("state", 8, 2, |view, (_, l), _| {
            // A process that was stopped does nothing, whatever the queue has promised its listener.
            let state = if l.stopped { "stopped" } else { &l.state };
            let style = match state {
                "active" => view.theme.good(),
                "killed" | "demoted" | "stopped" => view.theme.bad(),
                _ => ratatui::style::Style::new(),
            };
            Cell::styled(visible(state), style)
        }),
        Column::right("lag", 9, 0, |view, (_, l), _| {
            Cell::styled(bytes(l.lag_bytes as f64), lag_style(view, l))
        }),
        Column::right("ring", 7, 0, |view, (_, l), _| {
            Cell::styled(percent(l.ring_share), lag_style(view, l))
        }),
        Column::right("reads", 9, 1, |_, (_, l), _| {
            let speed = l.read_bytes_per_second;
            Cell::plain(speed.map_or_else(String::new, |speed| rate(speed, "B/s")))
        }),
        Column::right("disk", 9, 3, |view, (_, l), _| {
            match l.disk_bytes_per_second {
                Some(speed) => Cell::plain(rate(speed, "B/s")),
                None => Cell::styled("?", view.theme.quiet()),
            }
        }),
        Column {
            grows_to: 200,
            ..Column::left("command", 16, 4, |view, (_, l), _| {
                let command = l.command.as_deref().unwrap_or_default();
                Cell::styled(visible(command), view.theme.quiet())
            })
        },
    ]
}

fn contract(_: &View<'_>, (_, listener): &ListenerRow<'_>, _: usize) -> Cell {
    Cell::plain(match listener.max_stall_seconds {
        Some(seconds) => format!("max {}", crate::text::duration(seconds)),
        None => visible(&listener.contract).into_owned(),
    })
}

fn lag_style(view: &View<'_>, listener: &ListenerReport) -> ratatui::style::Style {
    match listener.ring_share {
        share if share > 0.9 && listener.holds_ring => view.theme.bad(),
        share if share > 0.5 => view.theme.warning(),
        _ => ratatui::style::Style::new(),
    }
}

/// Draws the headings and the rows.
pub(super) fn draw(view: &View<'_>, rows: &[ListenerRow<'_>], area: Rect, buf: &mut Buffer) {
    let is_focus = view.app.focus == Focus::Listeners;
    let rows = Rows {
        rows,
        selected: rows
            .iter()
            .position(|row| is_focus && view.app.is_selected(row)),
        sorted: None,
    };
    table::draw(view, &columns(), &rows, area, buf);
}
