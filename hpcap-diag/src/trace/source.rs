//! Records of tracepoints, from all CPUs in the order of their times.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hpcap::Result;
use hpcap_host::{Cpus, Tree};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use perf_event::events::Tracepoint as Id;
use perf_event::{Builder, Clock, SampleFlag};

use super::event::{Event, Point, TRACEPOINTS, Tracepoint, loss_without};
use super::filter::{filter, too_many};
use super::tracefs::read_formats;
use crate::perf::{Rings, denied, pages_for};

/// Time after which no CPU still writes a record of before.
const SETTLED_NS: u64 = 20_000_000;
/// Most names of interfaces and interrupts that are kept.
const NAMES_MAX: usize = 4096;

/// Tracepoints that are open on all CPUs.
#[derive(Debug)]
pub struct Source {
    rings: Rings,
    tracepoints: HashMap<u16, Tracepoint>,
    names: HashSet<Arc<str>>,
    waiting: Vec<Event>,
    /// Records that no tracepoint of this kernel should have written.
    pub unreadable: u64,
    /// What the kernel does not have, in sentences.
    pub missing: Vec<String>,
}

impl Source {
    /// Opens all tracepoints that the kernel has, with rings of `pages` pages each. If `interfaces` are given, the
    /// kernel writes no records of others as far as journeys do not need them.
    ///
    /// # Errors
    /// That this user may not see tracepoints, or that the kernel has none.
    pub fn open(tree: &Tree, pages: Option<usize>, interfaces: Option<&[String]>) -> Result<Self> {
        let mut missing = Vec::new();
        let mut tracepoints = HashMap::new();
        for ((group, name, point), format) in TRACEPOINTS.into_iter().zip(read_formats()?) {
            match format {
                Some(format) => {
                    if name == "kfree_skb" && !format.has("reason") {
                        missing.push(
                            "This kernel does not say why it drops a frame, only where (Linux 5.17 does)."
                                .to_owned(),
                        );
                    }
                    tracepoints.insert(format.id, Tracepoint { point, format });
                }
                None => missing.push(format!(
                    "This kernel has no tracepoint {group}:{name}: {}.",
                    loss_without(point)
                )),
            }
        }
        let cpus = Cpus::read(tree).all;
        let wanted = tracepoints.len() * cpus.len();
        allow_files(wanted);
        let pages = pages.unwrap_or_else(|| pages_for(wanted));
        let places: Vec<(u16, u32)> = tracepoints
            .keys()
            .flat_map(|id| cpus.iter().map(move |cpu| (*id, cpu.number)))
            .collect();
        let events: Vec<Builder<'_>> = places
            .iter()
            .map(|&(id, cpu)| {
                let mut builder = Builder::new(Id::with_id(id.into()));
                builder
                    .any_pid()
                    .one_cpu(cpu as usize)
                    .sample(SampleFlag::TIME | SampleFlag::CPU | SampleFlag::RAW)
                    .sample_period(1)
                    .clockid(Clock::MONOTONIC)
                    .wakeup_watermark(pages * 4096 / 2)
                    .exclude_kernel(false)
                    .exclude_hv(false);
                builder
            })
            .collect();
        let mut rings = Rings::open(&events, pages).map_err(|e| {
            let errno = Errno::from_raw(e.raw_os_error().unwrap_or(0));
            denied(tree, "trace the network stack", errno)
        })?;
        let mut refused = BTreeMap::new();
        for (ring, (id, _)) in places.iter().enumerate() {
            let Some(Tracepoint { point, format }) = tracepoints.get(id) else {
                continue;
            };
            if let Some(filter) = filter(*point, format, interfaces)
                && let Err(e) = rings.filter(ring, &filter)
            {
                refused.insert(*point, e);
            }
        }
        missing.extend(interfaces.and_then(too_many));
        missing.extend(refused.first_key_value().map(|(_, e)| {
            format!(
                "The kernel refuses to filter records ({e}): those of other interfaces take room in the buffers, too."
            )
        }));
        Ok(Self {
            rings,
            tracepoints,
            names: HashSet::new(),
            waiting: Vec::new(),
            unreadable: 0,
            missing,
        })
    }

    /// The names of the reasons to drop a frame.
    #[must_use]
    pub fn drop_reasons(&self) -> BTreeMap<u64, String> {
        let drops = self
            .tracepoints
            .values()
            .find(|tracepoint| tracepoint.point == Point::Drop);
        drops.map_or_else(BTreeMap::new, |drops| drops.format.names.clone())
    }

    /// Begins.
    ///
    /// # Errors
    /// An error of the kernel.
    pub fn enable(&mut self) -> Result<()> {
        self.rings.enable()
    }

    /// Ends: no record is written any more.
    pub fn disable(&mut self) {
        self.rings.disable();
    }

    /// Waits until a ring is half full, for `limit`, or for a signal.
    ///
    /// # Errors
    /// An error of poll(2).
    pub fn wait(&self, limit: Duration) -> Result<()> {
        self.rings.wait(limit)
    }

    /// Records that did not fit into a ring so far.
    ///
    /// # Errors
    /// An error of read(2).
    pub fn lost(&mut self) -> Result<u64> {
        self.rings.lost()
    }

    /// Gives the records to `take`, in the order of their times: those before which no other can come any more, or,
    /// at the end, all.
    ///
    /// # Errors
    /// That the kernel writes what its interface does not allow.
    pub fn drain(&mut self, is_end: bool, mut take: impl FnMut(Event)) -> Result<()> {
        let settled = match is_end {
            true => u64::MAX,
            false => now_ns().saturating_sub(SETTLED_NS),
        };
        let Self {
            rings,
            tracepoints,
            names,
            waiting,
            unreadable,
            ..
        } = self;
        rings.drain(|sample| {
            let (Some(raw), Some(time), Some(cpu)) = (sample.raw(), sample.time(), sample.cpu())
            else {
                *unreadable += 1;
                return;
            };
            let id = raw.first_chunk().map_or(0, |id| u16::from_le_bytes(*id));
            match tracepoints.get(&id) {
                Some(tracepoint) => {
                    waiting.extend(tracepoint.read(raw, time, cpu, |name| intern(names, name)));
                }
                None => *unreadable += 1,
            }
        })?;
        waiting.sort_by_key(|event| event.time_ns);
        let ready = waiting.partition_point(|event| event.time_ns <= settled);
        waiting.drain(..ready).for_each(&mut take);
        Ok(())
    }
}

/// Returns the one copy of `name`.
fn intern(names: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.get(name) {
        return Arc::clone(known);
    }
    let name: Arc<str> = match names.len() < NAMES_MAX {
        true => name.into(),
        false => "(others)".into(),
    };
    names.insert(Arc::clone(&name));
    name
}

/// The time of the monotonic clock.
pub(super) fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Lets this process open `wanted` files more than usual, as far as it may.
fn allow_files(wanted: usize) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let wanted = (wanted as u64 + 64).min(hard);
    if wanted > soft {
        // Opening the rings fails with advice if this did not help.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
    }
}
