//! Following each frame from tracepoint to tracepoint.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::event::{Event, Point};

/// Most frames that are on their way at a time.
const OPEN_MAX: usize = 1 << 16;
/// Most steps of a journey before its end: a frame in a loop of virtual interfaces never ends.
const STEPS_MAX: usize = 32;
/// A frame that nothing has happened to for this long has left without a word, if its room is needed.
const FORGOTTEN_NS: u64 = 1_000_000_000;

/// A step of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The frame was given to a queueing discipline or to the driver.
    Queued,
    /// The driver got the frame to send.
    StartSend,
    /// The driver has sent the frame, or will.
    Sent,
    /// The driver refused the frame, which is sent again later.
    Busy,
    /// The interface raised the interrupt for which the softirq ran.
    Interrupt,
    /// The softirq that receives was asked for.
    SoftirqRaised,
    /// The softirq that receives began to run.
    Softirq,
    /// The driver handed the frame to GRO.
    Gro,
    /// The frame was put into the backlog of a CPU.
    Backlog,
    /// The network stack began to handle the frame.
    Received,
    /// A program got the frame.
    Copied,
    /// The frame was freed after use.
    Freed,
    /// The frame was dropped.
    Dropped,
}

impl Step {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Queued => "queued to be sent",
            Self::StartSend => "given to the driver",
            Self::Sent => "taken by the driver",
            Self::Busy => "refused by the driver",
            Self::Interrupt => "interrupt",
            Self::SoftirqRaised => "softirq asked for",
            Self::Softirq => "softirq began",
            Self::Gro => "handed to GRO",
            Self::Backlog => "put into the backlog",
            Self::Received => "received",
            Self::Copied => "copied to a program",
            Self::Freed => "freed",
            Self::Dropped => "dropped",
        }
    }
}

/// A step with its time and CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What happened.
    pub step: Step,
    /// When.
    pub time_ns: u64,
    /// On which CPU.
    pub cpu: u32,
    /// The interface of the frame then.
    pub device: Option<Arc<str>>,
}

/// The way of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// Bytes of the frame, without its Ethernet header where the kernel has taken it off.
    pub len: u64,
    /// The steps, in their order.
    pub steps: Vec<Taken>,
    /// The run of the softirq in which the last step was.
    run: u64,
    /// Reason and place of a drop.
    pub drop: Option<(u64, u64)>,
    /// Whether its end was seen.
    pub is_complete: bool,
}

impl Journey {
    /// Whether a step was at the interface `device`.
    #[must_use]
    pub fn passes(&self, device: &str) -> bool {
        self.steps
            .iter()
            .any(|step| step.device.as_deref() == Some(device))
    }

    fn last(&self) -> Option<&Taken> {
        self.steps.last()
    }

    fn push(&mut self, taken: Taken) {
        let is_end = matches!(taken.step, Step::Freed | Step::Dropped);
        if is_end || self.steps.len() < STEPS_MAX {
            self.steps.push(taken);
        }
    }
}

/// What runs on a CPU.
#[derive(Debug, Clone, Default)]
struct Cpu {
    /// Number of the run of the softirq that receives.
    run: u64,
    /// When the interrupt began whose handler runs.
    interrupt_ns: Option<u64>,
    /// When the softirq was asked for, and the interrupt whose handler did that.
    raised_ns: Option<u64>,
    raised_by_ns: Option<u64>,
    /// Times of the run: the interrupt and the request before it, and its begin.
    of_run: [Option<u64>; 3],
}

/// Frames on their way.
#[derive(Debug, Default)]
pub struct Journeys {
    open: HashMap<u64, Journey>,
    cpus: HashMap<u32, Cpu>,
    runs: u64,
    /// Frames that were not followed, because too many were on their way.
    pub untracked: u64,
}

/// What an event means beside the journey that it continues.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Journeys that have ended with this event, or before it.
    pub ended: Vec<Journey>,
    /// Time that the softirq which begins now has waited since it was asked for, and since the interrupt.
    pub softirq_waited_ns: [Option<u64>; 2],
}

impl Journeys {
    /// Follows `event`.
    pub fn follow(&mut self, event: &Event) -> Outcome {
        let mut outcome = Outcome::default();
        let cpu = self.cpus.entry(event.cpu).or_default();
        let time = event.time_ns;
        match event.point {
            Point::Interrupt => cpu.interrupt_ns = Some(time),
            Point::InterruptEnd => cpu.interrupt_ns = None,
            Point::SoftirqRaise if cpu.raised_ns.is_none() => {
                cpu.raised_ns = Some(time);
                cpu.raised_by_ns = cpu.interrupt_ns;
            }
            Point::SoftirqRaise => {}
            Point::SoftirqEntry => {
                self.runs += 1;
                cpu.run = self.runs;
                cpu.of_run = [cpu.raised_by_ns.take(), cpu.raised_ns.take(), Some(time)];
                let [interrupt, raised, _] = cpu.of_run;
                outcome.softirq_waited_ns =
                    [raised, interrupt].map(|begin| begin.map(|begin| time.saturating_sub(begin)));
            }
            Point::NapiPoll => {}
            _ => {
                let run = cpu.clone();
                self.step(event, &run, &mut outcome);
            }
        }
        outcome
    }

