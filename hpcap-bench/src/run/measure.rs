//! One measurement: a program captures what a sender offers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hpcap::{Contract, Error, Kind, Queue, Result, Start};
use serde::{Deserialize, Serialize};

use super::account::{Account, Said};
use super::plan::{Cell, name_of_rate};
use super::target::{Engine, Target};
use crate::capture::{
    ARRIVE, PATIENCE, RECEIVER, SETTLE, Sent, Tool, delivery_threads, send, start, wait_for,
};
use crate::process::{Running, Times, check_interrupted};
use crate::verify::{Findings, Listening, verify_queue};
use crate::workspace::Workspace;

/// Processor time for each frame in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Of the capturing program itself, for each captured frame.
    pub user_ns: f64,
    /// Of the kernel for the capturing program, for each captured frame.
    pub kernel_ns: f64,
    /// Of the sender, and of the kernel's threads that hand frames over, for each sent frame.
    pub outside_ns: f64,
}

/// The result of one measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The program.
    pub target: String,
    /// Size of the frames in bytes without FCS, or `imix`.
    pub size: String,
    /// The offered rate.
    pub rate: String,
    /// Part of the frames that are copies, as asked for.
    pub copies: f64,
    /// Number of programs that read the queue.
    pub consumers: usize,
    /// Number of the measurement among those of the same kind.
    pub repeat: usize,
    /// The outcome of all frames.
    #[serde(flatten)]
    pub account: Account,
    /// The processor time.
    pub cost: Cost,
    /// Peak of the program's memory, with its rings.
    pub memory_bytes: u64,
}

/// Measures `cell`. The calling thread is in the namespace of the interfaces.
///
/// # Errors
/// When a program fails, or this one is interrupted.
pub(super) fn measure(
    cell: &Cell,
    duration: Duration,
    workspace: &Workspace,
) -> Result<Measurement> {
    check_interrupted()?;
    let source = cell.source(duration);
    let captured = match cell.target {
        Target::Queue(engine) => queue(engine, cell, &source, workspace),
        Target::Files(tool) => files(tool, cell, &source, workspace),
    };
    workspace.remove("capture");
    let captured = captured?;
    let mut account = Account::new(captured.sent.offered, &captured.found, captured.said);
    account.problems.extend(captured.problems);
    let per = |time: Duration, frames: u64| time.as_nanos() as f64 / frames.max(1) as f64;
    Ok(Measurement {
        target: cell.target.name().into(),
        size: cell.size.to_string(),
        rate: name_of_rate(cell.rate),
        copies: cell.copies,
        consumers: cell.consumers,
        repeat: cell.repeat,
        cost: Cost {
            user_ns: per(captured.used.user, account.captured),
            kernel_ns: per(captured.used.kernel, account.captured),
            outside_ns: per(captured.used.outside, account.offered.frames),
        },
        memory_bytes: captured.used.memory_bytes,
        account,
    })
}

/// The findings of a capture.
struct Captured {
    sent: Sent,
    found: Findings,
    said: Said,
    used: Used,
    problems: Vec<String>,
}

/// The processor time and the memory of a capture.
struct Used {
    user: Duration,
    kernel: Duration,
    outside: Duration,
    memory_bytes: u64,
}

/// Sends frames while the program `pid` captures, waits until they have arrived, and measures.
fn load(
    pid: u32,
    cell: &Cell,
    source: &str,
    folder: &Path,
    arrive: impl FnOnce(&Sent) -> Result<()>,
) -> Result<(Sent, Used)> {
    thread::sleep(SETTLE);
    let before = Times::of(pid).unwrap_or_default();
    let delivery = delivery_threads();
    let sent = send(source, cell.copies, folder)?;
    arrive(&sent)?;
    let since = |(pid, earlier): &(u32, Times)| {
        Times::of(*pid).map_or(Duration::ZERO, |now| now.total_since(earlier))
    };
    let outside = sent.time + delivery.iter().map(since).sum::<Duration>();
    let (user, kernel) = Times::of(pid).unwrap_or_default().since(&before);
    let used = Used {
        user,
        kernel,
        outside,
        memory_bytes: peak_memory(pid),
    };
    Ok((sent, used))
}

