//! Records all queues of an adapter, each in a thread of its own.
//!
//! A queue is recorded as if it were the only one: with its own listener, files and limits. So one queue waits for no
//! other, and the throughput grows with the processors and the disks. This module starts a thread for each queue that
//! appears, passes signals on, adds up what the threads report, and speaks with the service manager for all of them.

mod totals;
mod worker;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use hpcap::message::Messages;
use hpcap::visible::visible;
use hpcap::{Error, Kind, Queue, QueueName, Result};

use crate::cli::Cli;
use crate::plan::{Origin, QueueSet};
use crate::recorder::{Terms, style_of};
use crate::report::event::Event;
use crate::report::reporter::{QueueCounts, Reporter};
use crate::session::signals::{Signals, Stop};
use totals::Totals;
use worker::Worker;

/// Time between two looks at signals and threads.
const TICK: Duration = Duration::from_millis(50);

/// Time between two looks for queues.
const LOOK: Duration = Duration::from_millis(500);

/// Time between two progress events.
const EVERY: Duration = Duration::from_secs(1);

/// The recordings of all queues.
struct Recordings<'a> {
    cli: &'a Cli,
    plan: QueueSet,
    messages: &'a Messages,
    signals: &'a Signals,
    reporter: Reporter,
    /// One entry for each queue that was found, whether its recording goes on or not.
    workers: Vec<Worker>,
    sender: Sender<(QueueName, QueueCounts)>,
    counts: Receiver<(QueueName, QueueCounts)>,
    totals: Totals,
    /// Time at which `--duration` is over, counted from the first queue.
    deadline: Option<Instant>,
    looked: Option<Instant>,
    told: Instant,
    /// Why the last queue that was found could not be opened, because its producer is gone.
    gone: Option<Error>,
    failed: Vec<(QueueName, Kind)>,
}

/// Records the queues of `plan` until something ends all recordings.
///
/// # Errors
/// [`Kind::NotFound`] if there is no queue and nobody waits for one, and the failure of any recording.
pub(crate) fn record(
    cli: &Cli,
    plan: QueueSet,
    messages: &Messages,
    signals: &Signals,
) -> Result<()> {
    // What no recording could use is refused before there are threads.
    let any = QueueName::new(plan.adapter, 0);
    let _ = Terms::of(cli, &Origin::Queue(any), plan.destination(any))?;
    let (sender, counts) = channel();
    let mut recordings = Recordings {
        cli,
        plan,
        messages,
        signals,
        reporter: Reporter::new(messages, style_of(cli), false),
        workers: Vec::new(),
        sender,
        counts,
        totals: Totals::new(Instant::now()),
        deadline: None,
        looked: None,
        told: Instant::now(),
        gone: None,
        failed: Vec::new(),
    };
    loop {
        signals.pass_on(recordings.workers.iter().map(Worker::signals));
        recordings.find_queues()?;
        recordings.end_finished();
        recordings.tell_progress();
        recordings.tell_manager();
        if recordings.are_over() {
            return recordings.finish();
        }
        std::thread::sleep(TICK);
    }
}

