//! Opening the events that a profile samples: the best ones that this machine and this user have.

use std::io;

use hpcap::Result;
use hpcap_host::{Cpu, Cpus, Tree};
use nix::errno::Errno;
use perf_event::events::{Hardware, Software};
use perf_event::{Builder, SampleFlag};
use serde::Serialize;

use super::targets::Targets;
use crate::perf::{Paranoia, Rings, denied, pages_for};

/// Largest number of threads that are sampled one by one.
const THREADS_MAX: usize = 256;
/// Pages of the ring of a thread, so that many fit into what a user without rights may lock.
const THREAD_PAGES: usize = 4;
/// Longest chain of calls.
const CHAIN_MAX: u16 = 64;

/// What makes the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Event {
    /// A counter of the processor.
    #[serde(rename = "cpu-cycles")]
    CpuCycles,
    /// A timer of the kernel.
    #[serde(rename = "cpu-clock")]
    CpuClock,
}

impl Event {
    /// Its name, as `perf list` prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuCycles => "cpu-cycles",
            Self::CpuClock => "cpu-clock",
        }
    }

    fn builder<'a>(self) -> Builder<'a> {
        match self {
            Self::CpuCycles => Builder::new(Hardware::CPU_CYCLES),
            Self::CpuClock => Builder::new(Software::CPU_CLOCK),
        }
    }
}

/// Events that are open.
#[derive(Debug)]
pub struct Sampling {
    /// Where the samples come.
    pub rings: Rings,
    /// What makes the samples.
    pub event: Event,
    /// Samples a second of a CPU.
    pub frequency: u64,
    /// What this profile cannot see, in sentences.
    pub missing: Vec<String>,
}

/// What is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Everything on all CPUs.
    Cpus,
    /// The threads of the processes, with what the kernel does for them.
    Threads,
    /// The threads of the processes, without the kernel.
    UserThreads,
}

/// Opens events that sample `targets` and softirqs, `frequency` times a second.
///
/// # Errors
/// What forbids it, if neither CPUs nor threads can be sampled.
pub fn open(tree: &Tree, targets: &Targets, frequency: u64) -> Result<Sampling> {
    let mut missing = Vec::new();
    let frequency = limited(tree, frequency, &mut missing);
    let shows_kernel = Paranoia::read(tree).is_some_and(Paranoia::shows_the_kernel);
    let mut refused = Errno::EPERM;
    for scope in [Scope::Cpus, Scope::Threads, Scope::UserThreads] {
        if scope == Scope::Threads && !shows_kernel {
            continue;
        }
        for event in [Event::CpuCycles, Event::CpuClock] {
            match rings(tree, targets, scope, event, frequency, &mut missing) {
                Ok(rings) => {
                    explain(event, scope, refused, &mut missing);
                    return Ok(Sampling {
                        rings,
                        event,
                        frequency,
                        missing,
                    });
                }
                Err(e) => refused = Errno::from_raw(e.raw_os_error().unwrap_or(0)),
            }
        }
    }
    Err(denied(
        tree,
        &format!("profile {}", targets.describe()),
        refused,
    ))
}

/// Returns how often the kernel allows samples, at most `wanted`.
fn limited(tree: &Tree, wanted: u64, missing: &mut Vec<String>) -> u64 {
    let most: Option<u64> = tree.value("/proc/sys/kernel/perf_event_max_sample_rate");
    match most {
        Some(most) if most < wanted => {
            missing.push(format!(
                "The kernel allows {most} samples a second (kernel.perf_event_max_sample_rate), not {wanted}."
            ));
            most.max(1)
        }
        _ => wanted,
    }
}

fn rings(
    tree: &Tree,
    targets: &Targets,
    scope: Scope,
    event: Event,
    frequency: u64,
    missing: &mut Vec<String>,
) -> io::Result<Rings> {
    let prepared = |ring_bytes: usize| {
        let mut builder = event.builder();
        builder
            .sample(SampleFlag::TID | SampleFlag::CPU | SampleFlag::IP | SampleFlag::CALLCHAIN)
            .sample_frequency(frequency)
            .sample_max_stack(CHAIN_MAX)
            .wakeup_watermark(ring_bytes / 2)
            .exclude_kernel(scope == Scope::UserThreads)
            .exclude_idle(true);
        builder
    };
    if scope == Scope::Cpus {
        let cpus = Cpus::read(tree).all;
        let pages = pages_for(cpus.len());
        let on_cpu = |cpu: &Cpu| {
            let mut builder = prepared(pages * 4096);
            builder.any_pid().one_cpu(cpu.number as usize);
            builder
        };
        let events: Vec<_> = cpus.iter().map(on_cpu).collect();
        return Rings::open(&events, pages);
    }
    let threads = targets.threads(tree);
    let events: Vec<_> = threads
        .iter()
        .take(THREADS_MAX)
        .map(|(_, thread)| {
            let mut builder = prepared(THREAD_PAGES * 4096);
            builder.observe_pid(thread.number.cast_signed()).any_cpu();
            builder
        })
        .collect();
    if events.is_empty() {
        return Err(Errno::EPERM.into());
    }
    let rings = Rings::open(&events, THREAD_PAGES)?;
    if threads.len() > THREADS_MAX {
        missing.push(format!(
            "Only {THREADS_MAX} of {} threads are sampled; root can sample all.",
            threads.len()
        ));
    }
    Ok(rings)
}

/// Adds what `event` and `scope` do not show to `missing`.
fn explain(event: Event, scope: Scope, refused: Errno, missing: &mut Vec<String>) {
    if event == Event::CpuClock {
        missing.push(format!(
            "The processor has no counter for this profile ({:?}), as in most virtual machines, so a timer takes the \
             samples. Code that runs with interrupts turned off appears at the place that turns them on again.",
            refused
        ));
    }
    match scope {
        Scope::Cpus => {}
        Scope::Threads => missing.push(
            "Softirqs, and threads that start from now on, are seen by root alone.".to_owned(),
        ),
        Scope::UserThreads => missing.push(
            "Softirqs, the kernel, and threads that start from now on, are seen by root alone."
                .to_owned(),
        ),
    }
}
