//! `hpcap-monitor run`: samples, logs, publishes and tells events until it is stopped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::message::{Level, Messages};
use hpcap::{Result, Timestamp};
use hpcap_config::model::Listen;
use hpcap_host::Tree;
use hpcap_host::process::run_on_cpu;
use hpcap_service::{Service, Signals, Terminal};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::events::{Event, Observed, Outlet, Phase, Told, Topic, Watch};
use crate::history::History;
use crate::log::EVENTS;
use crate::log::writer::{Job, Writer};
use crate::sample::{Discovery, Machine, Sample, Sampler, disk_percent};
use crate::serve::{Format, Published, textfile};
use crate::serve::{Shared, http};
use crate::settings::Settings;
use crate::span::{Span, spans_of_samples};
use crate::ticker::Ticker;

/// Time between two writes of the file for node_exporter. Prometheus scrapes it no more often.
const TEXTFILE_PERIOD: Duration = Duration::from_secs(10);

/// What signals ask the monitor for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Stop,
    /// Read the configuration anew.
    Reload,
    /// Print what was sampled and logged so far.
    Statistics,
}

/// Events that the page shows.
const RECENT: usize = 30;

/// Runs the monitor until a signal stops it.
///
/// # Errors
/// Errors of the start: of an address in use, or of the operating system.
pub fn run(settings: &Settings, messages: &Messages) -> Result<()> {
    if !settings.enabled {
        let text = "the configuration switches the monitor off ([monitor] enabled = false)";
        Outlet::new(messages, None)?.print(Level::Info, text);
        return Ok(());
    }
    let signals = Signals::install(&[
        (Signal::SIGINT as i32, Request::Stop),
        (Signal::SIGTERM as i32, Request::Stop),
        (Signal::SIGHUP as i32, Request::Reload),
        (Signal::SIGUSR1 as i32, Request::Statistics),
    ])
    .context(|| "prepare for signals")?;
    let shared = Shared::default();
    let mut service = Service::from_environment();
    let terminal = Terminal::of_this_process();
    serve(settings, messages, &shared)?;
    let mut settings = settings.clone();
    loop {
        let mut monitor = Monitor::start(&settings, messages, shared.clone())?;
        service.set_ready(&format!("logging into {}", settings.basedir.display()));
        let ended = monitor.run(&signals, &terminal, &mut service);
        let outlet = monitor.finish();
        ended?;
        if signals.is_requested(Request::Stop) || terminal.is_gone() {
            service.set_stopping("the logs are written");
            return Ok(());
        }
        match settings.reload() {
            Ok(mut new) if (new.listen, &new.socket) != (settings.listen, &settings.socket) => {
                outlet.print(
                    Level::Warning,
                    "another address or socket takes effect with a restart",
                );
                new.listen = settings.listen;
                new.socket = settings.socket;
                settings = new;
            }
            Ok(new) => {
                outlet.print(Level::Info, "the configuration was read anew");
                settings = new;
            }
            Err(e) => outlet.print(Level::Error, &format!("the old configuration stays: {e}")),
        }
    }
}

/// Starts the servers that the settings name, and prints their addresses.
fn serve(settings: &Settings, messages: &Messages, shared: &Shared) -> Result<()> {
    let address = match settings.listen {
        Listen::At(address) => Some(address),
        Listen::Nowhere => None,
    };
    let socket = settings.socket.as_deref();
    if address.is_none() && socket.is_none() {
        return Ok(());
    }
    let outlet = Outlet::new(messages, None)?;
    if let Some(served) = http::start(address, socket, shared.clone())? {
        let text = format!("serving http://{served}/metrics, and a page at http://{served}/");
        outlet.print(Level::Info, &text);
    }
    if let Some(socket) = socket {
        outlet.print(
            Level::Info,
            &format!("serving the socket {}", socket.display()),
        );
    }
    Ok(())
}

