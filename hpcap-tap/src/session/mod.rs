//! The loop that passes frames from queues to viewers. It waits for nothing but events: a viewer that
//! does not read delays nobody.

mod in_order;
mod open;
mod order;
mod removed;
mod wait;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::{Error, Result};
use hpcap_service::Signals;

use crate::extcap::Control;
use crate::plan::Output;
use crate::report::{Reporter, describe_counts, describe_late_start, describe_losses};
use crate::tap::{Found, Tap};
use crate::viewer::door::Door;
use crate::viewer::{Ending, Viewer};
use crate::window::Window;
use in_order::pass;
use order::Order;

pub use open::{install_signals, open_taps};

/// Events of a queue that are handled before the next queue has its turn.
const BATCH: usize = 4096;

/// Time between two statistics blocks, and between two reports of losses.
const TICK: Duration = Duration::from_secs(1);

/// Longest time that bytes stay in the buffer of a viewer while frames keep coming.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// How long the end of the program waits for viewers that still read.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// End.
    Stop,
    /// Print the counts.
    Counts,
}

/// An output, with the queues whose frames it takes.
#[derive(Debug)]
struct Route {
    output: Output,
    taps: Vec<usize>,
}

/// An entrance of viewers, and the number of its route.
#[derive(Debug)]
struct Entrance {
    door: Door,
    route: usize,
}

/// A viewer, and the number of its route.
#[derive(Debug)]
struct Guest {
    viewer: Viewer,
    route: usize,
}

/// Queues and the viewers of their frames.
#[derive(Debug)]
pub struct Session {
    taps: Vec<Tap>,
    routes: Vec<Route>,
    entrances: Vec<Entrance>,
    guests: Vec<Guest>,
    /// Whether an output has several queues, so that frames are passed on by their times.
    is_merged: bool,
    /// The next frame of each queue, if they are passed on by their times.
    order: Order,
    filter: String,
    caplen: u32,
    /// The time of the frames that are wanted; `None` = all.
    window: Option<Window>,
    /// A comment on the outputs.
    comment: String,
    /// Frames that may still come before the end.
    frames_left: Option<u64>,
    deadline: Option<Instant>,
    signals: Arc<Signals<Asked>>,
    reporter: Reporter,
    /// The toolbar of Wireshark, if it started the session.
    control: Option<Control>,
    /// The first failure, which the program returns.
    failure: Option<Error>,
    ticked: Instant,
    flushed: Instant,
    /// Frames missed by each tap that were reported.
    reported: Vec<u64>,
}

/// The result of a turn of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Frames were read, and more may be waiting.
    Busy,
    /// No frame was waiting.
    Idle,
    /// A frame of one queue waits for earlier ones of the others.
    Waits,
    /// A limit was reached.
    Done,
}

impl Session {
    /// Passes frames on until a limit, a signal, the end of the queues or the end of the viewers.
    ///
    /// # Errors
    /// Returns the first failure: of a queue that ended with an error, or of an output that could not
    /// be written. All other outputs were served until the end.
    pub fn run(mut self) -> Result<()> {
        let mut before = Turn::Busy;
        loop {
            self.admit()?;
            self.dismiss();
            if self.guests.is_empty() && self.entrances.is_empty() {
                break;
            }
            self.attach_if_viewed();
            let turn = match self.is_merged {
                true => self.read_in_order(),
                false => self.read(),
            };
            if turn == Turn::Done || self.is_over() {
                break;
            }
            self.tick_if_due();
            if matches!(turn, Turn::Idle | Turn::Waits) || self.flushed.elapsed() >= FLUSH_EVERY {
                self.flush();
            }
            self.wait(before, turn);
            before = turn;
        }
        self.finish();
        self.failure.map_or(Ok(()), Err)
    }

