//! `hpcap-diag trace`: the way of frames through the kernel, from its own tracepoints.
//!
//! | module | content |
//! |---|---|
//! | [`tracefs`], [`format`](mod@format) | which tracepoints the kernel has, and how their records look |
//! | [`event`] | what the tracepoints mean |
//! | [`filter`](mod@filter) | which records of other interfaces the kernel need not write |
//! | [`source`] | records of all CPUs, in the order of their times |
//! | [`journey`] | following each frame from record to record |
//! | [`statistics`] | numbers, times between steps, drops |
//! | [`text`], [`summary`] | the result for people, and for programs |
//!
//! The records come through perf events, whose descriptors the kernel closes with the process: a trace that is killed
//! leaves nothing behind. The kernel knows a frame by its address, which it gives to another one after the frame is
//! freed; [`journey`] says when a record must be of another frame.

pub mod event;
pub mod filter;
pub mod format;
pub mod journey;
pub mod source;
pub mod statistics;
pub mod summary;
pub mod text;
pub mod tracefs;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hpcap::message::{Level, Messages, Stream};
use hpcap::visible::visible;
use hpcap::{Error, Kind, Result};
use hpcap_host::interface::QueueingDiscipline;
use hpcap_host::{Interface, Tree};

use crate::cli;
use crate::collect::command::stop_flag;
use crate::profile::kernel::KernelSymbols;
use crate::profile::own_cpu_seconds;
use event::{Event, Point};
use filter::Selection;
use journey::{Journey, Journeys};
use source::Source;
use statistics::{DropKind, Latency, Statistics};
use summary::Summary;

/// Longest time between two looks at the rings.
const PAUSE: Duration = Duration::from_millis(50);
/// The lowest bits of a reason that say which part of the kernel has it.
const SUBSYSTEM_BIT: u32 = 16;

/// Names of reasons and functions.
#[derive(Debug)]
pub struct Names<'a> {
    reasons: BTreeMap<u64, String>,
    kernel: &'a KernelSymbols,
    /// Kinds of the queueing disciplines of each interface.
    disciplines: BTreeMap<String, String>,
}

impl Names<'_> {
    /// The name of a reason to drop a frame.
    #[must_use]
    pub fn reason(&self, reason: u64) -> String {
        match self.reasons.get(&reason) {
            Some(name) => name.clone(),
            None if reason >> SUBSYSTEM_BIT != 0 => {
                let number = reason & ((1 << SUBSYSTEM_BIT) - 1);
                format!("reason {number} of subsystem {}", reason >> SUBSYSTEM_BIT)
            }
            None => format!("reason {reason}"),
        }
    }

    /// The function of the kernel that dropped a frame at `place`. All queueing disciplines drop in the same function,
    /// so those of the interface are named with it.
    #[must_use]
    pub fn place(&self, reason: &str, place: u64, device: Option<&str>) -> String {
        let function = self.function(place);
        let kinds = device.and_then(|device| self.disciplines.get(device));
        match kinds.filter(|_| reason.starts_with("QDISC")) {
            Some(kinds) => format!("{function} (qdisc {kinds})"),
            None => function,
        }
    }

    /// The function of the kernel at `place`.
    #[must_use]
    pub fn function(&self, place: u64) -> String {
        match self.kernel.function(place) {
            Some(function) => function.name.to_owned(),
            None => format!("{place:#x}"),
        }
    }
}

/// Returns the kinds of the queueing disciplines of each interface, such as `tbf`; what the kernel does not tell is
/// left out.
fn disciplines() -> BTreeMap<String, String> {
    let interfaces = Interface::all().unwrap_or_default();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for discipline in QueueingDiscipline::all().unwrap_or_default() {
        let owner = interfaces
            .iter()
            .find(|interface| interface.index == discipline.interface);
        let Some(owner) = owner else { continue };
        let kinds = found.entry(owner.name.clone()).or_default();
        // A NIC has one of the same kind for each of its queues.
        if !kinds.split(", ").any(|kind| kind == discipline.kind) {
            let comma = if kinds.is_empty() { "" } else { ", " };
            kinds.push_str(comma);
            kinds.push_str(&discipline.kind);
        }
    }
    found
}

/// Traces as `options` say, and prints what it sees. A signal ends it early, with what was seen until then.
///
/// # Errors
/// That there is no such interface, what forbids a trace, or an error of the kernel.
pub fn run(options: &cli::Trace, messages: &Messages) -> Result<()> {
    let tree = Tree::machine();
    let stop = stop_flag()?;
    let interface = options.interface.as_deref().map(find_interface);
    let interface = interface.transpose()?;
    let selection = match &interface {
        Some(name) => Some(Selection::of(name)?),
        None => None,
    };
    let pages = options
        .buffer
        .and_then(|bytes| usize::try_from(bytes / 4096).ok());
    let interfaces = selection
        .as_ref()
        .map(|selection| selection.names.as_slice());
    let mut source = Source::open(&tree, pages, interfaces)?;
    source
        .missing
        .extend(selection.into_iter().flat_map(|selection| selection.notes));
    let kernel = KernelSymbols::read(&tree);
    let names = Names {
        reasons: source.drop_reasons(),
        kernel: &kernel,
        disciplines: disciplines(),
    };
    let mut trace = Trace {
        options,
        interface,
        messages,
        names,
        statistics: Statistics::default(),
        journeys: Journeys::default(),
        began_ns: source::now_ns(),
        shown: 0,
        second: 0,
        fresh: BTreeMap::new(),
        records: 0,
    };
    let summary = trace.take(source, &stop)?;
    trace.tell(&match options.json {
        true => summary::json_summary(&summary, &trace.statistics),
        false => text::summary(&summary, &trace.statistics),
    });
    Ok(())
}

