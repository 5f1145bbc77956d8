//! `hpcap-bench verify` as a command.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::verify::{
    ACK_BYTES, Findings, Listening, parse_contract, parse_start, verify_files, verify_queue,
};
use clap::Args;
use hpcap::error::Context;
use hpcap::units::parse_duration;
use hpcap::visible::visible_json;
use hpcap::{Contract, Error, Kind, Queue, QueueName, Result, Start, cancellable};
use hpcap_service::stop_flag;

/// Time after a signal in which what was found so far must be there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Check every generated frame of a queue, or of RAW files
///
/// The command fails if a frame is damaged or there twice, or if a frame is missing and neither a gap
/// nor the ledger explains it. It reads a queue until the queue ends, or until a limit.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A queue such as hpcap0, or RAW files and folders
    #[arg(value_name = "QUEUE|PATH", required = true)]
    targets: Vec<OsString>,
    /// Stop after N frames; fewer frames are a failure
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Hold the ring back (lossless), do so for at most 5 s (lossless:5s), or never (lossy)
    #[arg(long, value_name = "HOW", default_value = "lossless", value_parser = parse_contract)]
    contract: Contract,
    /// Start at the next file, or at the newest or oldest frame: file, newest, oldest
    #[arg(long, value_name = "WHERE", default_value = "file", value_parser = parse_start)]
    start: Start,
    /// Sleep for this time after every 256 KiB, like a listener that is too slow
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = parse_duration)]
    pause: Duration,
    /// Print one JSON object for each stream
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyArgs) -> Result<()> {
    let stop = stop_flag().context(|| "prepare for signals")?;
    let found = find(args, &stop)?;
    let mut wrong = Vec::new();
    for one in &found {
        let complaints = one.complaints(args.frames);
        print(one, &complaints, args.json)?;
        wrong.extend(complaints.iter().map(|what| format!("{}: {what}", one.of)));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let tried = format!("verify {}", shown(&args.targets));
    Err(Error::new(Kind::Format, tried, wrong.join("; ")))
}

/// Verifies the queue or the files that `args` name.
///
/// A thread verifies, because opening a FIFO without a writer, or the queue of a stopped daemon, can block for ever: a
/// signal must end the command even so.
fn find(args: &VerifyArgs, stop: &Arc<AtomicBool>) -> Result<Vec<Findings>> {
    let queue = queue_of(&args.targets)?;
    let how = Listening {
        contract: args.contract,
        start: args.start,
        frames: args.frames,
        duration: args.duration,
        pause: args.pause,
        wait_bytes: ACK_BYTES,
    };
    let paths: Vec<PathBuf> = args.targets.iter().map(PathBuf::from).collect();
    let must_stop = Arc::clone(stop);
    let verify = move || match queue {
        Some(name) => Ok(vec![verify_queue(&Queue::open(name)?, &how, &must_stop)?]),
        None => verify_files(&paths, &must_stop),
    };
    let patience = PATIENCE + args.pause;
    let mut stopped: Option<Instant> = None;
    let is_overdue = |_| {
        stop.load(Ordering::Relaxed)
            && stopped.get_or_insert_with(Instant::now).elapsed() >= patience
    };
    cancellable::run(is_overdue, verify)?.ok_or_else(|| {
        let tried = format!("verify {}", shown(&args.targets));
        let why = "it was still waiting for the other side when a signal ended it";
        Error::new(Kind::Timeout, tried, why)
    })
}

/// Returns the queue if `targets` names one; `None` for paths.
fn queue_of(targets: &[OsString]) -> Result<Option<QueueName>> {
    let name = targets.iter().find_map(|target| {
        let name = target.to_str()?.parse::<QueueName>().ok();
        name.filter(|_| !Path::new(target).exists())
    });
    match name {
        Some(_) if targets.len() > 1 => Err(Error::usage(
            shown(targets),
            "expected one queue, or files and folders",
        )),
        name => Ok(name),
    }
}

/// The targets for people.
fn shown(targets: &[OsString]) -> String {
    targets.join(" ".as_ref()).display().to_string()
}

fn print(found: &Findings, complaints: &[String], json: bool) -> Result<()> {
    let tried = || "print what was found";
    let text = if json {
        let mut value = serde_json::to_value(found).map_err(|e| Error::io(tried(), e.into()))?;
        value["unexplained"] = found.unexplained().into();
        value["complaints"] = complaints.into();
        visible_json(&value.to_string()).into_owned()
    } else {
        found.to_string()
    };
    hpcap_service::let_signals_end();
    writeln!(std::io::stdout().lock(), "{text}").context(tried)
}
