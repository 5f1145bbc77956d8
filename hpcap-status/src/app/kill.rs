//! Kills a listener, in a thread of its own: a producer that does not answer must not stop the screen.

use std::sync::mpsc::{Receiver, sync_channel};

use hpcap::{Queue, QueueName, Result, visible};

use super::Victim;

/// A request that a producer carries out.
#[derive(Debug)]
pub(super) struct Killing {
    answer: Receiver<String>,
}

impl Killing {
    /// Asks the producer of the queue to kill the listener.
    pub(super) fn start(victim: Victim) -> std::io::Result<Self> {
        let (sender, answer) = sync_channel(1);
        std::thread::Builder::new()
            .name("kill".into())
            .spawn(move || {
                // The receiver is gone when the program has ended.
                let _ = sender.send(match kill(&victim) {
                    Ok(()) => format!(
                        "listener {} of {} ({}, pid {}) is killed",
                        victim.id,
                        victim.queue,
                        visible(&victim.program),
                        victim.pid
                    ),
                    Err(e) => e.to_string().replace('\n', ";"),
                });
            })?;
        Ok(Self { answer })
    }

    /// Returns what the producer has answered, once.
    pub(super) fn take(&self) -> Option<String> {
        self.answer.try_recv().ok()
    }
}

fn kill(victim: &Victim) -> Result<()> {
    let name: QueueName = victim.queue.parse()?;
    Queue::open(name)?.kill(victim.id)
}
