//! The first lines: the machine, the answer to the first question, engine and hugepages; and the last
//! line, with the keys.

use hpcap::visible;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::View;
use super::table::put;
use super::{put_lines, take_top, wrap};
use crate::app::{Focus, Screen};
use crate::collect::report::Pool;
use crate::text::bytes;

/// Draws the line with the name of the machine and the time.
pub(super) fn draw(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let report = view.report;
    let engine = &report.engine;
    let left = format!("hpcap {}  {}", engine.version, visible(&report.host));
    put(
        buf,
        area.x,
        area.y,
        area.width,
        &left,
        view.theme.title(),
        false,
    );
    let mut right = view.clock.date_and_time(report.time_ns);
    if view.app.paused {
        right = format!("PAUSED  {right}");
    }
    if !view.interval.is_empty() {
        right = format!("{right}  every {}", view.interval);
    }
    let style = match view.app.paused {
        true => view.theme.selected(),
        false => Style::new(),
    };
    put(buf, area.x, area.y, area.width, &right, style, true);
}

/// Most lines that the verdict takes.
const VERDICT: u16 = 3;

/// Draws whether frames are lost, and why, at the top of `area`, and cuts it off.
pub(super) fn draw_verdict(view: &View<'_>, area: &mut Rect, buf: &mut Buffer) {
    let verdict = &view.report.verdict;
    let style = view.theme.verdict(verdict.level);
    let width = area.width.saturating_sub(2);
    let text = wrap(&verdict.headline, usize::from(width));
    let rest = match text.len() {
        1 => verdict.reason.clone(),
        _ => format!("{} | {}", text[1..].join(" "), verdict.reason),
    };
    let rest = wrap(&rest, usize::from(width));
    let height = u16::try_from(rest.len())
        .unwrap_or(VERDICT)
        .min(VERDICT - 1);
    let area = take_top(area, 1 + height);
    if area.height == 0 {
        return;
    }
    let line = Rect { height: 1, ..area };
    // The bar is as wide as the screen, so that it is seen at once.
    buf.set_style(line, style);
    put(buf, area.x + 1, area.y, width, &text[0], style, false);
    let below = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width,
        height: area.height - 1,
    };
    put_lines(&rest, Style::new(), below, buf);
}

/// Draws what serves the queues, and the hugepages, at the top of `area`, and cuts the lines off.
pub(super) fn draw_engine(view: &View<'_>, area: &mut Rect, buf: &mut Buffer) {
    let (text, style) = describe_engine(view);
    let lines = wrap(&text, usize::from(area.width));
    let height = if lines.len() > 1 { 2 } else { 1 };
    put_lines(&lines, style, take_top(area, height), buf);
}

fn describe_engine(view: &View<'_>) -> (String, Style) {
    let engine = &view.report.engine;
    if let Some(mismatch) = engine.mismatches.first() {
        let more = match engine.mismatches.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        let text = format!("mixed versions: {}{more}", visible(mismatch));
        return (text, view.theme.warning());
    }
    // All versions are that of the first line.
    let modules: Vec<&str> = engine.modules.iter().map(|m| m.name.as_str()).collect();
    let modules = match modules.is_empty() {
        true => "no module".to_owned(),
        false => format!("modules {}", modules.join(", ")),
    };
    let is_module = |software: &&String| software.starts_with("hpcap.ko");
    let engines = match engine.producers.iter().any(|p| !is_module(&p)) {
        true => "userspace engine",
        false => "no userspace engine",
    };
    let text = format!(
        "{}; {engines}; hugepages {}",
        visible(&modules),
        hugepages(&view.report.hugepages)
    );
    (text, Style::new())
}

/// Writes the numbers of free and of all hugepages of each node.
fn hugepages(pools: &[Pool]) -> String {
    if pools.is_empty() {
        return "none".into();
    }
    let mut text = String::new();
    let mut node = None;
    for pool in pools {
        if node != Some(pool.node) {
            if node.is_some() {
                text += "; ";
            }
            node = Some(pool.node);
            match pool.node {
                Some(number) => text += &format!("node {number}: "),
                None => text += "free: ",
            }
        } else {
            text += ", ";
        }
        let size = bytes(pool.page_bytes as f64)
            .replace(".00 ", "")
            .replace("iB", "");
        text += &format!("{}/{} {size} free", pool.free, pool.total);
    }
    text
}

/// Draws the keys, or a message or question to the user.
pub(super) fn draw_keys(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    if area.height == 0 || view.interval.is_empty() {
        return;
    }
    if let Some(victim) = &view.app.victim {
        let question = format!(
            "kill listener {} of {} ({}, pid {})? y kills it, any other key does not",
            victim.id,
            visible(&victim.queue),
            visible(&victim.program),
            victim.pid
        );
        buf.set_style(area, view.theme.selected());
        put(
            buf,
            area.x,
            area.y,
            area.width,
            &question,
            view.theme.selected(),
            false,
        );
        return;
    }
    if let Some(message) = &view.app.message {
        let text = visible(message);
        put(
            buf,
            area.x,
            area.y,
            area.width,
            &text,
            view.theme.warning(),
            false,
        );
        return;
    }
    put(
        buf,
        area.x,
        area.y,
        area.width,
        &keys(view, area.width),
        view.theme.quiet(),
        false,
    );
}

/// Names as many keys as fit into `width`, the most useful here first.
fn keys(view: &View<'_>, width: u16) -> String {
    let app = view.app;
    let mut keys = vec!["q quit", "? help"];
    if app.screen == Screen::Detail {
        keys.push("Esc back");
    } else {
        keys.push("Enter detail");
    }
    match app.focus {
        Focus::Queues => keys.push("Tab listeners"),
        Focus::Listeners => keys.extend(["K kill", "Tab queues"]),
    }
    keys.extend(["s sort", "u units", "t time", "p pause", "r reverse"]);
    let mut text = String::new();
    for key in keys {
        let separator = if text.is_empty() { "" } else { "  " };
        if text.len() + separator.len() + key.len() > usize::from(width) {
            break;
        }
        text += separator;
        text += key;
    }
    text
}
