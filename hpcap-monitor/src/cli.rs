//! The command line of `hpcap-monitor`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use hpcap::time::parse_time;
use hpcap::units::parse_duration;
use hpcap::{Error, Result, Timestamp};
use hpcap_cli::Hint;
use hpcap_config::model::Listen;

/// Logs and publishes the counters of queues and network interfaces, and says when frames are lost.
#[derive(Debug, Parser)]
#[command(
    name = "hpcap-monitor",
    version = hpcap_cli::VERSION,
    after_help = "\
Examples:
  hpcap-monitor run                        log to /var/log/hpcap, serve http://127.0.0.1:9742/
  hpcap-monitor run --basedir /tmp/log     log to another folder
  hpcap-monitor report hpcap0              what the log says of hpcap0
  hpcap-monitor report hpcap0 --from 2026-11-29 --json

Exit codes: 0 done, 1 failed, 2 usage."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `hpcap-monitor` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sample, log and publish the counters until it is stopped
    Run(RunOptions),
    /// Report speed and losses from a log
    Report(ReportOptions),
}

/// Options of `hpcap-monitor run`. Options that are not given are those of the configuration.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcap-monitor run
  hpcap-monitor run --interval 10s --listen none --textfile /var/lib/node_exporter/hpcap.prom

Signals: SIGINT and SIGTERM stop the monitor, SIGHUP reads the configuration anew, SIGUSR1
prints how much was sampled and logged.")]
pub struct RunOptions {
    /// Configuration, of which the section `monitor` counts [default: /etc/hpcap/hpcap.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder of the logs [default: /var/log/hpcap]
    #[arg(long, value_name = "DIR")]
    pub basedir: Option<PathBuf>,

    /// Time between two samples, from 100ms on [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = parse_interval)]
    pub interval: Option<Duration>,

    /// Address at which the page and /metrics are served, or `none` [default: 127.0.0.1:9742]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<Listen>,

    /// Also serve them at this socket, for a proxy on this machine
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// Also write the metrics into this file, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub textfile: Option<PathBuf>,

    /// Delete logs that are older [default: 90d]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub keep_age: Option<Duration>,

    /// Run this command of the shell at each event, which it gets as JSON in $HPCAP_EVENT
    #[arg(long, value_name = "COMMAND")]
    pub event_command: Option<OsString>,

    /// Run on this CPU
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<u32>,
}

/// Options of `hpcap-monitor report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcap-monitor report hpcap0                          all of its log
  hpcap-monitor report hpcap0 --from 2026-11-29T03:00  of last night
  hpcap-monitor report hpcap0 --html night.html        with charts, for a browser
  hpcap-monitor report /var/log/hpcap/2026-48/hpcap0   of one file
  hpcap-monitor report old/2017-06/hpcap0 --bytes      of a log of the original HPCAP")]
pub struct ReportOptions {
    /// A log, or the name of an interface or adapter whose logs are in DIR
    #[arg(value_name = "LOG|IFACE")]
    pub log: PathBuf,

    /// Folder of the logs
    #[arg(long, value_name = "DIR", default_value = "/var/log/hpcap")]
    pub basedir: PathBuf,

    /// Leave out what was before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub from: Option<Timestamp>,

    /// Leave out what was at this time or later
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub to: Option<Timestamp>,

    /// The second and fourth columns count bytes, as those of the original HPCAP do
    #[arg(long)]
    pub bytes: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Also write a chart of speed and losses into this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Also write the chart into this file, as PNG
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,

    /// Also write a page with the whole report into this file, as HTML
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Advice for options of other programs that hpcap-monitor does not have.
pub const HINTS: &[Hint] = &[
    Hint {
        options: &["--web.listen-address", "--port", "-p"],
        advice: "the address of the metrics is --listen ADDRESS:PORT",
    },
    Hint {
        options: &["--watch", "--status"],
        advice: "hpcapctl status --watch shows rates on a terminal",
    },
];

/// Parses the time between two samples.
fn parse_interval(text: &str) -> Result<Duration> {
    let interval = parse_duration(text)?;
    let allowed = Duration::from_millis(100)..=Duration::from_secs(86_400);
    if allowed.contains(&interval) {
        return Ok(interval);
    }
    Err(Error::usage(
        format!("interval {text:?}"),
        "expected a time from 100ms to 1d",
    ))
}
