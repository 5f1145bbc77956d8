//! `hpcapctl status`: the queues of this machine, of the kernel module and of daemons alike.

mod dedup;
mod rates;
mod watch;

use hpcap::queue::status::{Look, QueueStatus, json_line};
use hpcap::{Error, Queue, QueueName, Result};
use serde::Serialize;

use dedup::Dedup;
pub use watch::watch;

/// A queue as every tool shows it, and how duplicates are removed from it.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    status: QueueStatus,
    /// `None` where the producer does not tell.
    dedup: Option<Dedup>,
}

/// What is seen, and what is not.
#[derive(Debug)]
pub struct Report {
    /// To be printed.
    pub text: String,
    /// Why there is something that is not in it.
    pub unseen: Vec<Error>,
}

/// The queues of this machine, or one of them, as text or as one JSON object a line.
///
/// # Errors
/// Why the one that was asked for cannot be opened.
pub fn report(only: Option<QueueName>, json: bool) -> Result<Report> {
    let look = Look::at(only);
    let mut text = String::new();
    for queue in &look.queues {
        text += &Shown::of(queue).print(json)?;
    }
    if look.queues.is_empty() && look.unseen.is_empty() && !json {
        text.push_str(
            "no queue is served on this machine (hpcapd af_packet:INTERFACE starts one)\n",
        );
    }
    Ok(Report {
        text,
        unseen: look.unseen,
    })
}

impl Shown {
    fn of(queue: &Queue) -> Self {
        Self {
            status: QueueStatus::of(queue),
            dedup: Dedup::of(queue),
        }
    }

    fn print(&self, json: bool) -> Result<String> {
        if json {
            return json_line(self);
        }
        let text = self.status.to_string();
        Ok(match (&self.dedup, text.split_once('\n')) {
            (Some(dedup), Some((head, rest))) => {
                format!("{head}\n  {:<12} {}\n{rest}", "dedup", dedup.text())
            }
            _ => text,
        })
    }
}
