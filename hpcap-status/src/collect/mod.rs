//! Collects what the dashboard shows: reads the counters of queues and interfaces, and turns consecutive
//! readings into rates, losses and a history.
//!
//! The counters come from the sampler of `hpcap-monitor`, and events from its watch, so that the
//! dashboard, the logs and the alerts of one machine agree. Reading costs a producer nothing: it is
//! shared memory, and opening a queue happens in a thread of its own.

pub mod history;
mod listener;
mod losses;
mod machine;
mod meter;
mod past;
mod queue;
pub mod report;
pub mod verdict;
mod window;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use hpcap::counters::INTERFACE;
use hpcap::{Count, QueueName, Result};
use hpcap_host::Tree;
use hpcap_monitor::events::{Event, Observed, Phase, Watch};
use hpcap_monitor::sample::{Discovery, InterfaceSample, Sample, Sampler};

use crate::text::Clock;
use history::{History, Point};
use listener::Listeners;
use past::{Past, PastQueue};
use queue::Tracked;
use report::{EventReport, InterfaceReport, Report};
use window::{Window, growth, rate_of};

/// Time between two searches for queues.
const DISCOVERY: Duration = Duration::from_secs(1);
/// Events that are kept.
const EVENTS: usize = 500;
/// How long a queue that has ended stays in the list, so that its last counters can be read.
const ENDED_STAYS: Duration = Duration::from_secs(600);

/// Collects reports.
#[derive(Debug)]
pub struct Collector {
    tree: Tree,
    host: String,
    sampler: Sampler,
    watch: Watch,
    before: Option<Sample>,
    queues: BTreeMap<QueueName, Tracked>,
    /// The times at which queues have ended.
    ended: BTreeMap<QueueName, Duration>,
    interfaces: BTreeMap<u32, Window<InterfaceSample>>,
    listeners: Listeners,
    events: VecDeque<EventReport>,
    history: History,
    past: Option<Past>,
    /// Losses of queues according to the logs, for queues that have not been described yet.
    remembered: BTreeMap<String, PastQueue>,
    /// Facts that are read seldom, and when they were read.
    machine: Option<(Duration, report::Engine, Vec<report::Pool>)>,
}

