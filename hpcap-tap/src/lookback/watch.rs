//! Follows queues until something happens.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::sync::Arc;

use hpcap::filter::Filter;
use hpcap::{Error, Kind, Reason, Result, Timestamp};
use hpcap_service::Signals;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::command::Running;
use super::trigger::Trigger;
use crate::plan::Plan;
use crate::report::Reporter;
use crate::session::{Asked, open_taps};
use crate::tap::{Found, Tap, lost_by_queue};
use crate::window::has_wall_clock;

/// Events of a queue that are handled before the next queue has its turn.
const BATCH: usize = 4096;

/// Longest sleep in milliseconds: commands and counts are looked at afterwards.
const SLEEP_MS: u16 = 50;

/// Something that has happened.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) what: String,
    /// Start of the event, in the clock of the frames.
    pub(super) time: Timestamp,
    /// End of the event: a loss lasts until the frame after it.
    pub(super) end: Timestamp,
}

/// A queue that is watched.
#[derive(Debug)]
struct Watched {
    tap: Tap,
    filters: Vec<Filter>,
    /// Time of the last frame.
    last: Option<Timestamp>,
    /// Frames missed by the watch that were reported.
    reported: u64,
}

/// Queues that are watched for events.
#[derive(Debug)]
pub(super) struct Watch {
    queues: Vec<Watched>,
    has_loss: bool,
    has_signal: bool,
    command: Option<OsString>,
    running: Option<Running>,
    signals: Arc<Signals<Asked>>,
    reporter: Reporter,
    ignored: Timestamp,
}

impl Watch {
    /// Attaches to the queues of `plan`, to wait for any of `triggers`.
    pub(super) fn open(
        plan: &Plan,
        triggers: &[Trigger],
        signals: Arc<Signals<Asked>>,
        reporter: Reporter,
    ) -> Result<Self> {
        let expressions: Vec<&str> = triggers
            .iter()
            .filter_map(|trigger| match trigger {
                Trigger::Filter(expression) => Some(expression.as_str()),
                _ => None,
            })
            .collect();
        let commands = triggers.iter().filter_map(|trigger| match trigger {
            Trigger::Command(command) => Some(command.clone()),
            _ => None,
        });
        let commands: Vec<OsString> = commands.collect();
        if commands.len() > 1 {
            return Err(Error::usage("--on", "there is more than one command")
                .advise("join them: --on 'command:first || second'"));
        }
        let mut queues = Vec::new();
        for mut tap in open_taps(plan, &signals)? {
            let link_type = tap.info().link_type;
            let filters = expressions.iter().map(|e| Filter::new(e, link_type));
            let filters = filters.collect::<Result<Vec<_>>>()?;
            tap.attach(|| signals.is_requested(Asked::Stop))?;
            reporter.info(&format!(
                "watching {} ({})",
                tap.info().name,
                tap.info().interface
            ));
            queues.push(Watched {
                tap,
                filters,
                last: None,
                reported: 0,
            });
        }
        Ok(Self {
            queues,
            has_loss: triggers.contains(&Trigger::Loss),
            has_signal: triggers.contains(&Trigger::Signal),
            command: commands.into_iter().next(),
            running: None,
            signals,
            reporter,
            ignored: Timestamp::default(),
        })
    }

    /// Ignores what happens until `time`, because it was written with an earlier event.
    pub(super) fn ignore_until(&mut self, time: Timestamp) {
        self.ignored = time;
    }

    /// Waits for the next event; `None` when a signal ends the program.
    ///
    /// # Errors
    /// Returns the errors of the queues, [`Kind::Gone`] when all queues have ended, and the error of a
    /// command.
    pub(super) fn wait(&mut self) -> Result<Option<Event>> {
        if let (None, Some(line)) = (&self.running, &self.command) {
            self.running = Some(Running::start(line)?);
        }
        loop {
            if self.signals.is_requested(Asked::Stop) {
                self.reporter.info("ended by a signal, before an event");
                return Ok(None);
            }
            if self.signals.take(Asked::Counts) && self.has_signal {
                return Ok(Some(self.event_now("SIGUSR1".into())));
            }
            if let Some(running) = &mut self.running
                && running.has_ended()?
            {
                self.running = None;
                let line = self.command.clone().unwrap_or_default();
                return Ok(Some(self.event_now(format!("the end of {line:?}"))));
            }
            let mut is_busy = false;
            for queue in &mut self.queues {
                let (event, had_frames) = queue.look(self.has_loss, self.ignored)?;
                if event.is_some() {
                    return Ok(event);
                }
                is_busy |= had_frames;
                queue.report_missed(&mut self.reporter);
            }
            if self.queues.iter().all(|queue| queue.tap.has_ended()) {
                let why = "all queues have ended";
                return Err(Error::new(Kind::Gone, "wait for an event", why));
            }
            if !is_busy {
                self.sleep();
            }
        }
    }

    /// An event at the present time of the frames.
    fn event_now(&self, what: String) -> Event {
        let is_live = self
            .queues
            .iter()
            .any(|queue| has_wall_clock(queue.tap.info()));
        let last = self.queues.iter().filter_map(|queue| queue.last).max();
        let time = match last {
            Some(last) if !is_live => last,
            _ => Timestamp::now(),
        };
        let end = time;
        Event { what, time, end }
    }

    fn sleep(&self) {
        let taps = self.queues.iter().filter_map(|queue| queue.tap.wakeup());
        let fds = taps.chain([self.signals.as_fd()]);
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // After an interrupted wait, the loop checks everything as after a complete one.
        let _ = poll(&mut fds, PollTimeout::from(SLEEP_MS));
    }
}

impl Watched {
    /// Reads a batch. Returns the event in it, and whether there was anything.
    fn look(&mut self, has_loss: bool, ignored: Timestamp) -> Result<(Option<Event>, bool)> {
        let name = self.tap.info().name;
        for number in 0..BATCH {
            match self.tap.read()? {
                Found::Frame(frame) => {
                    self.last = Some(frame.time);
                    let matches = |filter: &&Filter| filter.matches(frame.data, frame.len);
                    if frame.time > ignored
                        && let Some(filter) = self.filters.iter().find(matches)
                    {
                        let what = format!("a frame of {name} matches {:?}", filter.expression());
                        let (time, end) = (frame.time, frame.time);
                        return Ok((Some(Event { what, time, end }), true));
                    }
                }
                Found::Lost(lost) => {
                    let frames = lost_by_queue(&lost).frames;
                    let is_live = has_wall_clock(self.tap.info());
                    let time = self.last.unwrap_or_else(Timestamp::now);
                    let end = if is_live { Timestamp::now() } else { time };
                    if has_loss && frames > 0 && end > ignored {
                        let what = format!("{name} has lost {frames} frames");
                        return Ok((Some(Event { what, time, end }), true));
                    }
                }
                Found::Other => {}
                Found::Nothing | Found::End => return Ok((None, number > 0)),
            }
        }
        Ok((None, true))
    }

    /// Reports frames in which an event may have been missed.
    fn report_missed(&mut self, reporter: &mut Reporter) {
        let missed = self.tap.counts().lost[Reason::Overrun].frames;
        if missed > self.reported {
            let (name, new) = (self.tap.info().name, missed - self.reported);
            self.reported = missed;
            reporter.warn(format!(
                "{name}: {new} frames came too fast to be watched; an event in them is not noticed"
            ));
        }
    }
}
