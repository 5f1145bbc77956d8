//! `hpcapctl status`: the queues of this machine, whether the kernel module or a daemon serves them.

mod opener;
mod overview;
mod watch;

use std::time::Duration;

use clap::Args;
use hpcap::report::{Survey, json_line};
use hpcap::units::parse_duration;
use hpcap::{Error, QueueName, Result};
use hpcap_host::Tree;

use crate::output::print;
use crate::up::check_versions;

pub use overview::{LinkState, Overview, describe_modules};
pub use watch::watch;

/// Which queues are shown, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl status                    every queue, its ledger, its listeners
  hpcapctl status hpcap0 --watch     its rates, every second
  hpcapctl status --json             one JSON object for each queue")]
pub struct Status {
    /// Such as hpcap0 or hpcap0:1
    pub queue: Option<QueueName>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
    /// Show rates, every second or so often, until it is stopped
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true,
          default_missing_value = "1s", value_parser = parse_interval)]
    pub watch: Option<Duration>,
}

/// Parses the time between two lines of `status --watch`.
fn parse_interval(text: &str) -> Result<Duration> {
    let interval = parse_duration(text)?;
    if interval < Duration::from_millis(100) {
        return Err(Error::usage(
            format!("time {text:?}"),
            "expected at least 100ms between two looks",
        ));
    }
    Ok(interval)
}

impl Status {
    /// Prints the queues that can be opened, and fails if another queue cannot be opened; or prints
    /// rates until it is stopped.
    ///
    /// # Errors
    /// Returns the reason why a queue cannot be opened.
    pub fn run(&self) -> Result<()> {
        if let Some(interval) = self.watch {
            return watch(self.queue, self.json, interval, print, |text| {
                hpcap_cli::say(format_args!("hpcapctl: {text}"));
            });
        }
        let report = report(self.queue, self.json)?;
        print(&report.text)?;
        all_seen(report.unseen)
    }
}

/// Prints why queues could not be opened, and fails with the last reason if there is one.
pub(crate) fn all_seen(mut unseen: Vec<Error>) -> Result<()> {
    let last = unseen.pop();
    for e in unseen {
        hpcap_cli::say(format_args!("hpcapctl: {e}"));
    }
    last.map_or(Ok(()), Err)
}

/// The text to print, and the reasons why it is not complete.
#[derive(Debug)]
pub struct StatusText {
    /// A report of each queue that could be opened.
    pub text: String,
    /// The reasons why other queues are not in the text.
    pub unseen: Vec<Error>,
}

/// Reports the queue `only`, or every queue of this machine, as text or as one JSON object per line.
///
/// # Errors
/// [`hpcap::Kind::Io`] if a report cannot be written as JSON.
pub fn report(only: Option<QueueName>, json: bool) -> Result<StatusText> {
    let survey = Survey::take(only);
    let mut text = String::new();
    let tree = Tree::machine();
    for queue in Overview::of_all(&tree, &survey.queues) {
        text += &match json {
            true => json_line(&queue)?,
            false => queue.to_string(),
        };
    }
    if !json {
        text += &describe_modules(&tree);
    }
    let mut unseen = survey.unseen;
    unseen.extend(check_versions(&tree).err());
    if survey.queues.is_empty() && unseen.is_empty() && !json {
        text.push_str(
            "no queue is served on this machine (hpcapd af_packet:INTERFACE starts one)\n",
        );
    }
    Ok(StatusText { text, unseen })
}
