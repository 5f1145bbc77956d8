//! The second screen: everything of one queue.

use hpcap::counters::QUEUE;
use hpcap::{Reason, visible};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table::{self, Cell, Column, Rows, put};
use super::{View, graph, header, listeners, put_lines, take_bottom, take_top, title, wrap};
use crate::collect::report::{QueueReport, Total};
use crate::text::{bytes, count, duration, percent, rate};

/// Width of the names of facts.
const NAME: u16 = 11;

/// A row of the ledger.
type Row = (Reason, Total, f64, f64);

const fn columns() -> [Column<Row>; 6] {
    [
        Column::left("became", 12, 0, |view, (reason, total, now, _), _| {
            let style = match reason.is_loss() {
                true if *now > 0.0 => view.theme.bad(),
                true if total.frames > 0 => view.theme.warning(),
                _ => view.theme.heading(),
            };
            Cell::styled(reason.name(), style)
        }),
        Column::right("frames", 16, 0, |_, (_, total, _, _), _| {
            Cell::plain(total.frames.to_string())
        }),
        Column::right("bytes", 9, 0, |_, (_, total, _, _), _| {
            Cell::plain(bytes(total.bytes as f64))
        }),
        Column::right("of wire", 7, 0, |_, (_, _, _, share), _| {
            Cell::plain(percent(*share))
        }),
        Column::right("now", 10, 0, |_, (_, _, now, _), _| {
            Cell::plain(rate(*now, "pps"))
        }),
        Column {
            grows_to: 200,
            ..Column::left("meaning", 12, 1, |view, (reason, _, _, _), _| {
                Cell::styled(meaning(*reason), view.theme.quiet())
            })
        },
    ]
}

/// What the frames of `reason` are, and what to do about them.
fn meaning(reason: Reason) -> String {
    let key = format!("ledger.{}.frames", reason.name());
    let row = QUEUE.iter().find(|row| row.key == key);
    row.map_or_else(String::new, |row| match row.advice {
        "" => row.meaning.to_owned(),
        advice => format!("{}; {advice}", row.meaning),
    })
}

/// Draws the screen.
pub(super) fn draw(view: &View<'_>, mut area: Rect, buf: &mut Buffer) {
    header::draw(view, take_top(&mut area, 1), buf);
    header::draw_verdict(view, &mut area, buf);
    header::draw_keys(view, take_bottom(&mut area, 1), buf);
    let Some(queue) = view.app.selected(view.report) else {
        return;
    };
    title(view, &visible(&queue.queue), take_top(&mut area, 1), buf);
    for (name, text) in facts(view, queue) {
        let lines = wrap(&text, usize::from(area.width.saturating_sub(NAME + 1)));
        let mut part = take_top(&mut area, u16::try_from(lines.len()).unwrap_or(1));
        put(
            buf,
            part.x + 1,
            part.y,
            NAME - 1,
            name,
            view.theme.heading(),
            false,
        );
        part.x += NAME + 1;
        part.width -= NAME + 1;
        put_lines(&lines, Style::new(), part, buf);
    }
    let wire = queue.on_the_wire.frames as f64;
    let rows: Vec<Row> = Reason::ledger()
        .iter()
        .map(|reason| {
            let total = queue.count(*reason);
            let now = match reason {
                Reason::Captured => queue
                    .rates
                    .as_ref()
                    .map_or(0.0, |rates| rates.captured.frames_per_second),
                _ => queue.rate(*reason),
            };
            (*reason, total, now, total.frames as f64 / wire.max(1.0))
        })
        .filter(|(reason, total, _, _)| *reason == Reason::Captured || total.frames > 0)
        .collect();
    let text = format!("ledger: {} frames on the wire", queue.on_the_wire.frames);
    title(view, &text, take_top(&mut area, 1), buf);
    let height = u16::try_from(rows.len() + 1).unwrap_or(u16::MAX);
    let rows = Rows {
        rows: &rows,
        selected: None,
        sorted: None,
    };
    table::draw(view, &columns(), &rows, take_top(&mut area, height), buf);
    let attached = view.app.listeners(view.report);
    title(view, "listeners", take_top(&mut area, 1), buf);
    let height = u16::try_from(attached.len() + 1).unwrap_or(u16::MAX);
    let height = height.min(area.height.saturating_sub(5).max(2));
    listeners::draw(view, &attached, take_top(&mut area, height), buf);
    if area.height >= 3 {
        let graph_height = area.height.min(24);
        graph::draw(view, &queue.queue, take_top(&mut area, graph_height), buf);
    }
}