/// A monitor with one set of settings.
struct Monitor {
    interval: Duration,
    history: Arc<Mutex<History>>,
    conditions: BTreeMap<(Topic, String), Event>,
    recent: VecDeque<Told>,
    disk_use: Vec<(PathBuf, f64)>,
    basedir: PathBuf,
    disks: BTreeSet<PathBuf>,
    textfile: Option<PathBuf>,
    textfile_failed: bool,
    ticker: Ticker,
    sampler: Sampler,
    machine: Machine,
    writer: Writer,
    watch: Watch,
    outlet: Outlet,
    shared: Shared,
    before: Option<Arc<Sample>>,
    samples: u64,
    missed: u64,
    unseen: Vec<String>,
    wrote_textfile: Option<Instant>,
}

impl Monitor {
    fn start(settings: &Settings, messages: &Messages, shared: Shared) -> Result<Self> {
        if let Some(cpu) = settings.cpu {
            run_on_cpu(cpu as usize)?;
        }
        let mut disks = settings.destinations.clone();
        disks.insert(settings.basedir.clone());
        let history = shared.get().history;
        if lock(&history).iter().next().is_none() {
            *lock(&history) = History::read(&settings.basedir, Timestamp::now());
        }
        Ok(Self {
            interval: settings.interval,
            history,
            conditions: BTreeMap::new(),
            recent: Told::read_last(&settings.basedir.join(EVENTS), RECENT).into(),
            disk_use: Vec::new(),
            writer: Writer::start(
                settings.basedir.clone(),
                settings.interval,
                settings.keep_age,
            )?,
            sampler: Sampler::new(Discovery::start(settings.interval)?),
            ticker: Ticker::start(settings.interval)?,
            machine: Machine::new(Tree::machine()),
            watch: Watch::new(settings.recorded.clone()),
            outlet: Outlet::new(messages, settings.event_command.clone())?,
            basedir: settings.basedir.clone(),
            textfile: settings.textfile.clone(),
            textfile_failed: false,
            disks,
            samples: shared.get().samples,
            missed: shared.get().missed,
            shared,
            before: None,
            unseen: Vec::new(),
            wrote_textfile: None,
        })
    }

