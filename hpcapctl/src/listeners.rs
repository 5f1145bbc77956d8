//! `hpcapctl listeners`: who is attached to queues, and what killing a listener does.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;

use clap::Args;
use hpcap::report::{ListenerStatus, Survey, json_line};
use hpcap::units::Bytes;
use hpcap::visible::visible;
use hpcap::{Queue, QueueName, Result};
use nix::unistd::{Uid, User};
use serde::Serialize;

use crate::output::print;
use crate::status::all_seen;

/// Longest command line that is shown, in bytes.
const COMMAND_BYTES: u64 = 400;

/// Which listeners are shown, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl listeners             the listeners of every queue
  hpcapctl listeners hpcap0      those of hpcap0
  hpcapctl listeners --json      one JSON object for each listener

hpcapctl kill QUEUE ID ends a listener; hpcapctl kill QUEUE --blocked ends those that hold the ring
back and do not read.")]
pub struct Listeners {
    /// Such as hpcap0 or hpcap0:1
    pub queue: Option<QueueName>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// A listener for display.
#[derive(Debug, Clone, Serialize)]
pub struct ListenerLine {
    /// Name of the queue.
    pub queue: String,
    /// State of the listener in the queue page.
    #[serde(flatten)]
    pub status: ListenerStatus,
    /// Name of the user; `None` when the user has no name.
    pub user: Option<String>,
    /// Command line of the process, with spaces between the words; `None` when it is not readable.
    pub command: Option<String>,
    /// Part of the ring that the listener has not read, 0 to 1.
    pub ring_share: f64,
    /// Whether the ring keeps frames for the listener.
    pub holds_ring: bool,
    /// Effect of killing the listener.
    pub kill_effect: String,
}

impl ListenerLine {
    /// Describes the listeners of `queue`.
    #[must_use]
    pub fn all(queue: &Queue) -> Vec<Self> {
        let info = queue.info();
        let of = |l: &hpcap::queue::ListenerInfo| {
            let status = ListenerStatus::from(l);
            let holds_ring = status.contract == "lossless" && l.demoted.is_none() && !l.killed;
            let uid = Uid::from_raw(l.uid);
            #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
            let ring_share = l.lag_bytes as f64 / info.ring_bytes.max(1) as f64;
            Self {
                queue: info.name.to_string(),
                user: User::from_uid(uid).ok().flatten().map(|user| user.name),
                command: command_line(l.pid),
                ring_share,
                holds_ring,
                kill_effect: kill_effect(info.producer_pid == 0, holds_ring, l.killed, l.lag_bytes),
                status,
            }
        };
        queue.listeners().iter().map(of).collect()
    }
}

/// Reads the command line of process `pid`.
fn command_line(pid: u32) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(COMMAND_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let words = text.trim_end_matches('\0').replace('\0', " ");
    (!words.is_empty()).then_some(words)
}

fn kill_effect(module: bool, holds_ring: bool, killed: bool, lag_bytes: u64) -> String {
    if killed {
        return "it is killed already; its slot is free when its process closes the device".into();
    }
    let ring = match holds_ring {
        true if lag_bytes > 0 => {
            format!("frees {} of the ring for new frames", Bytes(lag_bytes))
        }
        true => "lets the ring wait for it no more".to_owned(),
        false => "changes nothing for the ring, which does not wait for it".to_owned(),
    };
    let slot = match module {
        true => "its slot is free when its process closes the device",
        false => "its slot is free at once",
    };
    format!(
        "{ring}; the process goes on and gets an error at its next call, the {} that it has not \
         read are missing in its files; {slot}",
        Bytes(lag_bytes)
    )
}

/// Writes a line for each listener, and below it the command and what a kill does.
#[must_use]
pub fn text(lines: &[ListenerLine]) -> String {
    if lines.is_empty() {
        return "no listeners\n".into();
    }
    let mut out = format!(
        "{:<9} {:>4}  {:<16} {:>7}  {:<10} {:<9} {:<9} {:>10} {:>5}\n",
        "queue", "id", "listener", "pid", "user", "contract", "state", "lag", "ring"
    );
    for line in lines {
        let l = &line.status;
        let user = line.user.clone().unwrap_or_else(|| l.uid.to_string());
        let contract = match l.max_stall_seconds {
            Some(seconds) => format!("{}:{seconds}s", l.contract),
            None => l.contract.to_owned(),
        };
        let _ = writeln!(
            out,
            "{:<9} {:>4}  {:<16} {:>7}  {:<10} {:<9} {:<9} {:>10} {:>4.0}%",
            line.queue,
            l.id,
            visible(&l.program),
            l.pid,
            visible(&user),
            contract,
            l.state,
            Bytes(l.lag_bytes).to_string(),
            100.0 * line.ring_share
        );
        if let Some(command) = &line.command {
            let _ = writeln!(out, "{:16}command: {}", "", visible(command));
        }
        let _ = writeln!(out, "{:16}a kill {}", "", line.kill_effect);
    }
    out
}

impl Listeners {
    /// Prints the listeners of the queues that can be opened.
    ///
    /// # Errors
    /// Returns the reason why a queue cannot be opened.
    pub fn run(&self) -> Result<()> {
        let survey = Survey::take(self.queue);
        let lines: Vec<ListenerLine> = survey.queues.iter().flat_map(ListenerLine::all).collect();
        let mut out = String::new();
        if self.json {
            for line in &lines {
                out += &json_line(line)?;
            }
        } else if !lines.is_empty() || survey.unseen.is_empty() {
            // A queue that cannot be seen may have listeners.
            out = text(&lines);
        }
        print(&out)?;
        all_seen(survey.unseen)
    }
}
