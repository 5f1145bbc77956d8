//! The sender's thread, which waits for orders and executes them burst by burst.

use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hpcap::error::Context;
use hpcap::pcapfile::PcapWriter;
use hpcap::{Result, Timestamp};
use hpcap_source::{Source, State};

use super::Nic;
use crate::nic::Receive;
use crate::traffic::content::{Chunk, refill};
use crate::traffic::pace::{BURST, Due, Now, Pace};
use crate::traffic::record::Record;

/// Interval at which a sender checks a full NIC for room. A ring of 512 descriptors lasts 500 µs at
/// a million frames per second.
const LOOK_FOR_ROOM: Duration = Duration::from_micros(20);
/// Interval at which a sender checks an interface that is down.
const LOOK_FOR_LINK: Duration = Duration::from_millis(1);
/// Longest sleep on an idle wire, so that the sender notices orders.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// The frames to send.
pub(super) struct Job {
    pub(super) source: Box<dyn Source>,
    pub(super) pace: Pace,
    /// How long frames are sent; `None` = until another limit.
    pub(super) duration: Option<Duration>,
    /// Largest number of frames.
    pub(super) count: u64,
    /// File for frames that cannot be generated again.
    pub(super) keep: Option<PcapWriter<BufWriter<File>>>,
}

#[derive(Default)]
pub(super) struct Orders {
    pub(super) job: Option<Job>,
    /// Whether a job is running or waiting to run.
    pub(super) busy: bool,
    pub(super) stop: bool,
    pub(super) quit: bool,
    /// Number of frames to send at once, whatever the pace.
    pub(super) storm: u64,
    /// Why the last job ended before its source did.
    pub(super) failed: Option<String>,
}

pub(super) struct Shared {
    pub(super) nic: Nic,
    pub(super) orders: Mutex<Orders>,
    pub(super) changed: Condvar,
    pub(super) record: Mutex<Record>,
}

/// Locks a mutex even if a thread panicked with it: no code leaves the protected data in an
/// inconsistent state.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Runs the thread.
    pub(super) fn run(&self) {
        // The slack makes sleeps of 20 µs last that long, and not 50 µs longer.
        let _ = nix::sys::prctl::set_timerslack(1_000);
        loop {
            let orders = lock(&self.orders);
            let mut orders = self
                .changed
                .wait_while(orders, |o| o.job.is_none() && !o.quit)
                .unwrap_or_else(PoisonError::into_inner);
            if orders.quit {
                orders.busy = false;
                self.changed.notify_all();
                return;
            }
            let job = orders.job.take();
            drop(orders);
            if let Some(mut job) = job {
                let result = self.send(&mut job);
                let kept = match job.keep.take() {
                    Some(mut keep) => keep.flush().context(|| "keep what was sent"),
                    None => Ok(()),
                };
                let mut orders = lock(&self.orders);
                orders.failed = result.and(kept).err().map(|e| e.to_string());
                (orders.busy, orders.storm) = (false, 0);
                self.changed.notify_all();
            }
        }
    }

    /// Records what the NIC has discarded since the last call. Discarded frames are the last ones
    /// of their queue, because outcomes are recorded while the NIC is locked.
    pub(super) fn settle(record: &mut Record, nic: &mut dyn Receive) {
        for (queue, frames) in nic.take_discarded() {
            record.discard(queue, frames);
        }
    }

    /// Returns the orders given in the meantime: whether to stop, and the frames of a storm.
    fn orders(&self) -> (bool, u64) {
        let orders = lock(&self.orders);
        (orders.stop, orders.storm)
    }

    fn send(&self, job: &mut Job) -> Result<()> {
        // Frames are only sent after the interface is up.
        while !self.nic.wire().is_up() {
            if self.orders().0 {
                return Ok(());
            }
            std::thread::sleep(LOOK_FOR_LINK);
        }
        let mut due = Due::new(job.pace, job.duration);
        let (mut chunk, mut next) = (Chunk::default(), 0);
        loop {
            let (stop, storm) = self.orders();
            if stop || job.count == 0 {
                return Ok(());
            }
            if next >= chunk.len() {
                next = 0;
                match refill(&mut *job.source, &mut chunk)? {
                    _ if !chunk.is_empty() => {}
                    State::Ended => return Ok(()),
                    State::Busy => continue,
                    State::Idle => {
                        job.source.wait(SLEEP_MAX)?;
                        continue;
                    }
                }
            }
            let (frames, pace) = if storm > 0 {
                (storm, Pace::Flood)
            } else {
                match due.look(&chunk, next) {
                    Now::Send(frames) => (frames as u64, job.pace),
                    Now::Wait(time) => {
                        std::thread::sleep(time.min(SLEEP_MAX));
                        continue;
                    }
                    Now::End => return Ok(()),
                }
            };
            let frames = usize::try_from(frames.min(job.count)).unwrap_or(usize::MAX);
            let until = chunk.len().min(next + frames.min(BURST));
            let (sent, pause) = self.burst(&chunk, next..until, pace);
            if let Some(keep) = &mut job.keep {
                for index in next..next + sent {
                    let frame = chunk.get(index).unwrap_or_default();
                    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
                    keep.frame(Timestamp::now(), len, frame)
                        .context(|| "keep what was sent")?;
                }
            }
            next += sent;
            job.count -= sent as u64;
            if storm > 0 {
                lock(&self.orders).storm -= sent as u64;
            }
            if let Some(pause) = pause {
                std::thread::sleep(pause);
            }
        }
    }

    /// Offers frames `range` of `chunk` under one lock, as far as `pace` allows. Returns the number
    /// of frames that were sent and, if that is none, the time to wait before the next try.
    fn burst(&self, chunk: &Chunk, range: Range<usize>, pace: Pace) -> (usize, Option<Duration>) {
        let (mut sent, mut pause) = (0, None);
        // All threads take these two locks in this order.
        let mut record = lock(&self.record);
        let mut nic = self.nic.wire();
        Self::settle(&mut record, &mut *nic);
        if pace == Pace::Room && !nic.is_up() {
            return (0, Some(LOOK_FOR_LINK));
        }
        for index in range {
            let frame = chunk.get(index).unwrap_or_default();
            if pace == Pace::Room && !nic.has_room(frame) {
                pause = Some(LOOK_FOR_ROOM);
                break;
            }
            let outcome = nic.receive(frame);
            record.add(outcome, frame.len());
            sent += 1;
        }
        nic.flush();
        (sent, pause)
    }
}
