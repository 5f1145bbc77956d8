//! The queues: a row for each, with the original's columns and more.

use hpcap::{Reason, visible};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::View;
use super::table::{self, Cell, Column, Rows};
use crate::app::{Focus, Sort, Units};
use crate::collect::report::{QueueReport, Rate};
use crate::text::{bytes, count, duration, percent, rate, whole};

/// A row.
type Row<'a> = &'a QueueReport;

/// Names of the columns by which rows can be sorted.
pub(super) const fn title_of(sort: Sort) -> &'static str {
    match sort {
        Sort::Name => "queue",
        Sort::Rate => "wire",
        Sort::Loss => "lost now",
        Sort::TotalLoss => "lost all",
        Sort::Ring => "ring",
    }
}

const fn columns<'a>() -> [Column<Row<'a>>; 20] {
    [
        Column::left("queue", 9, 0, name),
        Column::left("flags", 5, 0, flags),
        Column::right("wire", 9, 0, |view, q, _| {
            let wire = q.rates.as_ref().map(|rates| rates.on_the_wire);
            Cell::plain(wire.map_or_else(String::new, |wire| traffic(view, wire)))
        }),
        Column::right("use", 6, 2, |_, q, _| {
            Cell::plain(q.utilisation.map_or_else(String::new, percent))
        }),
        Column::right("lost now", 9, 0, lost_now),
        Column::right("%", 7, 3, |view, q, _| {
            let share = q.losses.share_now;
            let style = if share > 0.0 {
                view.theme.bad()
            } else {
                view.theme.quiet()
            };
            Cell::styled(
                if share > 0.0 {
                    percent(share)
                } else {
                    String::new()
                },
                style,
            )
        }),
        Column::right("lost all", 8, 0, |view, q, _| match q.losses.total.frames {
            0 => Cell::styled("0", view.theme.good()),
            lost => Cell::styled(count(lost), view.theme.warning()),
        }),
        Column::right("% all", 7, 4, |_, q, _| {
            Cell::plain(percent(q.losses.share))
        }),
        Column::right("no loss", 8, 1, no_loss),
        Column {
            grows_to: 16,
            ..Column::left("ring", 11, 0, ring)
        },
        Column::right("slack", 6, 1, |view, q, _| {
            let style = match q.slack_seconds {
                Some(slack) if slack < 0.1 => view.theme.bad(),
                _ => ratatui::style::Style::new(),
            };
            Cell::styled(q.slack_seconds.map_or_else(String::new, duration), style)
        }),
        Column::right("mean", 6, 5, |_, q, _| {
            let mean = q.rates.as_ref().and_then(|rates| rates.mean_frame_bytes);
            Cell::plain(mean.map_or_else(String::new, |mean| format!("{mean:.0} B")))
        }),
        Column::right("frames", 10, 6, |_, q, _| {
            let wire = q.rates.as_ref().map(|r| r.on_the_wire.frames_per_second);
            Cell::plain(wire.map_or_else(String::new, |wire| rate(wire, "pps")))
        }),
        Column::right("received", 9, 6, |_, q, _| {
            Cell::plain(bytes(q.on_the_wire.bytes as f64))
        }),
        Column::right("poll", 6, 5, |view, q, _| {
            let load = q.poll.as_ref().and_then(|poll| poll.load);
            let style = match load {
                Some(load) if load > 0.95 => view.theme.warning(),
                _ => ratatui::style::Style::new(),
            };
            Cell::styled(load.map_or_else(String::new, percent), style)
        }),
        Column::right("dup", 9, 7, |_, q, _| {
            Cell::plain(match duplicates(q) {
                (0, _) => String::new(),
                (_, now) if now > 0.0 => rate(now, "pps"),
                (all, _) => count(all),
            })
        }),
        Column::right("dup %", 7, 7, |_, q, _| {
            let (all, _) = duplicates(q);
            let wire = q.on_the_wire.frames.max(1) as f64;
            Cell::plain(match all {
                0 => String::new(),
                all => percent(all as f64 / wire),
            })
        }),
        Column::left("interface", 12, 7, |_, q, _| {
            Cell::plain(visible(&q.interface))
        }),
        Column::left("trend", 12, 6, trend).growing(40),
        Column::left("why", 20, 8, why).growing(60),
    ]
}

/// Duplicates that were removed or marked: all, and a second.
fn duplicates(queue: &QueueReport) -> (u64, f64) {
    let removed = queue.count(Reason::Duplicate).frames;
    let all = removed.saturating_add(queue.duplicates_marked);
    (all, queue.rate(Reason::Duplicate))
}

/// Writes a rate in the units that the user has chosen.
pub(super) fn traffic(view: &View<'_>, wire: Rate) -> String {
    match view.app.units {
        Units::Bits => rate(wire.bits_per_second, "b/s"),
        Units::Bytes => rate(wire.bits_per_second / 8.0, "B/s"),
        Units::Frames => rate(wire.frames_per_second, "pps"),
    }
}

