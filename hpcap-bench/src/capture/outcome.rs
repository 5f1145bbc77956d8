//! Offering frames to programs in turn, and what becomes of the frames.

use std::time::{Duration, Instant};

use hpcap::Result;

use super::{ARRIVE, delivery_threads, send, times_since};
use crate::process::{Running, Times, voluntary_switches};
use crate::report::{Capture, Figure, Unit};
use crate::workspace::Workspace;

/// Frames that were offered to running programs, and the processor time that they took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    frames: u64,
    user: Duration,
    system: Duration,
    /// Time of the sender, and of the kernel's threads that hand frames over.
    outside: Duration,
    /// How often a second a thread of the programs slept and was woken.
    wakeups: f64,
}

/// An offer, and the number of its frames that were captured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    offer: Offer,
    captured: u64,
}

impl Offer {
    /// Adds how many of the frames were captured.
    pub(crate) fn outcome(self, captured: u64) -> Outcome {
        Outcome {
            offer: self,
            captured,
        }
    }
}

/// Offers the frames of `spec` to `programs`, and waits until they have arrived.
///
/// # Errors
/// When the sender fails.
pub(crate) fn offer(spec: &str, programs: &[Running], workspace: &Workspace) -> Result<Offer> {
    let times = || {
        programs
            .iter()
            .map(|p| Times::of(p.pid()).unwrap_or_default())
    };
    let slept = || programs.iter().map(|p| voluntary_switches(p.pid())).sum();
    let before: Vec<Times> = times().collect();
    let (slept_before, start): (u64, _) = (slept(), Instant::now());
    let delivery = delivery_threads();
    let sent = send(spec, 0.0, workspace.path())?;
    std::thread::sleep(ARRIVE);
    let outside = sent.time + times_since(&delivery);
    let slept_since = slept().saturating_sub(slept_before);
    let wakeups = slept_since as f64 / start.elapsed().as_secs_f64();
    let (mut user, mut system) = (Duration::ZERO, Duration::ZERO);
    for (now, before) in times().zip(&before) {
        let (in_program, in_kernel) = now.since(before);
        user += in_program;
        system += in_kernel;
    }
    Ok(Offer {
        frames: sent.offered.frames,
        user,
        system,
        outside,
        wakeups,
    })
}

/// Measures each of `programs` once, and all of them again until each has had `runs` runs. Returns a
/// row of the report for each program. Taking turns spreads what else happens on the machine evenly.
///
/// # Errors
/// The first error of `once`.
pub(crate) fn take_turns<P: Copy>(
    load: &str,
    runs: usize,
    programs: &[P],
    name: impl Fn(P) -> &'static str,
    mut once: impl FnMut(P) -> Result<Outcome>,
) -> Result<Vec<Capture>> {
    let mut outcomes = vec![Vec::new(); programs.len()];
    for _ in 0..runs {
        for (program, outcomes) in programs.iter().zip(&mut outcomes) {
            outcomes.push(once(*program)?);
        }
    }
    let rows = programs.iter().zip(&outcomes);
    Ok(rows
        .map(|(program, outcomes)| summary(load, name(*program), outcomes))
        .collect())
}

/// Returns the row of a report for runs of the program `tool`.
fn summary(load: &str, tool: &str, outcomes: &[Outcome]) -> Capture {
    let figure = |unit, value: &dyn Fn(&Outcome) -> f64| {
        Figure::of(unit, &outcomes.iter().map(value).collect::<Vec<_>>())
    };
    let per = |time: Duration, frames: u64| time.as_nanos() as f64 / frames.max(1) as f64;
    Capture {
        load: load.into(),
        tool: tool.into(),
        offered: outcomes.iter().map(|o| o.offer.frames).sum(),
        captured: outcomes.iter().map(|o| o.captured).sum(),
        lost: figure(Unit::Part, &|o| {
            o.offer.frames.saturating_sub(o.captured) as f64 / o.offer.frames.max(1) as f64
        }),
        user: figure(Unit::NsPerFrame, &|o| per(o.offer.user, o.captured)),
        kernel: figure(Unit::NsPerFrame, &|o| per(o.offer.system, o.captured)),
        wakeups: figure(Unit::PerSecond, &|o| o.offer.wakeups),
        outside: figure(Unit::NsPerFrame, &|o| per(o.offer.outside, o.offer.frames)),
    }
}