    /// Samples until a signal arrives.
    fn run(
        &mut self,
        signals: &Signals<Request>,
        terminal: &Terminal,
        service: &mut Service,
    ) -> Result<()> {
        loop {
            let mut ready = [
                PollFd::new(self.ticker.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            let limit = terminal
                .look_again_in()
                .and_then(|time| PollTimeout::try_from(time).ok())
                .unwrap_or(PollTimeout::NONE);
            match poll(&mut ready, limit) {
                Err(nix::Error::EINTR) => {}
                other => drop(other.context(|| "wait for the next sample")?),
            }
            if signals.is_requested(Request::Stop) || terminal.is_gone() {
                return Ok(());
            }
            if signals.take(Request::Reload) {
                terminal.note_hangup();
                return Ok(());
            }
            if signals.take(Request::Statistics) {
                self.outlet.print(Level::Info, &self.statistics());
            }
            let due = self.ticker.expirations();
            if due > 0 {
                self.missed += due - 1;
                self.sample()?;
                service.watch(&[]);
            }
        }
    }

    /// Says what was sampled and logged so far.
    fn statistics(&self) -> String {
        let queues = self.before.as_ref().map_or(0, |now| now.queues.len());
        format!(
            "{} samples, {} missed, {} not written; {queues} queues, {} conditions",
            self.samples,
            self.missed,
            self.writer.health().dropped(),
            self.conditions.len()
        )
    }

    fn sample(&mut self) -> Result<()> {
        let now = Arc::new(self.sampler.sample()?);
        self.samples += 1;
        for why in now.unseen.iter().filter(|why| !self.unseen.contains(why)) {
            self.outlet.print(Level::Warning, why);
        }
        self.unseen.clone_from(&now.unseen);
        if self.writer.health().take_removed() {
            let basedir = self.basedir.display();
            let text = format!(
                "a log below {basedir} was removed while it was written: what was in it is lost, and a new one is begun"
            );
            self.outlet.print(Level::Warning, &text);
        }
        let processes: BTreeSet<u32> = now
            .queues
            .iter()
            .flat_map(|queue| queue.listeners.iter().map(|listener| listener.pid))
            .collect();
        let processes: Vec<u32> = processes.into_iter().collect();
        let machine = self.machine.sample(&self.basedir, &processes);
        for event in self.events(&now)? {
            self.outlet.tell(&event);
            self.remember(&event);
            self.writer.write(Job::Event(event));
        }
        let before = self.before.replace(Arc::clone(&now));
        let spans = before
            .as_ref()
            .map(|before| spans_of_samples(before, &now, self.interval));
        let spans = spans.unwrap_or_default();
        for (name, span) in &spans {
            lock(&self.history).add(name, span);
        }
        self.writer.write(Job::Sample {
            before,
            now: Arc::clone(&now),
            machine,
        });
        self.publish(now, spans.into_iter().collect());
        Ok(())
    }

    /// Keeps an event for the page.
    fn remember(&mut self, event: &Event) {
        let key = (event.topic, event.subject.clone());
        match event.phase {
            Phase::Begin => drop(self.conditions.insert(key, event.clone())),
            Phase::End => drop(self.conditions.remove(&key)),
            Phase::Once => {}
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Told::from(event));
    }

    /// Returns what has begun, ended or happened since the sample before.
    fn events(&mut self, now: &Sample) -> Result<Vec<Event>> {
        let Some(before) = self.before.clone() else {
            return Ok(Vec::new());
        };
        self.disk_use = self
            .disks
            .iter()
            .filter_map(|disk| Some((disk.clone(), disk_percent(disk)?)))
            .collect();
        let failure = self.writer.health().failure();
        let observed = Observed {
            disks: &self.disk_use,
            log_failure: failure.as_deref(),
        };
        if now.moment.step_since(&before.moment).is_some() {
            self.ticker.align()?;
        }
        Ok(self.watch.observe(&before, now, &observed))
    }

    fn publish(&mut self, now: Arc<Sample>, spans: BTreeMap<String, Span>) {
        let published = Published {
            sample: Some(now),
            spans,
            history: Arc::clone(&self.history),
            conditions: self.conditions.values().cloned().collect(),
            recent: self.recent.iter().cloned().collect(),
            disks: self.disk_use.clone(),
            active: self
                .watch
                .active()
                .map(|(topic, subject)| (topic, subject.to_owned()))
                .collect(),
            samples: self.samples,
            missed: self.missed,
            unwritten: self.writer.health().dropped(),
        };
        let is_due = |at: Instant| at.elapsed() >= TEXTFILE_PERIOD;
        if let Some(path) = self.textfile.clone()
            && self.wrote_textfile.is_none_or(is_due)
        {
            self.write_textfile(&path, &published);
        }
        self.shared.set(published);
    }

    fn write_textfile(&mut self, path: &Path, published: &Published) {
        self.wrote_textfile = Some(Instant::now());
        let written = textfile::write(path, &published.text(Format::Prometheus));
        if let Err(e) = &written
            && !self.textfile_failed
        {
            self.outlet.print(Level::Error, &e.to_string());
        }
        self.textfile_failed = written.is_err();
    }

    /// Writes what is still to be written.
    fn finish(self) -> Outlet {
        if !self.writer.finish() {
            let text = "the disk of the logs does not answer; the last samples are not written";
            self.outlet.print(Level::Error, text);
        }
        self.outlet
    }
}

fn lock(history: &Mutex<History>) -> std::sync::MutexGuard<'_, History> {
    // The history is whole after each addition, whatever thread panicked.
    history.lock().unwrap_or_else(PoisonError::into_inner)
}
