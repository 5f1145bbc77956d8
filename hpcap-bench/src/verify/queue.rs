//! Verification of a queue's stream, as one of its listeners.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hpcap::raw::Event;
use hpcap::{
    Contract, Count, Error, Kind, Listener, Queue, Reason, Request, Result, Start, Waited,
};

use super::findings::Findings;
use super::judge::Judge;

/// Largest number of bytes that are read before they are acknowledged.
pub const ACK_BYTES: u64 = 256 << 10;
/// Longest wait before signals and limits are checked again.
const LOOK: Duration = Duration::from_millis(100);

/// How to listen, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// The listener's contract.
    pub contract: Contract,
    /// Where the listener starts to read.
    pub start: Start,
    /// Stop after this many frames, found or missing.
    pub frames: Option<u64>,
    /// Stop after this time.
    pub duration: Option<Duration>,
    /// Sleep for this time after every 256 KiB, to act as a listener that is too slow.
    pub pause: Duration,
    /// Bytes that the listener waits for, at most 100 ms: many make waking up cheap, few show the
    /// latency of the queue.
    pub wait_bytes: u64,
}

/// Listens to `queue` until it ends, a limit is reached or `stop` is set.
///
/// # Errors
/// When the queue refuses the listener, or the listener is killed.
pub fn verify_queue(queue: &Queue, how: &Listening, stop: &AtomicBool) -> Result<Findings> {
    let before = queue.ledger().ledger;
    let mut listener = queue.attach(&Request {
        contract: how.contract,
        start: how.start,
        program: "hpcap-bench verify".into(),
    })?;
    let captured_before = captured_before(&listener);
    let mut judge = Judge::live(queue.info().name.to_string());
    judge.found().plain = queue.info().plain;

    let from = Instant::now();
    let ended = listen(&mut listener, how, stop, from, &mut judge)?;
    let seconds = from.elapsed().as_secs_f64();

    let after = listener.ledger().ledger;
    let seen = judge.frames();
    let found = judge.found();
    found.seconds = seconds;
    found.ledger_lost = after.since(&before);
    found.ledger_lost[Reason::Captured] = Count::default();
    found.producer_died = listener.producer_died();
    if ended && !found.producer_died {
        let captured = after[Reason::Captured]
            .frames
            .saturating_sub(captured_before);
        found.vanished = captured.saturating_sub(seen + found.overrun);
    }
    Ok(judge.into_findings())
}

/// Returns how many frames the queue had captured before this listener's first frame.
fn captured_before(listener: &Listener) -> u64 {
    (0..hpcap::abi::HPCAP_SLOTS)
        .map(|slot| listener.page().listener(slot))
        .find(|l| l.id == listener.id())
        .map_or(0, |l| l.start_frames)
}

/// Judges frames until a limit is reached or the queue ends. Returns whether the queue ended.
fn listen(
    listener: &mut Listener,
    how: &Listening,
    stop: &AtomicBool,
    from: Instant,
    judge: &mut Judge,
) -> Result<bool> {
    let is_over = |judge: &Judge| {
        stop.load(Ordering::Relaxed)
            || how.duration.is_some_and(|limit| from.elapsed() >= limit)
            || how
                .frames
                .is_some_and(|n| judge.frames() + judge.missing() >= n)
    };
    while !is_over(judge) {
        let step = read(listener, how, judge).and_then(|more| listener.ack().map(|()| more));
        match step {
            Ok(true) => {
                if !how.pause.is_zero() {
                    std::thread::sleep(how.pause);
                }
            }
            Ok(false) => match listener.wait(how.wait_bytes, LOOK)? {
                Waited::Ended => return Ok(true),
                Waited::Ready | Waited::TimedOut => {}
            },
            Err(e) if e.kind() == Kind::Overrun => {
                if !catch_up(listener, stop, judge)? {
                    return Ok(true);
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(false)
}

/// Reads up to [`ACK_BYTES`]. Returns `false` if there was less to read.
fn read(listener: &mut Listener, how: &Listening, judge: &mut Judge) -> Result<bool> {
    let until = listener.position() + ACK_BYTES;
    let enough = how.frames.unwrap_or(u64::MAX);
    while listener.position() < until {
        match listener.next_record()? {
            None => return Ok(false),
            Some(Event::Frame(frame)) => {
                judge.frame(&frame);
                if judge.frames() >= enough {
                    return Ok(true);
                }
            }
            Some(Event::Missed(gap)) => judge.gap(&gap),
            Some(
                Event::Padding(_)
                | Event::FileStart(_)
                | Event::FileEnd(_)
                | Event::Duplicate
                | Event::Sent
                | Event::Altered(_)
                | Event::Damaged(_),
            ) => {}
        }
    }
    Ok(true)
}

/// After an overrun, continues where the stream can be read again. Returns `false` if the queue
/// ended or a stop was requested first.
fn catch_up(listener: &mut Listener, stop: &AtomicBool, judge: &mut Judge) -> Result<bool> {
    loop {
        match listener.resync(Start::Newest) {
            Ok(missed) => {
                judge.found().overrun += missed[Reason::Overrun].frames;
                return Ok(true);
            }
            Err(e) if e.kind() == Kind::NotFound => {}
            Err(e) => return Err(e),
        }
        if listener.ended() || stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Parses `lossless`, `lossless:5s` or `lossy`.
///
/// # Errors
/// [`Kind::Usage`] for anything else.
pub fn parse_contract(text: &str) -> Result<Contract> {
    match text.split_once(':') {
        None if text == "lossless" => Ok(Contract::Lossless),
        None if text == "lossy" => Ok(Contract::Lossy),
        Some(("lossless", limit)) => hpcap::units::parse_duration(limit).map(Contract::LosslessFor),
        _ => Err(Error::usage(
            format!("contract {text:?}"),
            "expected lossless, lossless:TIME such as lossless:5s, or lossy",
        )),
    }
}

/// Parses `file`, `newest` or `oldest`.
///
/// # Errors
/// [`Kind::Usage`] for anything else.
pub fn parse_start(text: &str) -> Result<Start> {
    match text {
        "file" => Ok(Start::File),
        "newest" => Ok(Start::Newest),
        "oldest" => Ok(Start::Oldest),
        _ => Err(Error::usage(
            format!("start {text:?}"),
            "expected file, newest or oldest",
        )),
    }
}
