//! Listeners that hold a ring back.

use std::thread;
use std::time::Duration;

use hpcap::queue::ListenerInfo;
use hpcap::units::Bytes;
use hpcap::visible::visible;
use hpcap::{Contract, Error, Queue, Result};

use crate::output::print;

/// State of a listener according to two observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The ring has room for new frames, or does not wait for the listener.
    Harmless,
    /// The ring is full of what the listener has not read, and the listener reads.
    Slow,
    /// The ring is full of what the listener has not read, and the listener reads nothing.
    Blocked,
}

/// A listener at one moment, and how far it has read.
#[derive(Debug, Clone)]
struct Seen {
    info: ListenerInfo,
    read_off: u64,
}

/// Judges a listener by two observations: its unread bytes and the offset that it has read to. The
/// ring is full when less than a block is free, because a producer begins no block that does not
/// fit.
#[must_use]
pub fn judge(
    waits: bool,
    ring_bytes: u64,
    block_bytes: u64,
    before: (u64, u64),
    after: (u64, u64),
) -> Verdict {
    let full = |lag: u64| lag >= ring_bytes.saturating_sub(block_bytes);
    match waits && full(before.0) && full(after.0) {
        false => Verdict::Harmless,
        true if before.1 == after.1 => Verdict::Blocked,
        true => Verdict::Slow,
    }
}

fn observe(queue: &Queue) -> Vec<Seen> {
    let with_offset = |info: ListenerInfo| Seen {
        read_off: queue.page().listener(info.slot).read_off,
        info,
    };
    queue.listeners().into_iter().map(with_offset).collect()
}

/// Ends the blocked listeners of `queue` and prints which and why; with `dry_run`, only prints.
pub(super) fn end_blocked(queue: &Queue, time: Duration, dry_run: bool) -> Result<()> {
    let info = queue.info();
    let before = observe(queue);
    thread::sleep(time);
    let mut text = String::new();
    let mut failed: Option<Error> = None;
    for after in observe(queue) {
        let Some(first) = before.iter().find(|seen| seen.info.id == after.info.id) else {
            continue;
        };
        let l = &after.info;
        let waits = l.contract != Contract::Lossy && l.demoted.is_none() && !l.killed;
        let verdict = judge(
            waits,
            info.ring_bytes,
            info.block_bytes,
            (first.info.lag_bytes, first.read_off),
            (l.lag_bytes, after.read_off),
        );
        let who = format!(
            "listener {} of {} ({}, pid {})",
            l.id,
            info.name,
            visible(&l.program),
            l.pid
        );
        let unread = format!(
            "has {} of the ring of {} unread",
            Bytes(l.lag_bytes),
            Bytes(info.ring_bytes)
        );
        match verdict {
            Verdict::Harmless => {}
            Verdict::Slow => {
                text += &format!(
                    "{who} is slow and not ended: it {unread}, but reads\n  hpcapctl kill {} {} ends it\n",
                    info.name, l.id
                );
            }
            Verdict::Blocked => {
                let why = format!("it {unread}, and read nothing for {time:?}");
                if dry_run {
                    text += &format!("{who} would be killed: {why}\n");
                } else if let Err(e) = queue.kill(l.id) {
                    failed = Some(e);
                } else {
                    text += &format!("{who} is killed: {why}\n");
                }
            }
        }
    }
    if text.is_empty() && failed.is_none() {
        text = format!("no listener holds the ring of {} back\n", info.name);
    }
    print(&text)?;
    failed.map_or(Ok(()), Err)
}
