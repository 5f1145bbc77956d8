//! `hpcapctl kill`: ends one listener, or those that hold a ring back and do not read.

mod blocked;

use std::time::Duration;

use clap::Args;
use hpcap::units::parse_duration;
use hpcap::{Error, Queue, QueueName, Result};

use crate::output::print;

pub use blocked::{Verdict, judge};

/// Which listener ends.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl kill hpcap0 4                     end listener 4 of hpcap0
  hpcapctl kill hpcap0 --blocked --dry-run   say which listeners hold the ring back, and why
  hpcapctl kill hpcap0 --blocked             end them

A listener is blocked when the queue waits for it (contract lossless), the ring is full of what it
has not read, and it reads nothing for --observe TIME. A listener that reads too slowly is named and
not ended.")]
pub struct Kill {
    /// Such as hpcap0 or hpcap0:1
    pub queue: QueueName,
    /// The number in column id of `hpcapctl listeners`
    #[arg(required_unless_present = "blocked", conflicts_with = "blocked", value_parser = parse_id)]
    pub id: Option<u64>,
    /// End the lossless listeners that hold the ring back and do not read
    #[arg(long)]
    pub blocked: bool,
    /// How long --blocked observes the listeners
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration, requires = "blocked")]
    pub observe: Duration,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn parse_id(text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        Error::usage(
            format!("listener {text:?}"),
            "expected a number, as column id of `hpcapctl listeners` shows it, or --blocked",
        )
    })
}

impl Kill {
    /// Ends the listener or listeners, and says so.
    ///
    /// # Errors
    /// Returns the errors of [`Queue::open`] and [`Queue::kill`].
    pub fn run(&self) -> Result<()> {
        let queue = Queue::open(self.queue)?;
        match self.id {
            Some(id) if self.dry_run => print(&describe(&queue, id)).map(drop),
            Some(id) => {
                queue.kill(id)?;
                print(&format!("listener {id} of {} is killed\n", self.queue)).map(drop)
            }
            None => blocked::end_blocked(&queue, self.observe, self.dry_run),
        }
    }
}

/// Says what killing listener `id` of `queue` would do.
fn describe(queue: &Queue, id: u64) -> String {
    let name = queue.info().name;
    let lines = crate::listeners::ListenerLine::all(queue);
    match lines.iter().find(|line| line.status.id == id) {
        Some(line) => format!("a kill of listener {id} of {name} {}\n", line.kill_effect),
        None => format!("{name} has no listener {id}; nothing would be done\n"),
    }
}
