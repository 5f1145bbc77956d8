//! `gen:`: generated frames, at full speed or at a rate. Each carries its number and the time of
//! sending, and a receiver can check every byte of it.
//!
//! With a rate, the generator behaves like a network: it does not wait for its reader. Frames that
//! are due for longer than [`BACKLOG`] are missed and counted, unless [`Late`] says otherwise.
//!
//! ```
//! use hpcap_source::Source;
//! use hpcap_source::generator::{Generator, GeneratorSpec, verify};
//!
//! # fn main() -> hpcap::Result<()> {
//! let spec = GeneratorSpec::parse("size=100,count=3,seed=7")?;
//! let mut generator = Generator::new(&spec)?;
//! let harvest = generator.harvest()?;
//! assert_eq!(harvest.frames.len(), 3);
//! for (number, frame) in harvest.frames.iter().enumerate() {
//!     let stamp = verify(frame.data()).expect("every byte is as it was made");
//!     assert_eq!(stamp.seq, number as u64);
//! }
//! # Ok(())
//! # }
//! ```

mod content;
mod schedule;
mod sizes;
mod spec;

use std::time::{Duration, Instant};

use hpcap::pcapfile::LINK_TYPE_ETHERNET;
use hpcap::units::Rate;
use hpcap::{Count, Reason, Result, Timestamp};

use super::batch::Batch;
use super::{BATCH, Description, Harvest, Source, State};
use content::{FLOW_BITS, Header};
pub use content::{Stamp, verify, verify_cut};
pub use schedule::{Schedule, WIRE_OVERHEAD_BYTES};
pub use sizes::{SIZE_MAX, SIZE_MIN, Sizes};
pub use spec::{GeneratorSpec, Late};

/// How long frames of a generator with a rate wait for their reader. This also bounds the burst
/// after a stall.
pub const BACKLOG: Duration = Duration::from_millis(100);
/// Limit of the frames that one harvest skips, so that it returns soon after any stall.
const SKIP_MAX: u64 = 1 << 20;
/// Longest delay of a wake-up after a sleep on a machine that is not overloaded.
const SLEEP_SLACK: Duration = Duration::from_micros(100);
/// Rate of the timestamps of a generator that has a start time but no rate.
const NOMINAL_RATE: Rate = Rate::BitsPerSecond(10_000_000_000);

/// How a frame gets its time.
#[derive(Debug)]
enum Timing {
    /// The clock gives each frame the time at which it is made. No two frames have the same time.
    Clock { last_ns: u64 },
    /// The schedule gives the time, and the reader the pace.
    Counted { schedule: Schedule },
    /// The schedule gives the time, and frames come in real time.
    Paced { schedule: Schedule, late: Late },
}

/// A source of generated frames, configured by [`GeneratorSpec`].
#[derive(Debug)]
pub struct Generator {
    spec: GeneratorSpec,
    flows: Box<[Header]>,
    /// [`BATCH`] slots of `slot_bytes` each, which hold the frames that are lent.
    slots: Box<[u8]>,
    slot_bytes: usize,
    batch: Batch,
    timing: Timing,
    /// Nanoseconds since 1970 at the start of the schedule; `None` before the first harvest unless
    /// the specification has a start time.
    base_ns: Option<u64>,
    started: Option<Instant>,
    next_seq: u64,
    missed: [(Reason, Count); 1],
}

impl Generator {
    /// Creates the generator of `spec`. Its time starts with the first harvest.
    ///
    /// # Errors
    /// None at present.
    pub fn new(spec: &GeneratorSpec) -> Result<Self> {
        let (spin, offset) = (sizes::mix(spec.seed) | 1, sizes::mix(!spec.seed));
        let flow = |n: u32| {
            // Multiplication by an odd factor maps the numbers below 2^24 one to one, so flows
            // differ.
            let id = u64::from(n).wrapping_mul(spin).wrapping_add(offset);
            let id = (id & ((1 << FLOW_BITS) - 1)) as u32;
            Header::new(id, spec.vlan)
        };
        let slot_bytes = (spec.sizes.max(spec.tag_bytes()) as usize).next_multiple_of(64);
        let timing = match (spec.rate, spec.start_ns) {
            (Some(rate), _) => Timing::Paced {
                schedule: Schedule::new(rate),
                late: spec.late.unwrap_or(Late::Miss),
            },
            (None, Some(_)) => Timing::Counted {
                schedule: Schedule::new(NOMINAL_RATE),
            },
            (None, None) => Timing::Clock { last_ns: 0 },
        };
        Ok(Self {
            flows: (0..spec.flows).map(flow).collect(),
            slots: vec![0; slot_bytes * BATCH].into_boxed_slice(),
            slot_bytes,
            batch: Batch::new(),
            timing,
            base_ns: spec.start_ns,
            started: None,
            next_seq: 0,
            missed: [(Reason::NicMissed, Count::default())],
            spec: spec.clone(),
        })
    }

