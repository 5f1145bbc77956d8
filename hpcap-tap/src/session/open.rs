//! Opens the queues and the outputs of a session, and lets viewers in.

use std::sync::Arc;
use std::time::Instant;

use hpcap::prompt_writer::PromptWriter;
use hpcap::queue::QueueAddress;
use hpcap::{Error, Queue, Result, cancellable};
use hpcap_service::Signals;

use super::order::Order;
use super::{Asked, Entrance, Guest, Route, Session};
use crate::plan::{Output, Plan, Target};
use crate::report::Reporter;
use crate::select::Pattern;
use crate::side::{QueueSide, Side};
use crate::tap::{ANSWER, Tap};
use crate::viewer::door::{CONNECTIONS_MAX, Door, Place};
use crate::viewer::{NewSource, Profile, Viewer, standard_output};

impl Session {
    /// Opens the queues and outputs of `plan`. Nothing is written if any of the queues is not there.
    ///
    /// # Errors
    /// Returns an error for a queue that cannot be opened, an invalid filter, a side that a queue does
    /// not tell apart, and an output that cannot be written.
    pub fn open(plan: Plan, reporter: Reporter, signals: Arc<Signals<Asked>>) -> Result<Self> {
        for remark in &plan.remarks {
            reporter.info(remark);
        }
        let mut taps = Vec::new();
        let mut routes = Vec::new();
        for output in plan.outputs.iter().cloned() {
            let mut numbers = Vec::new();
            for pattern in &output.queues {
                for (address, queue) in open_queues(pattern, &signals)? {
                    let number = number_of(&mut taps, address, queue, &plan)?;
                    if !numbers.contains(&number) {
                        numbers.push(number);
                    }
                }
            }
            numbers.sort_unstable();
            let numbers = with_side(&output, numbers, &taps, &reporter)?;
            let taps = numbers;
            routes.push(Route { output, taps });
        }
        let now = Instant::now();
        let mut session = Self {
            reported: vec![0; taps.len()],
            is_merged: routes.iter().any(|route| route.taps.len() > 1),
            order: Order::new(taps.len()),
            taps,
            routes: Vec::new(),
            entrances: Vec::new(),
            guests: Vec::new(),
            filter: plan.filter,
            caplen: plan.caplen,
            window: plan.window,
            comment: plan.comment,
            frames_left: plan.frames,
            deadline: plan.duration.and_then(|duration| now.checked_add(duration)),
            signals,
            reporter,
            control: None,
            failure: None,
            ticked: now,
            flushed: now,
        };
        session.routes = routes;
        session.open_outputs()?;
        Ok(session)
    }

    fn open_outputs(&mut self) -> Result<()> {
        for route in 0..self.routes.len() {
            let target = self.routes[route].output.target.clone();
            let door = match target {
                Target::Stdout => {
                    self.welcome(route, "standard output".into(), standard_output()?)?;
                    continue;
                }
                Target::Path(path) => match Place::open(&path)? {
                    Place::File(outlet) => {
                        self.welcome(route, path.display().to_string(), outlet)?;
                        continue;
                    }
                    Place::Fifo(door) => door,
                },
                Target::Listen(address) => {
                    let door = Door::listen(address)?;
                    if let Some(address) = door.address() {
                        let text =
                            format!("serving viewers at {address}: wireshark -k -i TCP@{address}");
                        self.reporter.info(&text);
                    }
                    door
                }
            };
            self.entrances.push(Entrance { door, route });
        }
        Ok(())
    }

    /// Adds a viewer of `route`.
    pub(super) fn welcome(
        &mut self,
        route: usize,
        name: String,
        outlet: PromptWriter,
    ) -> Result<()> {
        let Route { output, taps } = &self.routes[route];
        let source = |tap: usize| NewSource {
            tap,
            header: self.taps[tap].header(self.caplen),
            ledger: self.taps[tap].ledger(),
            side: QueueSide::of(self.taps[tap].info()),
        };
        let sources = taps.iter().copied().map(source).collect();
        let profile = Profile {
            name,
            format: output.format,
            side: output.side,
            caplen: self.caplen,
            comment: self.comment.clone(),
        };
        let mut viewer = Viewer::new(profile, outlet, sources)?;
        // The head of the output is written at once, because readers wait for it.
        viewer.flush();
        self.guests.push(Guest { viewer, route });
        Ok(())
    }

