//! The loop of the dashboard: reads counters at each interval, keys when they come, and draws.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};
use hpcap::Result;
use hpcap::error::Context;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::tcgetattr;

use super::App;
use super::keys::Action;
use super::kill::Killing;
use super::signals::Signals;
use super::terminal::Screen;
use crate::collect::Collector;
use crate::collect::report::Report;
use crate::text::{Clock, interval as interval_text};
use crate::ui::theme::Theme;
use crate::ui::{self, View};

/// Time for which the first screen waits for queues. Without the wait it would show none.
const FIRST_WAIT: Duration = Duration::from_millis(300);

/// Why waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// It is time to read the counters.
    Due,
    /// A key, a signal or a new size.
    Input,
    /// The terminal is gone.
    Gone,
}

/// Shows the dashboard until the user or a signal ends it, or the terminal is gone.
///
/// # Errors
/// Errors of the terminal.
pub fn run(collector: Collector, interval: Duration) -> Result<()> {
    let settings = tcgetattr(std::io::stdin()).context(|| "read the settings of the terminal")?;
    let signals = Signals::install(settings)?;
    let start = Instant::now();
    while !collector.has_searched() && start.elapsed() < FIRST_WAIT {
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut dashboard = Dashboard::start(collector, interval)?;
    let ended = dashboard.run(&signals);
    match ended {
        // A terminal that is gone takes no output, so errors cannot be shown either.
        Err(_) if signals.stop() => Ok(()),
        other => other,
    }
}

struct Dashboard {
    collector: Collector,
    interval: Duration,
    theme: Theme,
    app: App,
    /// What the screen shows.
    report: Report,
    killing: Option<Killing>,
    screen: Screen,
}

impl Dashboard {
    fn start(mut collector: Collector, interval: Duration) -> Result<Self> {
        let report = collector.collect()?;
        Ok(Self {
            collector,
            interval,
            theme: Theme::from_environment(),
            app: App::default(),
            report,
            killing: None,
            screen: Screen::take()?,
        })
    }

    fn run(&mut self, signals: &Signals) -> Result<()> {
        // The second reading comes soon, because the first has no rates.
        let mut due = Instant::now() + self.interval.min(Duration::from_millis(250));
        self.app.follow(&self.report);
        self.draw()?;
        loop {
            let woken = wait(signals, due)?;
            if signals.stop() || woken == Woken::Gone {
                return Ok(());
            }
            if signals.take_resumed() {
                self.screen.take_again()?;
            }
            if woken == Woken::Due {
                let report = self.collector.collect()?;
                if !self.app.paused {
                    self.report = report;
                }
                // Readings that are late are left out, so that they do not come all at once.
                due += self.interval;
                due = due.max(Instant::now());
            } else if !self.read_input()? {
                return Ok(());
            }
            if let Some(answer) = self.killing.as_ref().and_then(Killing::take) {
                self.killing = None;
                self.app.message = Some(answer);
            }
            self.app.follow(&self.report);
            self.draw()?;
        }
    }

    /// Handles the keys that have arrived. Returns whether the dashboard goes on.
    fn read_input(&mut self) -> Result<bool> {
        let tried = || "read from the terminal";
        while event::poll(Duration::ZERO).context(tried)? {
            let Event::Key(key) = event::read().context(tried)? else {
                continue;
            };
            match self.app.press(key, &self.report) {
                Action::Draw => {}
                Action::Quit => return Ok(false),
                Action::Redraw => self.screen.redraw()?,
                Action::Suspend => self.screen.suspend()?,
                Action::Kill(victim) => {
                    let killing =
                        Killing::start(victim).context(|| "start the thread that kills")?;
                    self.killing = Some(killing);
                    self.app.message = Some("asking the producer to kill the listener".into());
                }
            }
        }
        Ok(true)
    }

    fn draw(&mut self) -> Result<()> {
        let clock = Clock::local(self.report.time_ns);
        let every = interval_text(self.interval);
        let view = View {
            report: &self.report,
            history: self.collector.history(),
            app: &self.app,
            theme: self.theme,
            clock: &clock,
            interval: &every,
        };
        let mut scroll = self.app.scroll;
        self.screen
            .terminal
            .draw(|frame| scroll = ui::draw(&view, frame.area(), frame.buffer_mut()))
            .context(|| "write to the terminal")?;
        self.app.scroll = scroll;
        Ok(())
    }
}

/// Waits until `due`, for input, or for a signal.
fn wait(signals: &Signals, due: Instant) -> Result<Woken> {
    let left = due.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(Woken::Due);
    }
    // A wait that is a bit too long is better than one that ends too early and is repeated.
    let left = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    let input = std::io::stdin();
    let mut ready = [
        PollFd::new(input.as_fd(), PollFlags::POLLIN),
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
    ];
    match poll(&mut ready, left) {
        Ok(0) => return Ok(Woken::Due),
        Err(nix::Error::EINTR) => return Ok(Woken::Input),
        other => drop(other.context(|| "wait for a key")?),
    }
    signals.clear();
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    match ready[0].revents() {
        Some(events) if events.intersects(gone) => Ok(Woken::Gone),
        _ => Ok(Woken::Input),
    }
}
