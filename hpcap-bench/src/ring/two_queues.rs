//! How the throughput grows when two poll threads feed two queues at the same time.
//!
//! Each thread runs on a processor of its own, and has frames, ring and listener of its own, as the poll threads of two
//! queues of one link have. What they share is what the machine makes them share: caches, memory and power. The time of a
//! frame is processor time, so other programs count only by what they take of these.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use hpcap_host::process::run_on_cpu;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::loops::InC;
use super::nic::{Buffers, Nic};
use super::{Settings, clock_scale, frames};
use crate::process::check_interrupted;
use crate::report::{Pairs, Report, Row, Target, Unit};

/// Lengths of frames in bytes, without FCS.
const LENGTHS: [u16; 2] = [60, 1514];
/// Smallest throughput of two threads, as a multiple of that of one.
const RATIO: f64 = 1.9;

/// Nanoseconds that a frame takes a thread, in each round.
#[derive(Default)]
struct Rounds {
    alone: Vec<f64>,
    beside: Vec<f64>,
}

/// The rounds of one thread with both loops.
#[derive(Default)]
struct Measured {
    ring: Rounds,
    /// The loop of timestamp and memcpy: what the machine itself allows.
    bare: Rounds,
}

/// Measures two queues at once, beside one alone.
///
/// # Errors
/// When there is not enough memory for two rings.
pub(crate) fn two_queues_cost(settings: &Settings, report: &mut Report) -> Result<()> {
    let what = |len| format!("two queues at once, ring.h, {len} bytes");
    let Some(cpus) = two_cpus()? else {
        let why = "this process may run on one processor only";
        report.add(Row::skipped(what(LENGTHS[0]), why));
        return Ok(());
    };
    for len in LENGTHS {
        let [first, second] = measure(settings, len, cpus)?;
        let bare = pairs([&first.bare, &second.bare]);
        let times = bare.each(|together, one| one / together);
        report.add(
            pairs([&first.ring, &second.ring])
                .row(what(len), "one queue")
                .target(Target::Ratio(RATIO))
                .note(format!(
                    "on processors {} and {}; two loops of timestamp + memcpy: {:.2} times one",
                    cpus[0], cpus[1], times.median
                )),
        );
    }
    Ok(())
}

/// The time of a frame with two threads, beside that with one, for each round.
fn pairs([first, second]: [&Rounds; 2]) -> Pairs {
    let mut pairs = Pairs::new(Unit::NsPerFrame);
    for round in 0..first.alone.len() {
        // In a nanosecond, the two threads take 1/a and 1/b frames.
        let (a, b) = (first.beside[round], second.beside[round]);
        let together = 1.0 / (1.0 / a + 1.0 / b);
        let one = f64::midpoint(first.alone[round], second.alone[round]);
        pairs.add(together, one);
    }
    pairs
}

/// Two processors that this process may use.
fn two_cpus() -> Result<Option<[usize; 2]>> {
    let allowed =
        sched_getaffinity(Pid::from_raw(0)).context(|| "ask for the processors of this process")?;
    let mut cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    Ok(cpus
        .next()
        .zip(cpus.next())
        .map(|(first, second)| [first, second]))
}

/// Runs a loop on each of `cpus`: first one, then the other, then both at the same time, in each round.
fn measure(settings: &Settings, len: u16, cpus: [usize; 2]) -> Result<[Measured; 2]> {
    let barrier = Barrier::new(2);
    let failed = AtomicBool::new(false);
    let (first, second) = std::thread::scope(|scope| {
        let start = |number: usize| {
            let (barrier, failed) = (&barrier, &failed);
            scope.spawn(move || {
                let side = Side {
                    number,
                    barrier,
                    failed,
                };
                side.run(settings, len, cpus[number])
            })
        };
        let (first, second) = (start(0), start(1));
        (first.join(), second.join())
    });
    let ended = |joined: std::thread::Result<Result<Measured>>| {
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    };
    let (first, second) = (ended(first), ended(second));
    // The thread that failed itself knows why.
    match (first, second) {
        (Ok(first), Ok(second)) => Ok([first, second]),
        (Err(e), Ok(_)) | (Ok(_), Err(e)) => Err(e),
        (Err(e), Err(_)) if e.kind() != Kind::Gone => Err(e),
        (Err(_), Err(e)) => Err(e),
    }
}

/// One of the two threads.
struct Side<'a> {
    number: usize,
    /// Both threads meet before each measurement.
    barrier: &'a Barrier,
    /// Whether a thread has failed. The other one then ends at the next meeting.
    failed: &'a AtomicBool,
}

impl Side<'_> {
    /// Waits for the other thread, after this one has done `before`.
    fn meet<T>(&self, before: Result<T>) -> Result<T> {
        if before.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        self.barrier.wait();
        let is_over = self.failed.load(Ordering::Relaxed);
        // Nobody may fail anew before both have looked.
        self.barrier.wait();
        match before {
            Ok(_) if is_over => Err(Error::new(
                Kind::Gone,
                "measure two queues at once",
                "the other thread has failed",
            )),
            other => other,
        }
    }

    fn run(&self, settings: &Settings, len: u16, cpu: usize) -> Result<Measured> {
        let ring = run_on_cpu(cpu).and_then(|()| InC::new(settings.ring_bytes, 1, 0));
        let mut ring = self.meet(ring)?;
        let buffers = Buffers::new();
        let mut nic = Nic::new(&buffers, len, clock_scale(settings));
        let frames = frames(settings, len);
        let mut measured = Measured::default();
        for round in 0..=settings.runs {
            let with_ring = self.turns(|| ring.run(&mut nic, frames, settings.batch))?;
            let bare = self.turns(|| Ok(ring.run_bare(&mut nic, frames, settings.batch)))?;
            // The first round faults in the memory, so it does not count.
            if round > 0 {
                for (rounds, (alone, beside)) in
                    [(&mut measured.ring, with_ring), (&mut measured.bare, bare)]
                {
                    rounds.alone.push(alone);
                    rounds.beside.push(beside);
                }
            }
        }
        Ok(measured)
    }

    /// Runs `once` alone, while the other thread waits, and beside the other thread. Returns the two results.
    fn turns(&self, mut once: impl FnMut() -> Result<f64>) -> Result<(f64, f64)> {
        let mut alone = f64::NAN;
        for turn in 0..2 {
            let ran = match turn == self.number {
                true => check_interrupted().and_then(|()| once()).map(Some),
                false => Ok(None),
            };
            alone = self.meet(ran)?.unwrap_or(alone);
        }
        let beside = once();
        Ok((alone, self.meet(beside)?))
    }
}
