//! Describes a queue: what its page says, and what its last readings say of rates and losses.

use std::collections::BTreeMap;
use std::time::Duration;

use hpcap::counters::QueueReading;
use hpcap::queue::QueueEnd;
use hpcap::report::QueueStatus;
use hpcap::{Ledger, Queue, Reason, Timestamp};
use hpcap_host::Tree;
use hpcap_ipc::device::device_path;
use hpcap_monitor::sample::QueueSample;

use super::listener::Listeners;
use super::losses::{LossTracker, part};
use super::machine::PollMeter;
use super::report::{Flags, InterfaceReport, QueueReport, Total};
use super::window::{Window, rates};

/// Where the module has its queues in sysfs.
const CLASS: &str = "/sys/class/hpcap";

/// The state of a queue between two readings.
#[derive(Debug)]
pub(super) struct Tracked {
    start: Timestamp,
    window: Window<QueueReading>,
    pub(super) losses: LossTracker,
    poll: PollMeter,
    /// The description by the last reading.
    pub(super) last: QueueReport,
}

impl Tracked {
    /// Starts to follow a queue.
    pub(super) fn new(sample: &QueueSample) -> Self {
        Self {
            start: sample.start,
            window: Window::default(),
            losses: LossTracker::default(),
            poll: PollMeter::default(),
            last: QueueReport::default(),
        }
    }

    /// Whether `sample` is of this queue, and not of a later one of the same name.
    pub(super) fn is_of(&self, sample: &QueueSample) -> bool {
        self.start == sample.start
    }

    /// Notes a reading and describes the queue. `queue` is `None` when its producer is gone, and then
    /// what does not change is that of the reading before.
    pub(super) fn describe(
        &mut self,
        tree: &Tree,
        now: (Duration, u64),
        sample: &QueueSample,
        queue: Option<&Queue>,
        interface: Option<&InterfaceReport>,
        listeners: &mut Listeners,
    ) -> QueueReport {
        let (monotonic, now_ns) = now;
        self.window.push(monotonic, sample.reading);
        let running = sample.reading.running && sample.served;
        let mut report = match queue {
            Some(queue) => fixed(tree, queue),
            None => QueueReport {
                listeners: Vec::new(),
                poll: None,
                ..self.last.clone()
            },
        };
        report.queue = sample.name.to_string();
        report.interface.clone_from(&sample.interface);
        report.start_ns = sample.start.as_ns();
        report.running = running;
        report.end = (!running).then(|| end_of(sample).to_owned());
        count(&mut report, &sample.reading);
        let ends = self.window.ends().filter(|_| running);
        report.rates = ends.map(|(before, now, time)| rates(before, now, time));
        self.describe_losses(now_ns, &mut report);
        report.link_bits_per_second = interface.and_then(|i| i.bits_per_second);
        report.utilisation = report.link_bits_per_second.and_then(|speed| {
            let bits = report.rates.as_ref()?.on_the_wire.bits_per_second;
            Some(part(bits, speed as f64))
        });
        report.flags = flags(&report, interface);
        if let Some(queue) = queue {
            let ring = (report.ring_bytes, sample.reading.counts.published);
            report.poll = self
                .poll
                .read(tree, monotonic, report.pid, &report.queue)
                .filter(|_| running);
            report.listeners = QueueStatus::of(queue)
                .listeners
                .iter()
                .map(|status| listeners.describe(monotonic, sample.name, ring, status))
                .collect();
        }
        report.ring_fill = report.holder().map_or(0.0, |holder| holder.ring_share);
        report.slack_seconds = slack(&report);
        self.last.clone_from(&report);
        report
    }

    fn describe_losses(&mut self, now_ns: u64, report: &mut QueueReport) {
        let lost = Reason::ledger()
            .iter()
            .filter(|reason| reason.is_loss())
            .fold(Total::default(), |sum, reason| {
                let count = report.count(*reason);
                Total {
                    frames: sum.frames.saturating_add(count.frames),
                    bytes: sum.bytes.saturating_add(count.bytes),
                }
            });
        self.losses.observe(now_ns, report.start_ns, lost.frames);
        let now = report.rates.as_ref().map_or((0.0, 0.0), |rates| {
            (
                rates.lost.frames_per_second,
                rates.on_the_wire.frames_per_second,
            )
        });
        report.losses = self.losses.describe(now_ns, lost, report.on_the_wire, now);
        report.losses.losing &= report.running;
    }
}

/// Fields of the queue page that do not change while the queue runs, or only on request.
fn fixed(tree: &Tree, queue: &Queue) -> QueueReport {
    let info = queue.info();
    let of_module = info.producer_pid == 0 || tree.has(device_path(CLASS.as_ref(), info.name));
    QueueReport {
        producer: if of_module { "module" } else { "hpcapd" }.to_owned(),
        software: info.software.clone(),
        source: info.source.clone(),
        filter: info.filter.clone(),
        pid: info.producer_pid,
        ring_bytes: info.ring_bytes,
        page_bytes: info.page_bytes,
        caplen: queue.page().caplen(),
        ..QueueReport::default()
    }
}

fn end_of(sample: &QueueSample) -> &'static str {
    match sample.end {
        Some(QueueEnd::Ended) => "ended",
        Some(QueueEnd::Stopped) => "stopped",
        Some(QueueEnd::Failed) => "failed",
        None => "died",
    }
}

/// Takes over the counters of a reading.
fn count(report: &mut QueueReport, reading: &QueueReading) {
    let counts = &reading.counts;
    report.published_bytes = counts.published;
    report.on_the_wire = counts.ledger.on_the_wire().into();
    report.ledger = ledger(&counts.ledger);
    report.frames_cut = counts.frames_cut;
    report.times_adjusted = counts.times_adjusted;
    report.gaps = counts.gaps;
    report.duplicates_marked = counts.duplicates_marked;
    report.longest_pause_ns = counts.longest_pause_ns;
}

fn ledger(ledger: &Ledger) -> BTreeMap<String, Total> {
    Reason::ledger()
        .iter()
        .map(|reason| (reason.name().to_owned(), ledger[*reason].into()))
        .collect()
}

fn flags(report: &QueueReport, interface: Option<&InterfaceReport>) -> Flags {
    let damaged = interface.and_then(|i| i.counters.get("rx_errors"));
    Flags {
        link: interface.map_or(report.running, |i| i.link),
        client_loss: report.rate(Reason::RingFull) > 0.0,
        discarding: report.rate(Reason::NoListener) > 0.0,
        errors: report.count(Reason::NicError).frames > 0 || damaged.is_some_and(|n| *n > 0),
        missed: report.rate(Reason::NicMissed) > 0.0,
    }
}

/// Returns how long the free part of the ring lasts at the present rate.
fn slack(report: &QueueReport) -> Option<f64> {
    let holder = report.holder()?;
    let rate = report.rates.as_ref()?.published_bytes_per_second;
    let free = report.ring_bytes.saturating_sub(holder.lag_bytes);
    (rate > 0.0).then(|| free as f64 / rate)
}
