//! The settings of the monitor: those of the command line, else of the configuration, else defaults.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::{QueueName, Result};
use hpcap_config::model::{Listen, Monitor};
use hpcap_config::{Config, DEFAULT_PATH};

use crate::cli::RunOptions;

/// The settings of a running monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether the monitor is to run.
    pub enabled: bool,
    /// Folder of the logs.
    pub basedir: PathBuf,
    /// Time between two samples.
    pub interval: Duration,
    /// Where the page and the metrics are served.
    pub listen: Listen,
    /// Socket in the file system at which the same is served.
    pub socket: Option<PathBuf>,
    /// File for node_exporter's textfile collector.
    pub textfile: Option<PathBuf>,
    /// Age beyond which logs are deleted.
    pub keep_age: Duration,
    /// Command of the shell that runs at each event.
    pub event_command: Option<OsString>,
    /// CPU on which the monitor runs.
    pub cpu: Option<u32>,
    /// Queues that recorders of the configuration record.
    pub recorded: BTreeSet<QueueName>,
    /// Folders into which recorders of the configuration write.
    pub destinations: BTreeSet<PathBuf>,
    /// How to read the settings anew.
    source: Source,
}

/// Where settings come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Source {
    config: Option<PathBuf>,
    given: Given,
}

/// Settings of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Given {
    basedir: Option<PathBuf>,
    interval: Option<Duration>,
    listen: Option<Listen>,
    socket: Option<PathBuf>,
    textfile: Option<PathBuf>,
    keep_age: Option<Duration>,
    event_command: Option<OsString>,
    cpu: Option<u32>,
}

impl RunOptions {
    /// Reads the configuration, and combines it with the options.
    ///
    /// # Errors
    /// Returns errors of the configuration.
    pub fn settings(&self) -> Result<Settings> {
        Settings::read(Source {
            config: self.config.clone(),
            given: Given {
                basedir: self.basedir.clone(),
                interval: self.interval,
                listen: self.listen,
                socket: self.socket.clone(),
                textfile: self.textfile.clone(),
                keep_age: self.keep_age,
                event_command: self.event_command.clone(),
                cpu: self.cpu,
            },
        })
    }
}

impl Settings {
    fn read(source: Source) -> Result<Self> {
        let config = match &source.config {
            Some(path) => hpcap_config::load(path)?.config,
            None if Path::new(DEFAULT_PATH).exists() => {
                hpcap_config::load(Path::new(DEFAULT_PATH))?.config
            }
            None => Config::default(),
        };
        Ok(Self::combine(&config, source))
    }

    /// Reads the configuration anew; options of the command line keep their precedence.
    ///
    /// # Errors
    /// Returns errors of the configuration.
    pub fn reload(&self) -> Result<Self> {
        Self::read(self.source.clone())
    }

    fn combine(config: &Config, source: Source) -> Self {
        let given = source.given.clone();
        let monitor: &Monitor = &config.monitor;
        Self {
            enabled: monitor.enabled,
            basedir: given.basedir.unwrap_or_else(|| monitor.basedir.clone()),
            interval: given.interval.unwrap_or(monitor.interval),
            listen: given.listen.unwrap_or(monitor.listen),
            socket: given.socket.or_else(|| monitor.socket.clone()),
            textfile: given.textfile.or_else(|| monitor.textfile.clone()),
            keep_age: given.keep_age.unwrap_or(monitor.keep_age),
            event_command: given
                .event_command
                .or_else(|| monitor.event_command.clone().map(OsString::from)),
            cpu: given.cpu.or(monitor.cpu),
            recorded: config.recorders.iter().filter_map(|r| r.queue).collect(),
            destinations: config
                .recorders
                .iter()
                .filter_map(|r| r.destination.clone())
                .collect(),
            source,
        }
    }
}