fn name(view: &View<'_>, queue: &Row<'_>, _: usize) -> Cell {
    let style = match queue.end.as_deref() {
        Some("failed" | "died") => view.theme.bad(),
        Some(_) => view.theme.quiet(),
        None => view.theme.heading(),
    };
    Cell::styled(visible(&queue.queue), style)
}

/// The letters of the flags; a dot stands for one that is off. Their order is that of the original.
pub(super) fn flags(view: &View<'_>, queue: &Row<'_>, _: usize) -> Cell {
    let flags = queue.flags;
    let text: String = [
        (flags.link, 'L'),
        (flags.client_loss, 'C'),
        (flags.discarding, 'D'),
        (flags.errors, 'E'),
        (flags.missed, 'M'),
    ]
    .into_iter()
    .map(|(on, letter)| if on { letter } else { '.' })
    .collect();
    let style = if flags.client_loss || flags.missed {
        view.theme.bad()
    } else if flags.errors || flags.discarding || !flags.link {
        view.theme.warning()
    } else {
        view.theme.good()
    };
    Cell::styled(text, style)
}

fn lost_now(view: &View<'_>, queue: &Row<'_>, _: usize) -> Cell {
    let Some(rates) = &queue.rates else {
        let end = queue.end.clone().unwrap_or_default();
        return Cell::styled(end, view.theme.quiet());
    };
    match rates.lost.frames_per_second {
        lost if lost > 0.0 => Cell::styled(rate(lost, "pps"), view.theme.bad()),
        _ => Cell::styled("0", view.theme.good()),
    }
}

fn no_loss(view: &View<'_>, queue: &Row<'_>, _: usize) -> Cell {
    let losses = &queue.losses;
    let time = duration(losses.quiet_seconds);
    match (losses.losing, losses.quiet_at_least) {
        (true, _) => Cell::styled(time, view.theme.bad()),
        (false, true) => Cell::plain(format!(">{time}")),
        (false, false) => Cell::plain(time),
    }
}

fn ring(view: &View<'_>, queue: &Row<'_>, width: usize) -> Cell {
    let fill = queue.ring_fill;
    let style = match fill {
        f if f > 0.9 => view.theme.bad(),
        f if f > 0.5 => view.theme.warning(),
        _ => ratatui::style::Style::new(),
    };
    let number = match queue.listeners.is_empty() {
        true => String::new(),
        false => percent(fill),
    };
    let room = width.saturating_sub(6);
    Cell::styled(format!("{}{number:>6}", gauge(view, fill, room)), style)
}

/// Draws a part, 0 to 1, into `width` characters. A part above 0 never looks empty.
pub(super) fn gauge(view: &View<'_>, part: f64, width: usize) -> String {
    let (full, empty) = view.theme.gauge();
    let filled = usize::try_from(whole((part * width as f64).ceil())).unwrap_or(width);
    let filled = filled.min(width);
    full.repeat(filled) + &empty.repeat(width - filled)
}

fn trend(view: &View<'_>, queue: &Row<'_>, width: usize) -> Cell {
    let Some(series) = view.history.queues.get(&queue.queue) else {
        return Cell::plain("");
    };
    let now = view.report.time_ns / 1_000_000_000;
    let seconds = u64::try_from(width).unwrap_or(u64::MAX);
    let slices = series.slices(now, seconds, width);
    let value = |slice: &crate::collect::history::Slice| slice.bits_per_second;
    let top = slices.iter().flatten().map(value).fold(0.0, f64::max);
    let bars = view.theme.bars();
    let text: String = slices
        .iter()
        .map(|slice| {
            let level = slice
                .as_ref()
                .map_or(0.0, |s| value(s) / top.max(1.0) * 8.0);
            let level = usize::try_from(whole(level.ceil())).unwrap_or(8);
            bars[level.min(8)]
        })
        .collect();
    Cell::plain(text)
}

fn why(view: &View<'_>, queue: &Row<'_>, _: usize) -> Cell {
    let reasons: Vec<String> = queue
        .loss_reasons()
        .into_iter()
        .map(|reason| format!("{reason} {}", count(queue.count(reason).frames)))
        .collect();
    Cell::styled(reasons.join(", "), view.theme.warning())
}

/// Draws the title and the rows.
pub(super) fn draw(view: &View<'_>, rows: &[Row<'_>], area: Rect, buf: &mut Buffer) {
    let is_focus = view.app.focus == Focus::Queues;
    let selected = view.app.selected_queue.as_deref();
    let sort = view.app.sort;
    let rows = Rows {
        rows,
        selected: rows
            .iter()
            .position(|queue| is_focus && Some(queue.queue.as_str()) == selected),
        sorted: Some((title_of(sort), view.app.reverse)),
    };
    table::draw(view, &columns(), &rows, area, buf);
}