impl Collector {
    /// Starts to look for queues, and to read the logs of a monitor in `logs`, if there are any.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn start(logs: Option<PathBuf>) -> Result<Self> {
        let tree = Tree::machine();
        let host = nix::unistd::gethostname().unwrap_or_default();
        Ok(Self {
            sampler: Sampler::new(Discovery::start(DISCOVERY)?),
            watch: Watch::default(),
            before: None,
            host: host.to_string_lossy().into_owned(),
            queues: BTreeMap::new(),
            ended: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            listeners: Listeners::new(tree.clone()),
            events: VecDeque::new(),
            history: History::default(),
            past: logs.map(Past::start).transpose()?,
            remembered: BTreeMap::new(),
            machine: None,
            tree,
        })
    }

    /// Reads all counters and describes the machine.
    ///
    /// # Errors
    /// An error of the clock.
    pub fn collect(&mut self) -> Result<Report> {
        let sample = self.sampler.sample()?;
        let now_ns = sample.moment.time.as_ns();
        if let Some(before) = &self.before {
            let events = self.watch.observe(before, &sample, &Observed::default());
            self.events.extend(events.iter().map(event_report));
        }
        self.remember();
        let interfaces = self.describe_interfaces(&sample);
        let queues = self.describe_queues(&sample, &interfaces);
        let excess = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..excess);
        let monotonic = sample.moment.monotonic;
        let (engine, hugepages) = self.describe_machine(monotonic, &queues);
        let mut report = Report {
            time_ns: now_ns,
            host: self.host.clone(),
            verdict: report::Verdict::default(),
            engine,
            hugepages,
            queues,
            interfaces,
            events: self.events.iter().cloned().collect(),
            unseen: sample.unseen.clone(),
        };
        report.verdict = verdict::judge(&report, &Clock::local(now_ns));
        self.note_history(&report);
        self.before = Some(sample);
        Ok(report)
    }

    /// The history of the queues.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether all queues that can be opened are open: the first search has come to its end.
    #[must_use]
    pub fn has_searched(&self) -> bool {
        self.sampler.has_searched()
    }

    /// Whether the logs of the monitor have been read, or there are none.
    pub fn has_remembered(&mut self) -> bool {
        self.past.as_mut().is_none_or(Past::is_ready)
    }

    fn describe_queues(
        &mut self,
        sample: &Sample,
        interfaces: &[InterfaceReport],
    ) -> Vec<report::QueueReport> {
        let monotonic = sample.moment.monotonic;
        let now = (monotonic, sample.moment.time.as_ns());
        for one in &sample.queues {
            let tracked = self.queues.entry(one.name);
            let tracked = tracked.or_insert_with(|| Tracked::new(one));
            if !tracked.is_of(one) {
                *tracked = Tracked::new(one);
            }
            // The losses in the logs are compared with the first reading, so there must be one.
            let name = one.name.to_string();
            if tracked.last.queue == name
                && let Some(past) = self.remembered.remove(&name)
                && past.start_ns == one.start.as_ns()
            {
                let losses = &mut tracked.losses;
                losses.remember(past.from_ns, past.lost, &past.losses);
            }
            let queue = self.sampler.queue(one.name);
            let interface = interfaces.iter().find(|i| i.name == one.interface);
            let described = tracked.describe(
                &self.tree,
                now,
                one,
                queue.filter(|queue| queue.info().start == one.start),
                interface,
                &mut self.listeners,
            );
            match described.running {
                true => self.ended.remove(&one.name),
                false => self.ended.insert(one.name, monotonic),
            };
        }
        self.listeners.forget_gone();
        let is_over = |at: &Duration| monotonic.saturating_sub(*at) > ENDED_STAYS;
        let ended = &mut self.ended;
        self.queues
            .retain(|name, _| !ended.get(name).is_some_and(is_over));
        ended.retain(|_, at| !is_over(at));
        self.queues
            .values()
            .map(|queue| queue.last.clone())
            .collect()
    }

    fn describe_interfaces(&mut self, sample: &Sample) -> Vec<InterfaceReport> {
        let now = sample.moment.monotonic;
        self.interfaces
            .retain(|index, _| sample.interfaces.iter().any(|i| i.index == *index));
        sample
            .interfaces
            .iter()
            .map(|interface| {
                let window = self.interfaces.entry(interface.index).or_default();
                window.push(now, interface.clone());
                describe_interface(interface, window)
            })
            .collect()
    }

    fn describe_machine(
        &mut self,
        now: Duration,
        queues: &[report::QueueReport],
    ) -> (report::Engine, Vec<report::Pool>) {
        let is_due = |at: Duration| now.saturating_sub(at) >= meter::PERIOD;
        if let Some((at, engine, pools)) = &self.machine
            && !is_due(*at)
        {
            return (engine.clone(), pools.clone());
        }
        let running = queues.iter().filter(|queue| queue.running);
        let producers = running.map(|queue| queue.software.clone()).collect();
        let engine = machine::engine(&self.tree, producers);
        let pools = machine::hugepages(&self.tree);
        self.machine = Some((now, engine.clone(), pools.clone()));
        (engine, pools)
    }

    /// Takes over what the thread has read that reads the logs.
    fn remember(&mut self) {
        let Some(found) = self.past.as_mut().and_then(Past::take) else {
            return;
        };
        self.past = None;
        for (name, mut past) in found.queues {
            let points = std::mem::take(&mut past.points);
            let series = self.history.queues.entry(name.clone());
            series.or_default().prepend(points);
            self.remembered.insert(name, past);
        }
        self.history.origin = found.origin;
        let first = self.events.front().map_or(u64::MAX, |event| event.time_ns);
        for event in found.events.into_iter().rev().filter(|e| e.time_ns < first) {
            self.events.push_front(event);
        }
    }

    fn note_history(&mut self, report: &Report) {
        for queue in report.queues.iter().filter(|queue| queue.running) {
            let Some(rates) = &queue.rates else {
                continue;
            };
            let series = self.history.queues.entry(queue.queue.clone());
            series.or_default().push(Point {
                second: report.time_ns / 1_000_000_000,
                bits_per_second: rates.on_the_wire.bits_per_second,
                frames_per_second: rates.on_the_wire.frames_per_second,
                lost_per_second: rates.lost.frames_per_second,
                ring_fill: queue.ring_fill,
            });
        }
    }
}

fn describe_interface(now: &InterfaceSample, window: &Window<InterfaceSample>) -> InterfaceReport {
    let received = |sample: &InterfaceSample| {
        let counters = &sample.reading.counters;
        Count::new(counters.rx_packets, counters.rx_bytes)
    };
    let rate = window
        .ends()
        .map(|(before, now, time)| rate_of(growth(received(before), received(now)), time));
    let speed = now.reading.speed_bits_per_second;
    InterfaceReport {
        name: now.name.clone(),
        up: now.reading.up,
        link: now.reading.link,
        bits_per_second: (speed > 0).then_some(speed),
        received: received(now).into(),
        rate,
        counters: INTERFACE
            .iter()
            .map(|row| (row.key.to_owned(), row.value(&now.reading)))
            .collect(),
    }
}

fn event_report(event: &Event) -> EventReport {
    let phase = match event.phase {
        Phase::Begin => "begin",
        Phase::End => "end",
        Phase::Once => "once",
    };
    EventReport {
        time_ns: event.time.as_ns(),
        phase: phase.to_owned(),
        message: event.message.clone(),
    }
}
