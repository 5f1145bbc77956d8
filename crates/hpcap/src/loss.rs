//! Reports lost frames: when a loss begins, every ten seconds while it continues, and when it has
//! ended.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use hpcap::loss::{LossWatch, Phase};
//! use hpcap::{Count, Ledger, Reason};
//!
//! let start = Instant::now();
//! let mut ledger = Ledger::default();
//! let mut watch = LossWatch::new(ledger, start);
//!
//! // A program reads the ledger of its queue about once a second.
//! ledger[Reason::Captured] = Count::new(900, 54_000);
//! ledger[Reason::NicMissed] = Count::new(100, 0);
//! let told = watch.look(&ledger, start + Duration::from_secs(1), Vec::new);
//! assert_eq!(told[0].phase, Phase::Begins);
//! assert_eq!((told[0].frames, told[0].share), (100, 0.1));
//!
//! let told = watch.look(&ledger, start + Duration::from_secs(5), Vec::new);
//! assert_eq!(told[0].phase, Phase::Ended);
//! ```

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::abi;
use crate::ledger::{Count, Ledger, Reason};
use crate::listener::Contract;
use crate::queue::ListenerInfo;
use crate::time::Timestamp;

/// Interval at which a continuing loss is reported.
const AGAIN: Duration = Duration::from_secs(10);

/// Time without lost frames after which a loss has ended.
const QUIET: Duration = Duration::from_secs(3);

/// Phase of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The loss has begun.
    Begins,
    /// The loss continues.
    GoesOn,
    /// No frame was lost for some seconds.
    Ended,
}

/// The listener that held the ring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Name of the listener's program.
    pub program: String,
    /// Process id of the listener.
    pub pid: u32,
    /// Id of the listener on its queue.
    pub id: u64,
    /// Bytes that the listener has not acknowledged.
    pub lag_bytes: u64,
}

/// Frames lost for one reason since the beginning of the loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Loss {
    /// Phase of the loss.
    pub phase: Phase,
    /// Why the frames are lost.
    #[serde(serialize_with = "reason_name")]
    pub reason: Reason,
    /// Number of lost frames.
    pub frames: u64,
    /// Bytes of the frames on the wire; 0 when only their number is known.
    pub frame_bytes: u64,
    /// Share of the lost frames among all frames on the wire since the beginning, from 0 to 1.
    pub share: f64,
    /// Time at which the loss began.
    #[serde(serialize_with = "time_text")]
    pub since: Timestamp,
    /// Duration of the loss in seconds.
    pub seconds: f64,
    /// For `ring_full`: the listener that held the ring back.
    pub listener: Option<Holder>,
}

fn reason_name<S: serde::Serializer>(reason: &Reason, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(reason.name())
}

fn time_text<S: serde::Serializer>(time: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&time.to_string())
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    let ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
    Timestamp::from_ns(time.as_ns().saturating_sub(ns))
}

/// Formats a time with its offset and without fractions: `2026-11-20T06:17:42+01:00`.
fn to_the_second(time: Timestamp) -> String {
    let second = Timestamp::from_ns(time.sec() * 1_000_000_000);
    second.local().to_string().replace(".000000000", "")
}

/// Returns the usual cause of a loss for people.
fn cause(reason: Reason) -> &'static str {
    match reason {
        Reason::RingFull => "a listener holds the ring back",
        Reason::NicMissed => "the kernel or the NIC had no room: the capturing thread is too slow",
        Reason::NicError => "damaged on the wire, or longer than the NIC takes",
        Reason::Overrun => "this recorder is too slow, and its contract is lossy",
        Reason::Storage => "they could not be written",
        _ => "not a loss",
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = match self.phase {
            Phase::Begins => "frames are being lost",
            Phase::GoesOn => "frames are still being lost",
            Phase::Ended => "no more frames are lost",
        };
        write!(
            f,
            "{head}: {} {} ({:.2} % of the wire) since {}, within {:.0} s; ",
            self.frames,
            self.reason,
            self.share * 100.0,
            to_the_second(self.since),
            self.seconds
        )?;
        match &self.listener {
            Some(l) => write!(
                f,
                "listener {} of {} (pid {}) held the ring back",
                l.id, l.program, l.pid
            ),
            None => f.write_str(cause(self.reason)),
        }
    }
}

