//! The first screen: the verdict, all queues, their listeners, the history of one queue, and events.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{
    View, events, graph, header, listeners, put_lines, queues, table, take_bottom, take_top, title,
    wrap,
};
use crate::collect::report::InterfaceReport;
use crate::text::{bytes, rate};

/// Lines of the rows of each part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heights {
    queues: u16,
    listeners: u16,
    graph: u16,
    events: u16,
}

/// Lines that are there in any case: the first line, two of the verdict, one of the engine, a title and
/// a heading of the queues, title and heading of the listeners, the titles of graph and events, the keys.
const FIXED: u16 = 11;

fn heights(rows: u16, queues: usize, listeners: usize) -> Heights {
    let clamp = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let (queues, listeners) = (clamp(queues).max(1), clamp(listeners).max(1));
    let mut left = rows.saturating_sub(FIXED);
    let mut take = |wanted: u16| {
        let taken = wanted.min(left);
        left -= taken;
        taken
    };
    // First some lines for each, then more for those that need it.
    let mut heights = Heights {
        queues: take(queues.min(4)),
        listeners: take(listeners.min(2)),
        graph: take(4),
        events: take(2),
    };
    heights.queues += take(queues - heights.queues);
    heights.listeners += take((listeners - heights.listeners).min(4));
    heights.graph += take(6);
    heights.events += take(4);
    heights.listeners += take(listeners - heights.listeners);
    let half = left / 2;
    heights.graph += half;
    left -= half;
    heights.events += left;
    heights
}

/// Returns the lines that the overview needs to show all queues and listeners and no history.
#[must_use]
pub fn height(view: &View<'_>) -> u16 {
    let lines = |n: usize| u16::try_from(n.max(1)).unwrap_or(u16::MAX);
    let listeners = view.app.listeners(view.report).len();
    let queues = match view.report.queues.len() {
        0 => view.report.interfaces.len() + 4,
        n => n,
    };
    lines(queues)
        .saturating_add(lines(listeners))
        .saturating_add(lines(view.report.events.len().min(10)))
        .saturating_add(FIXED)
}

/// Draws the screen.
pub(super) fn draw(view: &View<'_>, mut area: Rect, buf: &mut Buffer) {
    let report = view.report;
    header::draw(view, take_top(&mut area, 1), buf);
    header::draw_verdict(view, &mut area, buf);
    header::draw_engine(view, &mut area, buf);
    header::draw_keys(view, take_bottom(&mut area, 1), buf);
    if report.queues.is_empty() {
        draw_without_queues(view, area, buf);
        return;
    }
    let rows = view.app.sorted(report);
    let attached = view.app.listeners(report);
    // A picture that is no screen shows no history, which it has not had the time to collect.
    let with_graph = !view.interval.is_empty();
    let mut heights = heights(area.height + 5, rows.len(), attached.len());
    if !with_graph {
        heights.queues = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        heights.listeners = u16::try_from(attached.len().max(1)).unwrap_or(u16::MAX);
    }
    let hidden = rows.len().saturating_sub(usize::from(heights.queues));
    let more = match hidden {
        0 => String::new(),
        n => format!(", {n} of them not shown (Down scrolls)"),
    };
    let text = format!("{} {}{more}", rows.len(), plural("queue", rows.len()));
    title(view, &text, take_top(&mut area, 1), buf);
    queues::draw(view, &rows, take_top(&mut area, heights.queues + 1), buf);

    let hidden = attached
        .len()
        .saturating_sub(usize::from(heights.listeners));
    let more = match hidden {
        0 => String::new(),
        n => format!(", {n} of them not shown"),
    };
    let text = format!(
        "{} {}{more}",
        attached.len(),
        plural("listener", attached.len())
    );
    title(view, &text, take_top(&mut area, 1), buf);
    listeners::draw(
        view,
        &attached,
        take_top(&mut area, heights.listeners + 1),
        buf,
    );

    if let Some(name) = view.app.selected_queue.as_deref().filter(|_| with_graph) {
        graph::draw(view, name, take_top(&mut area, heights.graph + 1), buf);
    }
    title(view, "events", take_top(&mut area, 1), buf);
    events::draw(view, area, buf);
}

fn plural(word: &str, count: usize) -> String {
    match count {
        1 => word.to_owned(),
        _ => format!("{word}s"),
    }
}

/// Draws why nothing is shown, and what the machine has that could be captured.
fn draw_without_queues(view: &View<'_>, mut area: Rect, buf: &mut Buffer) {
    let report = view.report;
    if !report.unseen.is_empty() {
        title(view, "what cannot be seen", take_top(&mut area, 1), buf);
        for why in &report.unseen {
            for line in why.lines() {
                let lines = wrap(
                    &hpcap::visible(line),
                    usize::from(area.width.saturating_sub(1)),
                );
                let height = u16::try_from(lines.len()).unwrap_or(1);
                let mut part = take_top(&mut area, height);
                part.x += 1;
                put_lines(&lines, Style::new(), part, buf);
            }
        }
        let _ = take_top(&mut area, 1);
    }
    let text = format!(
        "{} {}",
        report.interfaces.len(),
        plural("interface", report.interfaces.len())
    );
    title(view, &text, take_top(&mut area, 1), buf);
    for interface in &report.interfaces {
        let line = take_top(&mut area, 1);
        if line.height > 0 {
            table::put(
                buf,
                line.x,
                line.y,
                line.width,
                &describe(interface),
                Style::new(),
                false,
            );
        }
    }
    if !report.events.is_empty() {
        title(view, "events", take_top(&mut area, 1), buf);
        events::draw(view, area, buf);
    }
}

fn describe(interface: &InterfaceReport) -> String {
    let state = match (interface.up, interface.link) {
        (false, _) => "down",
        (true, false) => "no link",
        (true, true) => "up",
    };
    let speed = interface
        .bits_per_second
        .map_or_else(String::new, |bits| rate(bits as f64, "b/s"));
    let now = interface.rate.map_or_else(String::new, |now| {
        format!("{}, ", rate(now.bits_per_second, "b/s"))
    });
    format!(
        " {:<15} {state:<8} {speed:>9}  received: {now}{} in all",
        hpcap::visible(&interface.name),
        bytes(interface.received.bytes as f64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_screen_has_room_for_each_part() {
        let found = heights(24, 64, 64);
        assert_eq!(
            found,
            Heights {
                queues: 5,
                listeners: 2,
                graph: 4,
                events: 2
            }
        );
    }

    #[test]
    fn parts_fill_any_screen() {
        for rows in FIXED..200 {
            for (queues, listeners) in [(1, 0), (1, 1), (4, 8), (64, 64)] {
                let h = heights(rows, queues, listeners);
                let sum = h.queues + h.listeners + h.graph + h.events;
                assert_eq!(sum, rows - FIXED, "{rows} {h:?}");
            }
        }
    }
}
