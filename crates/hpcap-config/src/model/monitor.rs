//! The logger of counters, and where it serves them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hpcap::Error;

/// Where a program serves HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Nowhere,
    /// At this address.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "none" {
            return Ok(Self::Nowhere);
        }
        text.parse().map(Self::At).map_err(|_| {
            Error::usage(
                format!("address {text:?}"),
                "expected an address and a port, such as 127.0.0.1:9742 or [::1]:9742, or none",
            )
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("none"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// The logger of counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Whether counters are logged.
    pub enabled: bool,
    /// Folder of the logs.
    pub basedir: PathBuf,
    /// Time between two lines of the log.
    pub interval: Duration,
    /// CPU of the logger; `None` leaves it unpinned.
    pub cpu: Option<u32>,
    /// Where the page and the metrics are served.
    pub listen: Listen,
    /// Socket in the file system at which the same is served.
    pub socket: Option<PathBuf>,
    /// File for the textfile collector of node_exporter.
    pub textfile: Option<PathBuf>,
    /// Age at which logs are deleted.
    pub keep_age: Duration,
    /// Command of the shell that runs at each event.
    pub event_command: Option<String>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            enabled: true,
            basedir: "/var/log/hpcap".into(),
            interval: Duration::from_secs(1),
            cpu: None,
            listen: Listen::At(SocketAddr::from(([127, 0, 0, 1], 9742))),
            socket: None,
            textfile: None,
            keep_age: Duration::from_secs(90 * 86_400),
            event_command: None,
        }
    }
}