/// Returns the name under which the kernel's records have the interface `name`, which may be another name of it.
fn find_interface(name: &str) -> Result<String> {
    let none = || {
        let tried = format!("trace the network interface {name:?}");
        Error::new(Kind::NotFound, tried, "there is none of that name")
    };
    Ok(Interface::by_name(name)?.ok_or_else(none)?.name)
}

/// A trace that runs.
struct Trace<'a> {
    options: &'a cli::Trace,
    /// The only interface whose frames count.
    interface: Option<String>,
    messages: &'a Messages,
    names: Names<'a>,
    statistics: Statistics,
    journeys: Journeys,
    began_ns: u64,
    /// Journeys that were printed.
    shown: u64,
    /// The second that runs, since the begin, and its drops.
    second: u64,
    fresh: BTreeMap<DropKind, u64>,
    records: u64,
}

impl Trace<'_> {
    fn take(&mut self, mut source: Source, stop: &AtomicBool) -> Result<Summary> {
        let cpu_before = own_cpu_seconds();
        let began = Instant::now();
        let time = self.options.time;
        source.enable()?;
        let text = format!("tracing for {} s", time.as_secs_f64());
        self.messages.tell(Level::Progress, Stream::Errors, text);
        while began.elapsed() < time && !stop.load(Ordering::Relaxed) && !self.has_shown_all() {
            source.wait(PAUSE.min(time.saturating_sub(began.elapsed())))?;
            source.drain(false, |event| self.follow(&event))?;
            let now = source::now_ns();
            self.tell_drops_before(now.saturating_sub(self.began_ns) / 1_000_000_000);
        }
        source.disable();
        let seconds = began.elapsed().as_secs_f64();
        source.drain(true, |event| self.follow(&event))?;
        let open: Vec<Journey> = self.journeys.finish().collect();
        for journey in open {
            self.end(&journey);
        }
        self.tell_drops_before(u64::MAX);
        Ok(Summary {
            seconds,
            records: self.records,
            lost: source.lost()?,
            unreadable: source.unreadable,
            untracked: self.journeys.untracked,
            own_cpu_seconds: own_cpu_seconds() - cpu_before,
            missing: source.missing.clone(),
        })
    }

    fn has_shown_all(&self) -> bool {
        self.options
            .frames
            .is_some_and(|frames| self.shown >= u64::from(frames))
    }

    fn follow(&mut self, event: &Event) {
        self.records += 1;
        let is_wanted = |name: &str| {
            self.interface
                .as_deref()
                .is_none_or(|wanted| wanted == name)
        };
        if event.point == Point::NapiPoll
            && let Some(name) = event.device.as_ref().filter(|name| is_wanted(name))
        {
            let device = self.statistics.device(name);
            device.polls += 1;
            device.full_polls += u64::from(event.value >= event.place);
        }
        let outcome = self.journeys.follow(event);
        let waits = [Latency::RaiseToSoftirq, Latency::InterruptToSoftirq];
        for (latency, ns) in waits.into_iter().zip(outcome.softirq_waited_ns) {
            if let Some(ns) = ns {
                self.statistics.softirq.entry(latency).or_default().add(ns);
            }
        }
        for journey in outcome.ended {
            self.end(&journey);
        }
    }

    /// Counts a journey that has ended, and prints it if it is wanted.
    fn end(&mut self, journey: &Journey) {
        let wanted = self.interface.as_deref();
        if wanted.is_some_and(|wanted| !journey.passes(wanted)) {
            return;
        }
        self.statistics.add(journey);
        let last = journey.steps.last();
        if let (Some((reason, place)), Some(last)) = (journey.drop, last) {
            let reason = self.names.reason(reason);
            let kind = DropKind {
                device: last.device.clone(),
                function: self.names.place(&reason, place, last.device.as_deref()),
                reason,
            };
            let second = last.time_ns.saturating_sub(self.began_ns) / 1_000_000_000;
            *self.fresh.entry(kind.clone()).or_default() += 1;
            self.statistics.add_drop(kind, second);
        }
        // A journey that began before the trace lacks its first steps; of a drop alone, nothing is known but that.
        let is_whole = journey.is_complete && journey.steps.len() > 1;
        if self.options.frames.is_none() || self.has_shown_all() || !is_whole {
            return;
        }
        self.shown += 1;
        self.tell(&match self.options.json {
            true => summary::json_journey(journey, self.shown, &self.names),
            false => text::journey(journey, self.shown, self.began_ns, &self.names),
        });
    }

    /// Prints the drops of the second that runs, if `second` is a later one.
    fn tell_drops_before(&mut self, second: u64) {
        if second <= self.second {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        let ended = std::mem::replace(&mut self.second, second);
        if self.options.json {
            return;
        }
        for (kind, count) in fresh {
            self.tell(&format!(
                "second {ended}: {count} dropped: {}",
                visible(&text::drop_kind(&kind))
            ));
        }
    }

    fn tell(&self, text: &str) {
        self.messages.tell(Level::Info, Stream::Output, text);
    }
}