    /// Lets in the viewers that have come.
    pub(super) fn admit(&mut self) -> Result<()> {
        let mut closed = None;
        for number in 0..self.entrances.len() {
            let Entrance { door, route } = &self.entrances[number];
            let route = *route;
            let is_full = || {
                let guests = self.guests.iter().filter(|guest| guest.route == route);
                guests.count() >= CONNECTIONS_MAX
            };
            if is_full() {
                continue;
            }
            if let Some((name, outlet)) = door.admit()? {
                let is_fifo = matches!(door, Door::Fifo(_));
                if !is_fifo {
                    self.reporter.info(&format!("{name} has come"));
                }
                self.welcome(route, name, outlet)?;
                if is_fifo {
                    closed = Some(number);
                    break;
                }
            }
        }
        if let Some(number) = closed {
            self.entrances.remove(number);
        }
        Ok(())
    }
}

/// Handles the signals that end the program or ask it for something.
///
/// # Errors
/// Returns an error of the operating system.
pub fn install_signals() -> Result<Signals<Asked>> {
    let stop = Asked::Stop;
    Signals::install(&[
        (libc::SIGINT, stop),
        (libc::SIGTERM, stop),
        (libc::SIGHUP, stop),
        (libc::SIGUSR1, Asked::Counts),
    ])
    .map_err(|e| Error::io("handle signals", e))
}

/// Opens the queues that `pattern` means, unless a signal comes while a producer does not answer.
fn open_queues(pattern: &Pattern, signals: &Signals<Asked>) -> Result<Vec<(QueueAddress, Queue)>> {
    let wanted = pattern.clone();
    let must_cancel = |_| signals.is_requested(Asked::Stop);
    cancellable::finish(format!("open {pattern}"), ANSWER, must_cancel, move || {
        wanted.open()
    })
}

/// Opens the queues of all outputs of `plan`, for all their frames.
///
/// # Errors
/// Returns an error for a queue that cannot be opened.
pub fn open_taps(plan: &Plan, signals: &Signals<Asked>) -> Result<Vec<Tap>> {
    let all = Plan {
        filter: String::new(),
        ..plan.clone()
    };
    let mut taps = Vec::new();
    for pattern in plan.outputs.iter().flat_map(|output| &output.queues) {
        for (address, queue) in open_queues(pattern, signals)? {
            number_of(&mut taps, address, queue, &all)?;
        }
    }
    Ok(taps)
}

/// Returns the number of the tap of `queue`, which is new unless the queue was named before.
fn number_of(
    taps: &mut Vec<Tap>,
    address: QueueAddress,
    queue: Queue,
    plan: &Plan,
) -> Result<usize> {
    let is_same = |tap: &Tap| {
        let (one, other) = (tap.info(), queue.info());
        one.name == other.name && one.recording == other.recording
    };
    if let Some(number) = taps.iter().position(is_same) {
        return Ok(number);
    }
    taps.push(
        Tap::new(address, queue, &plan.filter)?
            .starting_at(plan.start)
            .within(plan.window),
    );
    Ok(taps.len() - 1)
}

/// Returns those of the taps `numbers` that have frames of the side that `output` wants.
///
/// # Errors
/// Returns a usage error for a queue that does not tell which frames were sent.
fn with_side(
    output: &Output,
    numbers: Vec<usize>,
    taps: &[Tap],
    reporter: &Reporter,
) -> Result<Vec<usize>> {
    let (wanted, name) = match output.side {
        Side::Both => return Ok(numbers),
        Side::Received => (QueueSide::Received, "received"),
        Side::Sent => (QueueSide::Sent, "sent"),
    };
    let mut kept = Vec::new();
    for number in numbers {
        let info = taps[number].info();
        match QueueSide::of(info) {
            QueueSide::Unknown => {
                let why = format!(
                    "its source, {}, does not say which frames were received and which were sent",
                    info.source
                );
                return Err(
                    Error::usage(format!("{name} frames of {}", info.name), why).advise(
                        "name the same file in rx-dev and tx-dev, which then has both; \
                     or serve one direction only: hpcapd af_packet:INTERFACE,direction=in",
                    ),
                );
            }
            side if side == wanted || side == QueueSide::Both => kept.push(number),
            _ => reporter.info(&format!(
                "{}: its source, {}, sees no {name} frames",
                info.name, info.source
            )),
        }
    }
    Ok(kept)
}