    /// Makes the session tell `control` once a second what is missing.
    pub fn report_to(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// Whether a signal, the clock or the last queue has ended the session.
    fn is_over(&mut self) -> bool {
        if self.signals.take(Asked::Counts) {
            self.print_counts();
        }
        self.signals.is_requested(Asked::Stop)
            || self.deadline.is_some_and(|end| Instant::now() >= end)
            || self.taps.iter().all(Tap::has_ended)
    }

    /// Attaches to the queues while there are viewers, and leaves them when there are none.
    fn attach_if_viewed(&mut self) {
        let is_viewed = !self.guests.is_empty();
        if !is_viewed {
            self.order.clear();
        }
        for number in 0..self.taps.len() {
            let tap = &mut self.taps[number];
            if !is_viewed {
                tap.detach();
            } else if !tap.is_attached() && !tap.has_ended() {
                match tap.attach(|| self.signals.is_requested(Asked::Stop)) {
                    Ok(()) => {
                        let info = tap.info();
                        let name = info.name.to_string();
                        let text = format!("attached to {} ({})", info.name, info.interface);
                        self.reporter.info(&text);
                        if let (Some(window), Some(oldest)) = (&self.window, tap.oldest()) {
                            let text = describe_late_start(&name, window.event, oldest);
                            self.reporter.warn(text);
                        }
                    }
                    Err(e) => {
                        tap.end();
                        self.fail(e);
                    }
                }
            }
        }
    }

    /// Reads a batch of each queue, and passes it on.
    fn read(&mut self) -> Turn {
        let mut turn = Turn::Idle;
        for number in 0..self.taps.len() {
            for _ in 0..BATCH {
                match self.taps[number].read() {
                    Ok(Found::Frame(frame)) => {
                        if pass(&mut self.guests, &mut self.frames_left, number, &frame) {
                            return Turn::Done;
                        }
                    }
                    Ok(Found::Lost(lost)) => {
                        for guest in &mut self.guests {
                            guest.viewer.lost(number, &lost);
                        }
                    }
                    Ok(Found::Other) => {}
                    Ok(Found::Nothing | Found::End) => break,
                    Err(e) => {
                        self.fail(e);
                        break;
                    }
                }
                turn = Turn::Busy;
            }
        }
        turn
    }

    /// Keeps the first failure for the exit code, and reports it at once if the session continues.
    fn fail(&mut self, error: Error) {
        let goes_on = !self.taps.iter().all(Tap::has_ended);
        if self.failure.is_some() || goes_on {
            self.reporter.error(&error);
        }
        self.failure.get_or_insert(error);
    }

    /// Removes the viewers that get nothing more.
    fn dismiss(&mut self) {
        let mut failures = Vec::new();
        for guest in self
            .guests
            .extract_if(.., |guest| guest.viewer.ending().is_some())
        {
            let viewer = guest.viewer;
            self.reporter.info(&farewell(&viewer));
            if let Some(Ending::Failed(error)) = viewer.into_ending() {
                failures.push(error);
            }
        }
        for error in failures {
            let is_over = self.guests.is_empty() && self.entrances.is_empty();
            if self.failure.is_some() || !is_over {
                self.reporter.error(&error);
            }
            self.failure.get_or_insert(error);
        }
    }

    fn flush(&mut self) {
        for guest in &mut self.guests {
            guest.viewer.flush_if_possible();
        }
        self.flushed = Instant::now();
    }

    /// Once a second: statistics for the viewers, and what was missed since for the user.
    fn tick_if_due(&mut self) {
        if self.ticked.elapsed() < TICK {
            return;
        }
        self.ticked = Instant::now();
        self.replace_removed();
        self.write_statistics();
        for (tap, reported) in self.taps.iter().zip(&mut self.reported) {
            let missed = tap.counts().lost.lost().frames;
            if missed > *reported {
                let name = tap.info().name;
                let (new, why) = (missed - *reported, tap.main_reason());
                self.reporter
                    .warn(format!("{name}: {new} frames are missing: {why}"));
                *reported = missed;
            }
        }
        for guest in &mut self.guests {
            if guest.viewer.begins_to_miss() {
                let name = guest.viewer.name();
                let text = format!("{name} does not read fast enough, and misses frames");
                self.reporter.warn(text);
            }
        }
        self.reporter.release();
        if let Some(control) = &mut self.control {
            let viewers: u64 = self.guests.iter().map(|guest| guest.viewer.missed()).sum();
            control.show(&describe_losses(&self.taps, viewers));
        }
    }

    fn write_statistics(&mut self) {
        if self.window.is_some() {
            // The counters are those of now, and not of the time of the frames.
            return;
        }
        for (number, tap) in self.taps.iter().enumerate() {
            let ledger = tap.ledger();
            for guest in &mut self.guests {
                guest.viewer.statistics(number, &ledger);
            }
        }
    }

    fn print_counts(&self) {
        for tap in &self.taps {
            let name = tap.info().name.to_string();
            let text = describe_counts(&name, tap.counts(), !self.filter.is_empty());
            self.reporter.info(&text);
        }
        for guest in &self.guests {
            self.reporter.info(&farewell(&guest.viewer));
        }
    }

    /// Ends all outputs with their statistics, and tells what became of the frames.
    fn finish(&mut self) {
        if self.is_merged {
            self.pass_rest();
        }
        self.write_statistics();
        let end = Instant::now() + PATIENCE;
        loop {
            for guest in &mut self.guests {
                guest.viewer.flush();
            }
            let is_empty = self.guests.iter().all(|guest| !guest.viewer.has_buffered());
            if is_empty || Instant::now() >= end {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.lose_removed();
        for guest in &mut self.guests {
            guest.viewer.close();
        }
        for tap in &self.taps {
            let name = tap.info().name.to_string();
            let text = describe_counts(&name, tap.counts(), !self.filter.is_empty());
            self.reporter.info(&text);
        }
        self.dismiss();
    }
}

/// Describes what a viewer got.
fn farewell(viewer: &Viewer) -> String {
    let mut text = format!("{}: {} frames written", viewer.name(), viewer.written());
    if viewer.unwritten() > 0 {
        text += &format!(", {} not written", viewer.unwritten());
    }
    if viewer.missed() > 0 {
        text += &format!(", {} missed because they were not read", viewer.missed());
    }
    text
}
