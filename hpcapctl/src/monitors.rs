//! `hpcapctl monitors`: starts and stops the service that logs the counters, and says whether it works.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use hpcap::{Error, Kind, Result};
use hpcap_config::model::{Listen, Monitor};
use hpcap_config::{DEFAULT_PATH, load};
use nix::unistd::geteuid;
use serde::Serialize;

use crate::change::service;
use crate::change::tool::run_tool;
use crate::output::print;

/// The unit of the monitor.
pub(crate) const UNIT: &str = "hpcap-monitor.service";

/// What to do with the monitor.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  hpcapctl monitors start      log the counters now; `systemctl enable hpcap-monitor` does so at each boot
  hpcapctl monitors status     whether it runs, where its logs are, and how old the newest line is
  hpcapctl monitors stop

The settings are those of [monitor] in /etc/hpcap/hpcap.toml. `status` exits with 1 when the monitor does not run.")]
pub enum MonitorsCommand {
    /// Start logging the counters (root)
    Start,
    /// Stop logging the counters (root)
    Stop,
    /// Say whether the counters are logged, and where
    Status(Status),
}

/// The options of `hpcapctl monitors status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The state of the monitor.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct State {
    /// Whether the service runs.
    running: bool,
    /// State of the service according to systemd: active, inactive, failed.
    state: String,
    /// Whether it starts at each boot.
    at_boot: bool,
    /// Its process.
    pid: Option<u32>,
    /// Folder of the logs.
    logs: PathBuf,
    /// Seconds since the newest log has grown; `None` without a log that may be read.
    newest_seconds: Option<u64>,
    /// Where the metrics are served.
    metrics: Option<String>,
}

impl MonitorsCommand {
    /// Carries out the command, and prints what it did.
    ///
    /// # Errors
    /// The service does not start or stop; the configuration cannot be read.
    pub fn run(&self) -> Result<ExitCode> {
        match self {
            Self::Start => {
                check_privileges()?;
                let monitor = settings()?;
                if !monitor.enabled {
                    let tried = "start the monitor";
                    let why = format!("{DEFAULT_PATH} says enabled = false in [monitor]");
                    return Err(Error::new(Kind::Usage, tried, why)
                        .advise("remove the line, and try again"));
                }
                service::start(UNIT)?;
                print(&describe(&State::read(&monitor)))?;
            }
            Self::Stop => {
                check_privileges()?;
                service::stop(UNIT)?;
                print("the monitor is stopped: nothing is logged\n")?;
            }
            Self::Status(status) => {
                let state = State::read(&settings()?);
                let text = match status.json {
                    true => format!("{}\n", serde_json::json!(state)),
                    false => describe(&state),
                };
                print(&text)?;
                return Ok(ExitCode::from(u8::from(!state.running)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check_privileges() -> Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    let why = "only root may start and stop services";
    Err(Error::new(Kind::Permission, "change the system", why).advise("use sudo"))
}

/// The settings of the configuration, or the defaults without one.
fn settings() -> Result<Monitor> {
    match load(Path::new(DEFAULT_PATH)) {
        Ok(document) => Ok(document.config.monitor),
        Err(e) if e.kind() == Kind::NotFound => Ok(Monitor::default()),
        Err(e) => Err(e),
    }
}

impl State {
    fn read(monitor: &Monitor) -> Self {
        let shown = run_tool(
            "systemctl",
            &["show", UNIT, "-p", "ActiveState,UnitFileState,MainPID"],
        );
        let shown = shown.unwrap_or_default();
        Self::of(&shown, monitor, newest(&monitor.basedir))
    }

    /// Returns the state for `shown`, the properties that systemd prints.
    fn of(shown: &str, monitor: &Monitor, newest: Option<SystemTime>) -> Self {
        let values: BTreeMap<&str, &str> = shown
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let value = |name: &str| values.get(name).copied().unwrap_or_default();
        let state = match value("ActiveState") {
            "" => "unknown, because systemd does not run",
            state => state,
        };
        Self {
            running: state == "active",
            state: state.to_owned(),
            at_boot: value("UnitFileState") == "enabled",
            pid: value("MainPID").parse().ok().filter(|pid| *pid != 0),
            logs: monitor.basedir.clone(),
            newest_seconds: newest
                .and_then(|time| SystemTime::now().duration_since(time).ok())
                .map(|age| age.as_secs()),
            metrics: match monitor.listen {
                Listen::Nowhere => None,
                Listen::At(address) => Some(format!("http://{address}/metrics")),
            },
        }
    }
}

/// When the newest file in the folder of the logs, or in a folder of a week, was written to.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let all = entries(folder).flat_map(|entry| {
        let below: Vec<_> = entries(&entry.path()).collect();
        below.into_iter().chain([entry])
    });
    all.filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .filter_map(|found| found.modified().ok())
        .max()
}

fn describe(state: &State) -> String {
    let mut text = match (state.running, state.pid) {
        (true, Some(pid)) => format!("the monitor runs, pid {pid}\n"),
        (true, None) => "the monitor runs\n".to_owned(),
        (false, _) => format!("the monitor does not run ({})\n", state.state),
    };
    let boot = match state.at_boot {
        true => "it starts at each boot",
        false => "it does not start by itself at boot: systemctl enable hpcap-monitor",
    };
    let _ = writeln!(text, "  boot     {boot}");
    let age = match state.newest_seconds {
        Some(seconds) => format!("the newest line is {seconds} s old"),
        None => "there is no log that you may read".to_owned(),
    };
    let logs = state.logs.display().to_string();
    let _ = writeln!(text, "  logs     {}: {age}", hpcap::visible(&logs));
    let metrics = state.metrics.as_deref().unwrap_or("not served");
    let _ = writeln!(text, "  metrics  {metrics}");
    if !state.running {
        text.push_str("  start it: hpcapctl monitors start\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_monitor_is_described() {
        let shown = "MainPID=412\nActiveState=active\nUnitFileState=enabled\n";
        let state = State::of(shown, &Monitor::default(), None);
        assert!(state.running && state.at_boot);
        assert_eq!(state.pid, Some(412));
        insta::assert_snapshot!(describe(&state));
    }

    #[test]
    fn failed_monitor_has_the_next_command() {
        let shown = "MainPID=0\nActiveState=failed\nUnitFileState=disabled\n";
        let monitor = Monitor {
            listen: Listen::Nowhere,
            ..Monitor::default()
        };
        insta::assert_snapshot!(describe(&State::of(shown, &monitor, None)));
    }

    #[test]
    fn age_follows_the_newest_log() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest(dir.path()), None);
        let week = dir.path().join("2026-48");
        std::fs::create_dir(&week).unwrap();
        let old = std::fs::File::create(dir.path().join("events.jsonl")).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let new = std::fs::File::create(week.join("hpcap0")).unwrap();
        let written = new.metadata().unwrap().modified().unwrap();
        assert_eq!(newest(dir.path()), Some(written));
    }
}
