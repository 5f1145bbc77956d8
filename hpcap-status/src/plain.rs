//! The report without a terminal: one picture, one JSON object, or a line at each interval.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::report::json_line;
use hpcap::{Error, Kind, Result, visible};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::App;
use crate::collect::Collector;
use crate::collect::report::Report;
use crate::text::{Clock, bytes, count, duration, percent, rate};
use crate::ui::theme::Theme;
use crate::ui::{self, View};

/// Time between the two readings from which the rates of one picture come.
const BETWEEN_READINGS: Duration = Duration::from_millis(500);
/// How long the first picture waits for queues. This is much longer than the limit for opening a queue, because the
/// picture must also name a queue whose producer does not answer.
const SEARCH: Duration = Duration::from_secs(60);
/// How long one picture waits for the logs of the monitor, which may be long or on a slow disk.
const LOGS: Duration = Duration::from_secs(3);
/// Width of a picture if neither the terminal nor the environment says it.
const WIDTH: u16 = 120;

/// Waits until each queue that is there has been opened, or it is known why it cannot be.
fn search(collector: &Collector) -> Result<()> {
    let start = Instant::now();
    while !collector.has_searched() {
        if start.elapsed() >= SEARCH {
            let why = format!("the search has not ended within {} s", SEARCH.as_secs());
            return Err(Error::new(
                Kind::Timeout,
                "find the queues of this machine",
                why,
            ));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Prints one picture, or with `json` one object. Returns why it does not show all queues.
///
/// # Errors
/// Errors of the system.
pub fn once(mut collector: Collector, json: bool) -> Result<Vec<String>> {
    search(&collector)?;
    let start = Instant::now();
    let mut report = collector.collect()?;
    if !report.queues.is_empty() {
        std::thread::sleep(BETWEEN_READINGS);
        while !collector.has_remembered() && start.elapsed() < LOGS {
            std::thread::sleep(Duration::from_millis(5));
        }
        report = collector.collect()?;
    }
    let text = match json {
        true => json_line(&report)?,
        false => picture(&report, width()),
    };
    print(&text)?;
    Ok(report.unseen)
}

/// Prints lines, or with `json` one object, at each interval until their reader has gone.
///
/// # Errors
/// Errors of the system.
pub fn watch(mut collector: Collector, interval: Duration, json: bool) -> Result<()> {
    search(&collector)?;
    // The first rates need a reading to compare with.
    collector.collect()?;
    let mut due = Instant::now();
    loop {
        due += interval;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // After a pause of the program, lines do not come all at once.
        due = due.max(Instant::now() - interval);
        let report = collector.collect()?;
        let text = match json {
            true => json_line(&report)?,
            false => lines(&report, &Clock::local(report.time_ns)),
        };
        if !print(&text)? {
            return Ok(());
        }
    }
}

/// The width of the terminal, or what the environment says.
fn width() -> u16 {
    let terminal = std::io::stdout().is_terminal();
    let of_terminal = || crossterm::terminal::size().ok().map(|(width, _)| width);
    let of_environment = || std::env::var("COLUMNS").ok()?.parse().ok();
    let found = match terminal {
        true => of_terminal().or_else(of_environment),
        false => of_environment(),
    };
    found.unwrap_or(WIDTH).clamp(40, 500)
}

/// Draws `report` as text of `width` characters a line.
#[must_use]
pub fn picture(report: &Report, width: u16) -> String {
    let theme = Theme {
        color: false,
        ..Theme::from_environment()
    };
    draw(report, width, theme, &Clock::local(report.time_ns))
}

/// Draws `report` as text of `width` characters a line.
#[must_use]
pub fn draw(report: &Report, width: u16, theme: Theme, clock: &Clock) -> String {
    let app = App::default();
    let view = View {
        report,
        history: &Default::default(),
        app: &app,
        theme,
        clock,
        interval: "",
    };
    let area = Rect::new(0, 0, width, ui::overview_height(&view).clamp(12, 2000));
    let mut buf = Buffer::empty(area);
    ui::draw(&view, area, &mut buf);
    text_of(&buf)
}

/// Returns the characters of a buffer without the spaces at the ends of lines, and without empty lines at
/// the end.
#[must_use]
pub fn text_of(buf: &Buffer) -> String {
    let area = buf.area();
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        for x in area.left()..area.right() {
            if let Some(cell) = buf.cell((x, y)) {
                line.push_str(cell.symbol());
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Writes a line for each queue.
#[must_use]
pub fn lines(report: &Report, clock: &Clock) -> String {
    let time = clock.time(report.time_ns);
    let mut text = String::new();
    for why in &report.unseen {
        let _ = writeln!(
            text,
            "{time}  {}",
            visible(why.lines().next().unwrap_or_default())
        );
    }
    if report.queues.is_empty() {
        let _ = writeln!(text, "{time}  {}", report.verdict.headline);
    }
    for queue in &report.queues {
        let name = visible(&queue.queue);
        let Some(rates) = &queue.rates else {
            let end = queue.end.as_deref().unwrap_or("starting");
            let _ = writeln!(text, "{time}  {name:<9}  {}", visible(end));
            continue;
        };
        let _ = write!(
            text,
            "{time}  {name:<9}  wire {} {}, lost {}",
            rate(rates.on_the_wire.bits_per_second, "b/s"),
            rate(rates.on_the_wire.frames_per_second, "pps"),
            rate(rates.lost.frames_per_second, "pps"),
        );
        if rates.lost.frames_per_second > 0.0 {
            let reasons: Vec<&str> = queue.loss_reasons().iter().map(|r| r.name()).collect();
            let _ = write!(
                text,
                " ({}: {})",
                percent(queue.losses.share_now),
                reasons.join(", ")
            );
        }
        let _ = write!(
            text,
            "; {} lost in all, {}none for {}; ring {}",
            count(queue.losses.total.frames),
            if queue.losses.quiet_at_least {
                "at least "
            } else {
                ""
            },
            duration(queue.losses.quiet_seconds),
            percent(queue.ring_fill),
        );
        match queue.holder() {
            Some(l) => {
                let lag = bytes(l.lag_bytes as f64);
                let _ = writeln!(
                    text,
                    ", {} (pid {}) is {lag} behind",
                    visible(&l.program),
                    l.pid
                );
            }
            None => text.push_str(", no lossless listener\n"),
        }
    }
    text
}

/// Prints `text`, and returns whether the output still has a reader.
fn print(text: &str) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader closed the pipe because it has read enough, as `head` does.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        other => other.context(|| "write to standard output").map(|()| true),
    }
}
