//! Captures an interface to a file, beside tcpdump, dumpcap and netsniff-ng at the same offered
//! load, and measures the losses and the processor time for each frame.
//!
//! The sender reports how many frames the kernel has taken from it. The captured frames are counted
//! in the files, and a frame counts only if every byte of it is right. The processor time is that
//! of the capturing process from when it listens until all frames have arrived, without its start
//! and end. The kernel hands frames over on the sender's side of a veth pair, in the sender's own
//! time or in that of the kernel's threads called ksoftirqd. This time is a figure of its own; the
//! sender's part of it is the same for all programs. What the kernel writes to the disk later is in
//! no figure.

pub mod namespace;
mod outcome;
mod sending;
mod tool;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hpcap::{Error, Kind, Result};

use crate::process::{Running, check_interrupted};
use crate::report::{Capture, Report, Row};
use crate::workspace::Workspace;
pub(crate) use namespace::packet_sockets;
use namespace::within_or_skip;
pub(crate) use outcome::{Outcome, offer, take_turns};
pub(crate) use sending::{Sent, delivery_threads, send, times_since};
pub use tool::Tool;

/// The offered loads, and the number of captures.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for the captures, which should be on a disk: in a file system in memory, a
    /// recorder that reserves room for its files pays for that room.
    pub dir: PathBuf,
    /// Names of the loads, with the generator's specifications.
    pub loads: Vec<(String, String)>,
    /// Seconds for which frames are offered to each capture.
    pub seconds: u32,
    /// Number of captures of each program at each load.
    pub runs: usize,
}

impl Settings {
    /// Returns settings with frames of 60 bytes at 50 kpps, at 200 kpps, and as fast as possible.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            loads: RATES.map(load).into(),
            seconds: 3,
            runs: 3,
        }
    }
}

/// Rates at which frames are offered unless others are chosen.
pub(crate) const RATES: [&str; 3] = ["50kpps", "200kpps", "max"];

/// Returns the name and the generator's specification of frames of 60 bytes at `rate`, which is `max` for as fast as
/// the sender can.
pub(crate) fn load(rate: &str) -> (String, String) {
    match rate {
        "max" => ("unlimited".into(), "gen:size=60".into()),
        rate => (
            rate.replace("kpps", " kpps"),
            format!("gen:size=60,rate={rate}"),
        ),
    }
}

/// Bytes that the captures of an unlimited sender may need.
const ROOM: u64 = 4 << 30;
/// The interface that frames are sent on.
pub(crate) const SENDER: &str = "snd";
/// The interface that the frames arrive at.
pub(crate) const RECEIVER: &str = "rcv";
/// Longest time until a program captures.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Time for a program to settle after it has begun to capture.
pub(crate) const SETTLE: Duration = Duration::from_millis(400);
/// Time until all sent frames have arrived: libpcap lets frames wait in the kernel for a second.
pub(crate) const ARRIVE: Duration = Duration::from_millis(1500);

/// Measures captures. If that is not possible, a row of the report states the reason.
///
/// # Errors
/// When there is not enough room, or a program fails.
pub fn capture(settings: &Settings, report: &mut Report) -> Result<()> {
    const WHAT: &str = "capture on veth";
    if !crate::process::exists("ip") {
        report.add(Row::skipped(WHAT, "there is no `ip` (package iproute2)"));
        return Ok(());
    }
    let workspace = Workspace::new(&settings.dir, ROOM)?;
    let captures = within_or_skip(WHAT, &workspace, report, |_| measure(settings, &workspace))?;
    let Some(captures) = captures else {
        return Ok(());
    };
    let is_missing = |tool: &&Tool| !captures.iter().any(|c| c.tool == tool.name());
    for tool in Tool::ALL.iter().filter(is_missing) {
        let what = format!("{WHAT}: {}", tool.name());
        report.add(Row::skipped(what, tool.why_missing()));
    }
    report.captures.extend(captures);
    Ok(())
}

fn measure(settings: &Settings, workspace: &Workspace) -> Result<Vec<Capture>> {
    let tools: Vec<Tool> = Tool::ALL
        .into_iter()
        .filter(|tool| tool.can_capture(RECEIVER))
        .collect();
    let mut captures = Vec::new();
    for (load, spec) in &settings.loads {
        let spec = format!("{spec},duration={}s", settings.seconds);
        captures.extend(take_turns(
            load,
            settings.runs,
            &tools,
            Tool::name,
            |tool| once(tool, &spec, workspace),
        )?);
    }
    Ok(captures)
}

/// Starts a program that captures to `out`, and waits until it captures.
///
/// # Errors
/// When the program cannot be started, or does not capture in time.
pub(crate) fn start(tool: Tool, out: &Path, folder: &Path) -> Result<Running> {
    let sockets = packet_sockets();
    let running = Running::start(&mut tool.command(RECEIVER, out), folder)?;
    wait_for(&format!("{} captures", tool.name()), || {
        packet_sockets() != sockets && tool.has_begun(out)
    })?;
    Ok(running)
}

/// Waits until `is_so`, which `what` says in words.
///
/// # Errors
/// [`Kind::Timeout`] if it takes longer than [`PATIENCE`], and the error of [`check_interrupted`].
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let from = Instant::now();
    while !is_so() {
        check_interrupted()?;
        if from.elapsed() > PATIENCE {
            let why = format!("that has not happened within {} s", PATIENCE.as_secs());
            return Err(Error::new(Kind::Timeout, format!("wait until {what}"), why));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Captures the frames of `spec` with one program.
fn once(tool: Tool, spec: &str, workspace: &Workspace) -> Result<Outcome> {
    let out = workspace.file("capture");
    let mut running = start(tool, &out, workspace.path())?;
    std::thread::sleep(SETTLE);
    let offer = offer(spec, std::slice::from_ref(&running), workspace)?;
    running.interrupt();
    running.wait()?;
    let captured = tool.stored(&out)?;
    workspace.remove("capture");
    for file in tool.files(&out) {
        // Only a program that writes several files has left any.
        let _ = std::fs::remove_file(file);
    }
    Ok(offer.outcome(captured))
}