/// The facts of a queue, each with its name.
fn facts(view: &View<'_>, queue: &QueueReport) -> Vec<(&'static str, String)> {
    let state = match queue.end.as_deref() {
        None => "running".to_owned(),
        Some(end) => visible(end).into_owned(),
    };
    let mut source = format!(
        "{}, {state} since {}, served by {} ({}, pid {})",
        visible(&queue.source),
        view.clock.time(queue.start_ns),
        visible(&queue.producer),
        visible(&queue.software),
        queue.pid
    );
    if !queue.filter.is_empty() {
        source += &format!(", filter {}", visible(&queue.filter));
    }
    let caplen = match queue.caplen {
        0 => "whole frames".to_owned(),
        n => format!("the first {n} bytes of frames"),
    };
    let slack = queue.slack_seconds.map_or_else(String::new, |slack| {
        format!("; full in {} if nobody reads", duration(slack))
    });
    let ring = format!(
        "{} in pages of {}, {} used{slack}; {caplen}; {} published",
        bytes(queue.ring_bytes as f64),
        bytes(queue.page_bytes as f64),
        percent(queue.ring_fill),
        bytes(queue.published_bytes as f64)
    );
    let mut facts = vec![
        ("source", source),
        ("ring", ring),
        ("traffic", traffic(queue)),
    ];
    if let Some(poll) = &queue.poll {
        let load = poll.load.map_or_else(|| "unknown".to_owned(), percent);
        let text = format!("thread {} on CPU {}, load {load}", poll.thread, poll.cpus);
        facts.push(("poll", text));
    }
    if let Some(interface) = view
        .report
        .interfaces
        .iter()
        .find(|i| i.name == queue.interface)
    {
        let counter = |key: &str| interface.counters.get(key).copied().unwrap_or(0);
        let speed = interface.bits_per_second.map_or_else(
            || "speed unknown".to_owned(),
            |bits| rate(bits as f64, "b/s"),
        );
        let link = if interface.link { "link" } else { "NO LINK" };
        facts.push((
            "interface",
            format!(
                "{}: {link}, {speed}; missed {}, dropped {}, errors {} (CRC {}, length {})",
                visible(&interface.name),
                counter("rx_missed_errors"),
                counter("rx_dropped"),
                counter("rx_errors"),
                counter("rx_crc_errors"),
                counter("rx_length_errors")
            ),
        ));
    }
    facts.insert(0, ("losses", losses(view, queue)));
    let odd = queue.duplicates_marked + queue.frames_cut + queue.times_adjusted + queue.gaps;
    if odd == 0 {
        return facts;
    }
    facts.push((
        "odd frames",
        format!(
            "{} marked as duplicates, {} cut at 65,535 bytes, {} with an adjusted time; {} gap records",
            queue.duplicates_marked, queue.frames_cut, queue.times_adjusted, queue.gaps
        ),
    ));
    facts
}

fn traffic(queue: &QueueReport) -> String {
    let all = queue
        .on_the_wire
        .mean_bytes()
        .map_or_else(String::new, |mean| {
            format!(" ({mean:.0} B since the start)")
        });
    let Some(rates) = &queue.rates else {
        return format!("none now{all}");
    };
    let wire = rates.on_the_wire;
    let used = queue.utilisation.map_or_else(String::new, |used| {
        format!(", {} of the link", percent(used))
    });
    let mean = rates
        .mean_frame_bytes
        .map_or_else(String::new, |mean| format!(", mean frame {mean:.0} B"));
    format!(
        "{} {}{used}{mean}{all}",
        rate(wire.bits_per_second, "b/s"),
        rate(wire.frames_per_second, "pps")
    )
}

fn losses(view: &View<'_>, queue: &QueueReport) -> String {
    let losses = &queue.losses;
    let quiet = duration(losses.quiet_seconds);
    let at_least = if losses.quiet_at_least {
        " or longer"
    } else {
        ""
    };
    let run = match (losses.since_ns, losses.last_ns) {
        (Some(since), Some(last)) => format!(
            "; last run: {} frames from {} to {}",
            count(losses.in_run),
            view.clock.time(since),
            view.clock.time(last)
        ),
        _ => String::new(),
    };
    format!(
        "{} frames ({}), none for {quiet}{at_least}{run}",
        losses.total.frames,
        percent(losses.share)
    )
}
