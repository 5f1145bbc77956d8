//! `hpcapctl status --watch`: rates, again and again.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use hpcap::queue::status::{QueueStatus, json_line};
use hpcap::{Ledger, Queue, QueueName, Result, Timestamp};
use serde::Serialize;

use super::rates::Rates;

/// A queue that is watched, and its ledger at the last look.
#[derive(Debug)]
struct Watched {
    queue: Queue,
    ledger: Ledger,
    looked: Instant,
}

/// A line of JSON.
#[derive(Debug, Serialize)]
struct Line {
    time: String,
    rates: Rates,
    #[serde(flatten)]
    status: QueueStatus,
}

impl Watched {
    fn new(queue: Queue) -> Self {
        Self {
            ledger: queue.ledger().ledger,
            looked: Instant::now(),
            queue,
        }
    }

    /// What happened since the last look.
    fn look(&mut self, json: bool) -> Result<String> {
        let status = QueueStatus::of(&self.queue);
        let rates = Rates::between(&self.ledger, &status.ledger, self.looked.elapsed());
        self.looked = Instant::now();
        self.ledger = status.ledger;
        let time = Timestamp::now().to_string();
        if json {
            return json_line(&Line {
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

/// Has `print` print the rates of all queues, or of one, every `interval`, until it says that nobody
/// reads them any more. Queues come and go meanwhile; `complain` is told of those that cannot be
/// seen, once each.
///
/// # Errors
/// Why the one that was asked for cannot be opened at the start; those of `print`.
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
    let mut complaints: Vec<String> = Vec::new();
    loop {
        let (names, unseen) = only.map_or_else(Queue::list, |name| (vec![name], Vec::new()));
        let mut now: Vec<String> = unseen.iter().map(ToString::to_string).collect();
        for name in names {
            // One that has ended may have been started again.
            if watched.get(&name).is_some_and(|w| w.queue.is_running()) {
                continue;
            }
            match Queue::open(name) {
                Ok(queue) => {
                    watched.insert(name, Watched::new(queue));
                }
                Err(e) => now.push(e.to_string()),
            }
        }
        if watched.is_empty() && now.is_empty() {
            now.push("no queue is served on this machine yet".into());
        }
        now.iter()
            .filter(|text| !complaints.contains(text))
            .for_each(|text| complain(text));
        complaints = now;
        thread::sleep(interval);
        let mut text = String::new();
        for one in watched.values_mut() {
            text += &one.look(json)?;
        }
        watched.retain(|_, one| one.queue.is_running());
        if !print(&text)? {
            return Ok(());
        }
    }
}
