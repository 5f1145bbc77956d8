//! The command line of `hpcap-status`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use hpcap::units::parse_duration;
use hpcap::{Error, Result};
use hpcap_cli::Hint;

/// Shows whether frames are being lost, where, since when and why: a dashboard of all queues of this
/// machine, of the kernel module and of hpcapd alike.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "hpcap-status",
    version = hpcap_cli::VERSION,
    after_help = "\
Examples:
  hpcap-status                     the dashboard; ? explains every term and key
  hpcap-status --interval 100ms    ten screens a second
  hpcap-status --once              one picture as text, as into a mail
  hpcap-status --json              one JSON object with everything
  hpcap-status --watch             a line for each queue, every second, until it is stopped
  hpcap-status --watch --json      one JSON object every second

Without a terminal, hpcap-status does what --once does. NO_COLOR=1 switches colours off.

Exit codes: 0 done, 1 failed or (with --once or --json) a queue could not be seen, 2 usage."
)]
pub struct Cli {
    /// Print one picture as text, and end
    #[arg(long, conflicts_with = "watch")]
    pub once: bool,

    /// Print a line for each queue at each interval, until it is stopped
    #[arg(long)]
    pub watch: bool,

    /// Print JSON: one object, or one at each interval with --watch
    #[arg(long)]
    pub json: bool,

    /// Time between two screens or lines, from 100ms on
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,

    /// Configuration, which says where hpcap-monitor has its logs [default: /etc/hpcap/hpcap.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder of the logs of hpcap-monitor, from which the history before the start comes, or `none`
    /// [default: /var/log/hpcap]
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
}

/// Advice for options of other programs that hpcap-status does not have.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["-n", "-d", "--delay", "-i"],
        advice: "the time between two screens is --interval TIME",
    },
    Hint {
        options: &["-b", "--batch", "-1"],
        advice: "one picture as text is --once",
    },
    Hint {
        options: &["-q", "--queue"],
        advice: "hpcapctl status QUEUE shows a single queue",
    },
];

/// Parses the time between two screens.
fn parse_interval(text: &str) -> Result<Duration> {
    let interval = parse_duration(text)?;
    let allowed = Duration::from_millis(100)..=Duration::from_secs(3600);
    if allowed.contains(&interval) {
        return Ok(interval);
    }
    Err(Error::usage(
        format!("interval {text:?}"),
        "expected a time from 100ms to 1h",
    ))
}