    fn step(&mut self, event: &Event, cpu: &Cpu, outcome: &mut Outcome) {
        let step = match event.point {
            Point::Queue => Step::Queued,
            Point::StartSend => Step::StartSend,
            // NETDEV_TX_BUSY is 0x10; all else means that the driver has taken the frame.
            Point::Sent if event.value == 0x10 => Step::Busy,
            Point::Sent => Step::Sent,
            Point::Gro => Step::Gro,
            Point::Backlog => Step::Backlog,
            Point::Copy => Step::Copied,
            Point::Consume => Step::Freed,
            Point::Drop => Step::Dropped,
            _ => Step::Received,
        };
        let open = self.open.remove(&event.frame);
        let mut journey = match open {
            Some(journey) if continues(&journey, step, event, cpu.run) => journey,
            other => {
                outcome.ended.extend(other);
                let begins = !matches!(step, Step::Copied | Step::Freed | Step::Sent | Step::Busy);
                if !begins || !self.has_room(event.time_ns, &mut outcome.ended) {
                    return;
                }
                Journey {
                    len: event.len,
                    steps: Vec::new(),
                    run: 0,
                    drop: None,
                    is_complete: false,
                }
            }
        };
        if matches!(step, Step::Gro | Step::Received) && journey.run != cpu.run {
            add_softirq(&mut journey, cpu, event);
        }
        let before = journey.last().and_then(|last| last.device.clone());
        journey.push(Taken {
            step,
            time_ns: event.time_ns,
            cpu: event.cpu,
            device: event.device.clone().or(before),
        });
        journey.run = cpu.run;
        journey.len = journey.len.max(event.len);
        match step {
            Step::Dropped => journey.drop = Some((event.value, event.place)),
            Step::Freed => {}
            _ => {
                self.open.insert(event.frame, journey);
                return;
            }
        }
        journey.is_complete = true;
        outcome.ended.push(journey);
    }

    /// Makes room for one more frame, if frames are forgotten.
    fn has_room(&mut self, now: u64, ended: &mut Vec<Journey>) -> bool {
        if self.open.len() < OPEN_MAX {
            return true;
        }
        let is_old = |journey: &Journey| {
            let last = journey.last().map_or(0, |last| last.time_ns);
            now.saturating_sub(last) > FORGOTTEN_NS
        };
        ended.extend(
            self.open
                .extract_if(|_, journey| is_old(journey))
                .map(|(_, old)| old),
        );
        let has_room = self.open.len() < OPEN_MAX;
        self.untracked += u64::from(!has_room);
        has_room
    }

    /// Ends: returns the frames that are still on their way.
    pub fn finish(&mut self) -> impl Iterator<Item = Journey> {
        self.open.drain().map(|(_, journey)| journey)
    }
}

/// Whether `step` continues `journey`, or is the first one of another frame in the same memory, because the kernel
/// frees some frames without a word.
fn continues(journey: &Journey, step: Step, event: &Event, run: u64) -> bool {
    let Some(last) = journey.last() else {
        return true;
    };
    match (last.step, step) {
        // GRO frees a frame without a word if it merges the frame with an earlier one.
        (Step::Gro, Step::Received) => last.device == event.device && journey.run == run,
        // A bridge or a router hands on a frame in the softirq that has received it.
        (Step::Gro | Step::Received, Step::Received | Step::Queued) => {
            let is_elsewhere = last.step == Step::Gro || last.device != event.device;
            is_elsewhere && journey.run == run
        }
        (Step::Received | Step::Copied, Step::Gro | Step::Backlog | Step::Received) => false,
        (Step::Copied, Step::Queued | Step::StartSend) => false,
        (Step::Queued | Step::Backlog | Step::Gro, again) => last.step != again,
        _ => true,
    }
}

/// Adds the softirq in which a frame is received, and what led to it, as far as it was after the last step.
fn add_softirq(journey: &mut Journey, cpu: &Cpu, event: &Event) {
    let after = journey.last().map_or(0, |last| last.time_ns);
    let device = event.device.clone();
    for (step, time) in [Step::Interrupt, Step::SoftirqRaised, Step::Softirq]
        .into_iter()
        .zip(cpu.of_run)
    {
        let Some(time_ns) = time.filter(|time| *time >= after) else {
            continue;
        };
        journey.push(Taken {
            step,
            time_ns,
            cpu: event.cpu,
            device: device.clone(),
        });
    }
}

#[cfg(test)]
mod tests;
