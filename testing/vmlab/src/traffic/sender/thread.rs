//! The sender's thread: waits for orders, and carries them out burst by burst.

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

/// How often a sender looks for room in a NIC that has none: a ring of 512 descriptors lasts
/// 500 µs at a million frames a second.
const LOOK_FOR_ROOM: Duration = Duration::from_micros(20);
/// How often it looks whether an interface is up that is not.
const LOOK_FOR_LINK: Duration = Duration::from_millis(1);
/// A sleep on an idle wire lasts this long, at most, so that it can be interrupted.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// What is to be sent.
pub(super) struct Job {
    pub(super) source: Box<dyn Source>,
    pub(super) pace: Pace,
    /// Frames are due for so long.
    pub(super) duration: Option<Duration>,
    /// Frames, at most.
    pub(super) count: u64,
    /// Where frames go that cannot be had again.
    pub(super) keep: Option<PcapWriter<BufWriter<File>>>,
}

#[derive(Default)]
pub(super) struct Orders {
    pub(super) job: Option<Job>,
    /// A job is under way, or waits to be.
    pub(super) busy: bool,
    pub(super) stop: bool,
    pub(super) quit: bool,
    /// Frames that go out at once, whatever the pace.
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

/// Nobody leaves what these locks protect half-done, so that a thread that panicked does not
/// make it worthless.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The thread.
    pub(super) fn run(&self) {
        // Sleeps of 20 us are to last that long, not 50 us more.
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

    /// Learns what the NIC has thrown away since it was last asked. Those are its youngest frames,
    /// because frames are written down under the NIC's lock.
    pub(super) fn settle(record: &mut Record, nic: &mut dyn Receive) {
        for (queue, frames) in nic.take_discarded() {
            record.discard(queue, frames);
        }
    }

    /// What was ordered meanwhile: whether to stop, and frames of a storm.
    fn orders(&self) -> (bool, u64) {
        let orders = lock(&self.orders);
        (orders.stop, orders.storm)
    }

    fn send(&self, job: &mut Job) -> Result<()> {
        // Nobody sends to an interface that is not up yet.
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

    /// Offers frames `range` of `chunk` under one lock, as far as `pace` allows. Returns how
    /// many it took, and how long to wait before the next ones where it takes none.
    fn burst(&self, chunk: &Chunk, range: Range<usize>, pace: Pace) -> (usize, Option<Duration>) {
        let (mut sent, mut pause) = (0, None);
        // Always in this order.
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