    /// Returns the nanoseconds since the first harvest, which the first call starts.
    fn elapsed_ns(&mut self) -> u64 {
        let started = *self.started.get_or_insert_with(Instant::now);
        u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns whether the generator ends before the frame that is due `at_ns` after the start.
    #[inline]
    fn is_over(&self, at_ns: u64) -> bool {
        self.spec.count.is_some_and(|n| self.next_seq >= n)
            || self
                .spec
                .duration
                .is_some_and(|d| u128::from(at_ns) >= d.as_nanos())
    }

    /// Returns the length of the next frame in bytes.
    #[inline]
    fn next_len(&self) -> u32 {
        self.spec
            .sizes
            .of(self.next_seq, self.spec.seed, self.spec.tag_bytes())
    }

    /// Makes the next frame, with `ns` nanoseconds since 1970 as its time.
    #[inline]
    fn make(&mut self, len: u32, ns: u64) {
        let start = self.batch.len() * self.slot_bytes;
        let frame = &mut self.slots[start..start + len as usize];
        #[expect(clippy::cast_possible_truncation, reason = "the index of a flow")]
        let flow = (self.next_seq % self.flows.len() as u64) as usize;
        self.flows[flow].write(
            frame,
            Stamp {
                seq: self.next_seq,
                sent_ns: ns,
            },
        );
        let time = Timestamp::from_ns(ns);
        // SAFETY: the bytes are on the heap, owned by `self`, and a slot is written again only
        // after `fill` has cleared the batch.
        unsafe { self.batch.push(frame, len, time.sec(), time.nsec()) };
        self.next_seq += 1;
    }

    /// Makes the frames that are due `elapsed_ns` after the start, at the wall clock time `now_ns`.
    fn fill(&mut self, elapsed_ns: u64, now_ns: u64) -> State {
        self.batch.clear();
        self.missed[0].1 = Count::default();
        let base_ns = *self.base_ns.get_or_insert(now_ns);
        // Replaced for a moment, because the calls below borrow `self` as a whole.
        let mut timing = std::mem::replace(&mut self.timing, Timing::Clock { last_ns: 0 });
        let state = match &mut timing {
            Timing::Clock { last_ns } => self.fill_from_clock(elapsed_ns, now_ns, last_ns),
            Timing::Counted { schedule } => self.fill_due(u64::MAX, base_ns, schedule),
            Timing::Paced { schedule, late } => {
                self.catch_up(elapsed_ns, schedule, *late);
                self.fill_due(elapsed_ns, base_ns, schedule)
            }
        };
        self.timing = timing;
        // The end is reported with an empty harvest, so that no caller overlooks the last frames.
        match state {
            State::Ended if !self.batch.is_empty() || !self.missed[0].1.is_zero() => State::Busy,
            state => state,
        }
    }

    fn fill_from_clock(&mut self, elapsed_ns: u64, now_ns: u64, last_ns: &mut u64) -> State {
        while !self.batch.is_full() {
            if self.is_over(elapsed_ns) {
                return State::Ended;
            }
            *last_ns = now_ns.max(*last_ns + 1);
            self.make(self.next_len(), *last_ns);
        }
        State::Busy
    }

    fn fill_due(&mut self, elapsed_ns: u64, base_ns: u64, schedule: &mut Schedule) -> State {
        while !self.batch.is_full() {
            let due_ns = schedule.due_ns();
            if self.is_over(due_ns) {
                return State::Ended;
            }
            if due_ns > elapsed_ns {
                return State::Idle;
            }
            let len = self.next_len();
            schedule.advance(len);
            self.make(len, base_ns.saturating_add(due_ns));
        }
        State::Busy
    }

    /// Misses or delays the frames that are due for longer than [`BACKLOG`].
    fn catch_up(&mut self, elapsed_ns: u64, schedule: &mut Schedule, late: Late) {
        let backlog_ns = u64::try_from(BACKLOG.as_nanos()).unwrap_or(u64::MAX);
        let oldest_ns = elapsed_ns.saturating_sub(backlog_ns);
        if schedule.due_ns() >= oldest_ns {
            return;
        }
        match late {
            Late::Delay => schedule.delay(Duration::from_nanos(elapsed_ns - schedule.due_ns())),
            Late::Miss => {
                let missed = &mut Count::default();
                while schedule.due_ns() < oldest_ns
                    && missed.frames < SKIP_MAX
                    && !self.is_over(schedule.due_ns())
                {
                    let len = self.next_len();
                    schedule.advance(len);
                    *missed += Count::new(1, u64::from(len));
                    self.next_seq += 1;
                }
                self.missed[0].1 = *missed;
            }
        }
    }
}

impl Source for Generator {
    fn description(&self) -> Description {
        Description {
            interface: "gen".into(),
            link_type: LINK_TYPE_ETHERNET,
            clock_source: "engine",
            waits: self.spec.waits(),
            knows_directions: false,
        }
    }

    fn harvest(&mut self) -> Result<Harvest<'_>> {
        let elapsed_ns = self.elapsed_ns();
        let now_ns = match self.timing {
            Timing::Clock { .. } => Timestamp::now().as_ns(),
            _ if self.base_ns.is_none() => Timestamp::now().as_ns(),
            _ => 0,
        };
        let state = self.fill(elapsed_ns, now_ns);
        let lost = usize::from(!self.missed[0].1.is_zero());
        Ok(Harvest {
            frames: self.batch.lend(),
            lost: &self.missed[..lost],
            state,
        })
    }

    /// Sleeps as long as a sleep is precise enough, then polls the clock and yields the processor.
    fn wait(&mut self, timeout: Duration) -> Result<()> {
        let Timing::Paced { schedule, .. } = &self.timing else {
            return Ok(());
        };
        let due_ns = schedule.due_ns();
        let elapsed_ns = self.elapsed_ns();
        let wait = Duration::from_nanos(due_ns.saturating_sub(elapsed_ns)).min(timeout);
        let from = Instant::now();
        loop {
            let left = wait.saturating_sub(from.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            if left > SLEEP_SLACK * 2 {
                std::thread::sleep(left - SLEEP_SLACK);
            } else {
                std::thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
mod tests;