/// Returns the peak of a program's memory in bytes; 0 if it has ended.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Captures to files with `tool`.
fn files(tool: Tool, cell: &Cell, source: &str, workspace: &Workspace) -> Result<Captured> {
    let out = workspace.file("capture");
    let mut running = start(tool, &out, workspace.path())?;
    let (sent, used) = load(running.pid(), cell, source, workspace.path(), |_| {
        thread::sleep(ARRIVE);
        Ok(())
    })?;
    running.interrupt();
    running.wait()?;
    let found = tool.verify(&out)?;
    let said = tool.said_lost(&found, &running.printed());
    Ok(Captured {
        sent,
        found,
        said,
        used,
        problems: Vec::new(),
    })
}

/// Captures with `hpcapd`, while the consumers read and verify its queue.
fn queue(engine: Engine, cell: &Cell, source: &str, workspace: &Workspace) -> Result<Captured> {
    let folder = workspace.file("capture");
    let mut command = engine.command(RECEIVER, &folder, cell.copies > 0.0)?;
    let mut running = Running::start(&mut command, workspace.path())?;
    let queue = open(&folder.join("hpcap0.sock"))?;
    let before = queue.ledger().ledger.on_the_wire().frames;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let consumers: Vec<_> = (0..cell.consumers)
            .map(|_| scope.spawn(|| verify_queue(&queue, &LISTENING, &stop)))
            .collect();
        let measured = wait_for("the consumers are attached", || {
            queue.listeners().len() >= cell.consumers
        })
        .and_then(|()| {
            load(running.pid(), cell, source, workspace.path(), |sent| {
                let arrived = || queue.ledger().ledger.on_the_wire().frames - before;
                settle(arrived, sent.offered.frames)
            })
        });
        // The consumers read the queue to its end, or not at all after a failure.
        stop.store(measured.is_err(), Ordering::Relaxed);
        running.interrupt();
        let ended = running.wait();
        let mut all = Vec::new();
        for consumer in consumers {
            all.push(consumer.join().unwrap_or_else(|_| {
                Err(Error::new(
                    Kind::Gone,
                    "verify a queue",
                    "the consumer panicked",
                ))
            }));
        }
        let (sent, used) = measured?;
        ended?;
        let mut all = all.into_iter().collect::<Result<Vec<_>>>()?;
        let found = all.swap_remove(0);
        let problems = disagreements(&found, &all);
        Ok(Captured {
            sent,
            said: Some(said_by_ledger(&found)),
            found,
            used,
            problems,
        })
    })
}

/// Settings of the consumers.
const LISTENING: Listening = Listening {
    contract: Contract::Lossless,
    start: Start::Newest,
    frames: None,
    duration: None,
    pause: Duration::ZERO,
    wait_bytes: 1,
};

fn open(socket: &Path) -> Result<Queue> {
    let from = Instant::now();
    loop {
        match Queue::open(socket) {
            Err(e) if from.elapsed() > PATIENCE => return Err(e),
            Err(_) => {
                check_interrupted()?;
                thread::sleep(Duration::from_millis(10));
            }
            Ok(queue) => return Ok(queue),
        }
    }
}

/// Waits until `arrived` has reached `sent`, or does not grow any more.
fn settle(arrived: impl Fn() -> u64, sent: u64) -> Result<()> {
    let (mut last, mut since) = (arrived(), Instant::now());
    while last < sent && since.elapsed() < ARRIVE {
        check_interrupted()?;
        thread::sleep(Duration::from_millis(10));
        let now = arrived();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    // A frame that is one too many would arrive now.
    thread::sleep(Duration::from_millis(200));
    Ok(())
}

/// Returns the losses that the queue's ledger has, by reason.
fn said_by_ledger(found: &Findings) -> BTreeMap<String, u64> {
    let lost = found
        .ledger_lost
        .iter()
        .filter(|(_, count)| count.frames > 0);
    lost.map(|(reason, count)| (reason.to_string(), count.frames))
        .collect()
}

/// Returns what is different for other consumers of the same queue.
fn disagreements(first: &Findings, others: &[Findings]) -> Vec<String> {
    let numbers = |f: &Findings| (f.verified, f.corrupt, f.short, f.repeated, f.missing);
    let others = others.iter().enumerate();
    others
        .filter(|(_, other)| numbers(other) != numbers(first))
        .map(|(n, other)| {
            format!(
                "consumer {} has {} frames, the first one {}",
                n + 2,
                other.verified,
                first.verified
            )
        })
        .collect()
}
