//! Opens queues while others are watched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hpcap::error::Context;
use hpcap::{Queue, QueueName, Result};

/// Opens each queue in a thread of its own, so that a producer that does not answer delays the rates
/// of no other queue.
#[derive(Debug)]
pub(super) struct Opener {
    answer: Sender<(QueueName, Result<Queue>)>,
    answers: Receiver<(QueueName, Result<Queue>)>,
    under_way: BTreeSet<QueueName>,
    /// Why queues could not be opened.
    refused: BTreeMap<QueueName, String>,
}

impl Opener {
    pub(super) fn new() -> Self {
        let (answer, answers) = channel();
        Self {
            answer,
            answers,
            under_way: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Starts to open the queue `name`, unless that is under way.
    pub(super) fn begin(&mut self, name: QueueName) {
        if !self.under_way.insert(name) {
            return;
        }
        let answer = self.answer.clone();
        let started = std::thread::Builder::new()
            .name("opening".into())
            // The answer is not waited for after the end of the program.
            .spawn(move || drop(answer.send((name, Queue::open(name)))))
            .context(|| format!("start the thread that opens queue {name}"));
        if let Err(e) = started {
            self.under_way.remove(&name);
            self.refused.insert(name, e.to_string());
        }
    }

    /// Waits for at most `time` until an attempt to open a queue ends. Returns the queue if it could be opened.
    pub(super) fn wait(&mut self, time: Duration) -> Option<(QueueName, Queue)> {
        let (name, answer) = self.answers.recv_timeout(time).ok()?;
        self.under_way.remove(&name);
        match answer {
            Ok(queue) => {
                self.refused.remove(&name);
                Some((name, queue))
            }
            Err(e) => {
                self.refused.insert(name, e.to_string());
                None
            }
        }
    }

    /// Forgets the queues that are not among `names`, and returns why others could not be opened.
    pub(super) fn refusals(&mut self, names: &[QueueName]) -> Vec<String> {
        self.refused.retain(|name, _| names.contains(name));
        self.refused.values().cloned().collect()
    }

    /// Whether no queue is being opened.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }
}
