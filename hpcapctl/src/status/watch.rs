//! `hpcapctl status --watch`: the rates of queues, a line at each interval.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hpcap::report::{QueueStatus, Rates, json_line};
use hpcap::{Ledger, Queue, QueueName, Result, Timestamp};
use serde::Serialize;

use super::opener::Opener;

/// A queue, and its ledger at the last reading.
#[derive(Debug)]
struct Watched {
    queue: Queue,
    ledger: Ledger,
    read_at: Instant,
}

/// The fields of a line of JSON.
#[derive(Debug, Serialize)]
struct RateLine {
    time: String,
    rates: Rates,
    #[serde(flatten)]
    status: QueueStatus,
}

impl Watched {
    fn new(queue: Queue) -> Self {
        Self {
            ledger: queue.ledger().ledger,
            read_at: Instant::now(),
            queue,
        }
    }

    /// Formats the rates of the queue since the last reading, and keeps the new ledger for the next call.
    fn report_rates(&mut self, json: bool) -> Result<String> {
        let status = QueueStatus::of(&self.queue);
        let rates = Rates::between(&self.ledger, &status.ledger, self.read_at.elapsed());
        self.read_at = Instant::now();
        self.ledger = status.ledger;
        let time = Timestamp::now().to_string();
        if json {
            return json_line(&RateLine {
                time,
                rates,
                status,
            });
        }
        let lag = status.listeners.iter().map(|l| l.lag_bytes).max();
        let name = self.queue.info().name;
        let line = rates.line(name, status.listeners.len(), lag.unwrap_or(0));
        Ok(format!("{time}  {line}\n"))
    }
}

/// Calls `print` with the rates of the queue `only`, or of all queues, at each `interval`, until
/// `print` returns `false`. Queues that start meanwhile are added, queues that end are removed;
/// `complain` gets the reason, once, why a queue cannot be opened.
///
/// # Errors
/// The error of opening `only` at the start, and errors of `print`.
pub fn watch(
    only: Option<QueueName>,
    json: bool,
    interval: Duration,
    mut print: impl FnMut(&str) -> Result<bool>,
    mut complain: impl FnMut(&str),
) -> Result<()> {
    let mut watched: BTreeMap<QueueName, Watched> = BTreeMap::new();
    if let Some(name) = only {
        watched.insert(name, Watched::new(Queue::open(name)?));
    }
    let mut opener = Opener::new();
    let mut complaints: Vec<String> = Vec::new();
    loop {
        let next = Instant::now() + interval;
        let (names, unseen) = only.map_or_else(Queue::list, |name| (vec![name], Vec::new()));
        let unseen: Vec<String> = unseen.iter().map(ToString::to_string).collect();
        for name in &names {
            // A queue that ended may have started again under the same name.
            if !watched.get(name).is_some_and(|w| w.queue.is_running()) {
                opener.begin(*name);
            }
        }
        loop {
            let mut now = [unseen.clone(), opener.refusals(&names)].concat();
            if watched.is_empty() && now.is_empty() && opener.is_idle() {
                now.push("no queue is served on this machine yet".into());
            }
            now.iter()
                .filter(|text| !complaints.contains(text))
                .for_each(|text| complain(text));
            complaints = now;
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if let Some((name, queue)) = opener.wait(left) {
                watched.insert(name, Watched::new(queue));
            }
        }
        let mut text = String::new();
        for one in watched.values_mut() {
            text += &one.report_rates(json)?;
        }
        watched.retain(|_, one| one.queue.is_running());
        if !print(&text)? {
            return Ok(());
        }
    }
}