/// Returns the lossless listener with the most unacknowledged bytes.
#[must_use]
pub fn holder(listeners: &[ListenerInfo]) -> Option<Holder> {
    listeners
        .iter()
        .filter(|l| l.contract != Contract::Lossy && !l.killed && !l.starting && !l.finished)
        .max_by_key(|l| l.lag_bytes)
        .map(|l| Holder {
            program: l.program.clone(),
            pid: l.pid,
            id: l.id,
            lag_bytes: l.lag_bytes,
        })
}

/// A loss that has begun and not ended.
#[derive(Debug, Clone)]
struct Running {
    /// The ledger before the loss.
    before: Ledger,
    since: Timestamp,
    began: Instant,
    /// When frames were last found to be lost.
    last: Instant,
    told: Instant,
    holder: Option<Holder>,
}

/// Watches a ledger for losses. A program calls [`LossWatch::look`] about once a second.
#[derive(Debug)]
pub struct LossWatch {
    seen: Ledger,
    looked: Instant,
    running: [Option<Running>; abi::HPCAP_REASONS],
}

impl LossWatch {
    /// Creates a watch that ignores the losses already in `ledger`.
    #[must_use]
    pub fn new(ledger: Ledger, now: Instant) -> Self {
        Self {
            seen: ledger,
            looked: now,
            running: [const { None }; abi::HPCAP_REASONS],
        }
    }

    /// Compares `ledger` with the last one and returns the losses to report. `listeners` is called
    /// when the ring was full.
    pub fn look(
        &mut self,
        ledger: &Ledger,
        now: Instant,
        listeners: impl Fn() -> Vec<ListenerInfo>,
    ) -> Vec<Loss> {
        let before = std::mem::replace(&mut self.seen, *ledger);
        let looked = std::mem::replace(&mut self.looked, now);
        let mut told = Vec::new();
        for reason in Reason::ALL.into_iter().filter(|r| r.is_loss()) {
            let lost = ledger[reason] - before[reason];
            let slot = &mut self.running[reason as usize];
            if !lost.is_zero() {
                // The listener is looked up now, because it may have caught up before the next
                // report.
                let found = (reason == Reason::RingFull)
                    .then(|| holder(&listeners()))
                    .flatten();
                let is_new = slot.is_none();
                let running = slot.get_or_insert_with(|| Running {
                    before,
                    since: earlier(Timestamp::now(), now.duration_since(looked)),
                    began: looked,
                    last: now,
                    told: now,
                    holder: None,
                });
                running.last = now;
                running.holder = found.or(running.holder.take());
                if is_new {
                    told.push(running.loss(Phase::Begins, reason, ledger, now));
                    continue;
                }
            }
            let Some(running) = slot else { continue };
            if now.duration_since(running.last) >= QUIET {
                told.push(running.loss(Phase::Ended, reason, ledger, running.last));
                *slot = None;
            } else if now.duration_since(running.told) >= AGAIN {
                running.told = now;
                told.push(running.loss(Phase::GoesOn, reason, ledger, now));
            }
        }
        told
    }

    /// Ends every loss; for a program that stops watching.
    pub fn end(
        &mut self,
        ledger: &Ledger,
        now: Instant,
        listeners: impl Fn() -> Vec<ListenerInfo>,
    ) -> Vec<Loss> {
        let mut told = self.look(ledger, now, listeners);
        for reason in Reason::ALL {
            if let Some(running) = self.running[reason as usize].take() {
                told.push(running.loss(Phase::Ended, reason, ledger, running.last));
            }
        }
        told
    }
}

impl Running {
    fn loss(&self, phase: Phase, reason: Reason, ledger: &Ledger, until: Instant) -> Loss {
        let during = ledger.since(&self.before);
        let Count { frames, bytes } = during[reason];
        let wire = during.on_the_wire().frames.max(frames);
        Loss {
            phase,
            reason,
            frames,
            frame_bytes: bytes,
            share: to_f64(frames) / to_f64(wire.max(1)),
            since: self.since,
            seconds: until.duration_since(self.began).as_secs_f64(),
            listener: self.holder.clone(),
        }
    }
}

fn to_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