impl Recordings<'_> {
    /// Starts to record the queues that have appeared since the last look.
    fn find_queues(&mut self) -> Result<()> {
        let now = Instant::now();
        let is_due = self.looked.is_none_or(|looked| now - looked >= LOOK);
        let is_over = self.deadline.is_some_and(|end| now >= end);
        if !is_due || is_over || self.signals.stop() != Stop::No {
            return Ok(());
        }
        let is_first = self.looked.replace(now).is_none();
        let (names, unseen) = Queue::list();
        for queue in names {
            let is_known = self.workers.iter().any(|worker| worker.queue == queue);
            if queue.adapter == self.plan.adapter && !is_known {
                self.start(queue)?;
            }
        }
        if is_first && self.workers.is_empty() {
            let error = unseen.into_iter().next().unwrap_or_else(|| self.nothing());
            if !self.cli.wait {
                return Err(error);
            }
            self.reporter
                .tell(&Event::warning(format!("waiting: {error}")));
            // A recorder that waits works as it should: the boot goes on meanwhile.
            let status = format!("waiting for a queue of {}", self.plan);
            self.reporter.service().set_ready(&visible(&status));
        }
        Ok(())
    }

    fn nothing(&self) -> Error {
        let why = format!("no producer serves a queue of hpcap{}", self.plan.adapter);
        Error::new(Kind::NotFound, format!("record {}", self.plan), why)
            .advise("start hpcapd, or load the kernel module; hpcapctl status lists what runs")
    }

    fn start(&mut self, queue: QueueName) -> Result<()> {
        let now = Instant::now();
        if self.workers.is_empty() {
            self.deadline = self.cli.duration.and_then(|time| now.checked_add(time));
        }
        let mut cli = self.cli.clone();
        cli.duration = self.deadline.map(|end| end.saturating_duration_since(now));
        if let count @ 1.. = cli.recorder_cpu.len() {
            cli.recorder_cpu = vec![cli.recorder_cpu[queue.queue as usize % count]];
        }
        let (reporter, part) = Reporter::of_queue(
            self.messages,
            style_of(self.cli),
            queue,
            self.sender.clone(),
        );
        let destination = self.plan.destination(queue).clone();
        let signals = self.signals.of_one_recording();
        let worker = Worker::start(queue, cli, destination, (reporter, part), signals)?;
        self.workers.push(worker);
        Ok(())
    }

    fn take_counts(&mut self) {
        while let Ok((queue, counts)) = self.counts.try_recv() {
            self.totals.take(queue, counts);
        }
    }

    /// Notes how the recordings have ended whose threads are done. The others go on.
    fn end_finished(&mut self) {
        let ended: Vec<(QueueName, Error)> = self
            .workers
            .iter_mut()
            .filter_map(|worker| Some((worker.queue, worker.outcome()?.err()?)))
            .collect();
        // What these threads have sent before they ended.
        self.take_counts();
        for (queue, error) in ended {
            // A dead producer has left the queue behind. Its place is looked at again, because a new one may take it.
            if error.kind() == Kind::Gone && !self.totals.has_ended(queue) {
                self.workers.retain(|worker| worker.queue != queue);
                self.gone = Some(error);
            } else {
                self.reporter
                    .tell(&Event::warning(format!("{queue}: {error}")));
                self.failed.push((queue, error.kind()));
            }
        }
    }

    fn tell_progress(&mut self) {
        if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            if let Some(progress) = self.totals.progress(self.told) {
                self.reporter.tell(&Event::Progress(progress));
            }
            self.reporter.tell_due();
        }
    }

    /// Tells the service manager how the recordings are.
    fn tell_manager(&mut self) {
        let service = self.reporter.service();
        let going: Vec<&Worker> = self.workers.iter().filter(|w| w.goes_on()).collect();
        if self.signals.stop() != Stop::No {
            service.set_stopping("storing what is in the rings");
        } else if !going.is_empty() && going.iter().all(|worker| worker.is_ready()) {
            let status = format!("recording {} queues of {}", going.len(), self.plan);
            service.set_ready(&visible(&status));
        }
        let beats: Vec<Option<u64>> = self.workers.iter().map(Worker::beat).collect();
        service.watch(&beats);
    }

    /// Whether no recording goes on, and none is to come.
    fn are_over(&self) -> bool {
        let waits = self.cli.wait && self.workers.is_empty() && self.signals.stop() == Stop::No;
        !waits && !self.workers.iter().any(Worker::goes_on)
    }

    fn finish(mut self) -> Result<()> {
        if let Some(total) = self.totals.summary(Instant::now()) {
            self.reporter.tell(&Event::Total(total));
        }
        self.reporter.tell_rest();
        let Some((_, kind)) = self.failed.first() else {
            let nothing_else = self.workers.is_empty() && !self.cli.wait;
            return self.gone.filter(|_| nothing_else).map_or(Ok(()), Err);
        };
        let names: Vec<String> = self
            .failed
            .iter()
            .map(|(name, _)| name.to_string())
            .collect();
        let why = format!(
            "{} of {} recordings failed: {}",
            names.len(),
            self.workers.len(),
            names.join(", ")
        );
        Err(Error::new(*kind, format!("record {}", self.plan), why)
            .advise("the reasons are above; what was captured until then is stored"))
    }
}
