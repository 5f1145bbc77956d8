//! The target of a measurement, which captures: `hpcapd` with programs that read its queue, or a program that writes
//! files.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use hpcap::{Error, Result};
use hpcap_source::SourceSpec;

use crate::capture::Tool;
use crate::process::own;

/// The way in which `hpcapd` captures an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// AF_PACKET.
    AfPacket,
    /// AF_XDP.
    AfXdp,
}

/// A program that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `hpcapd`, whose queue programs read while it captures.
    Queue(Engine),
    /// A program that writes files.
    Files(Tool),
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 7] = [
        Self::Queue(Engine::AfPacket),
        Self::Queue(Engine::AfXdp),
        Self::Files(Tool::Hpcapdd),
        Self::Files(Tool::HpcapddAfXdp),
        Self::Files(Tool::Tcpdump),
        Self::Files(Tool::Dumpcap),
        Self::Files(Tool::NetsniffNg),
    ];

    /// Returns the name in results and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue(Engine::AfPacket) => "hpcapd:af_packet",
            Self::Queue(Engine::AfXdp) => "hpcapd:af_xdp",
            Self::Files(Tool::Hpcapdd) => "hpcapdd:af_packet",
            Self::Files(Tool::HpcapddAfXdp) => "hpcapdd:af_xdp",
            Self::Files(tool) => tool.name(),
        }
    }

    /// Whether programs read from it while it captures.
    #[must_use]
    pub fn has_consumers(self) -> bool {
        matches!(self, Self::Queue(_))
    }

    /// Returns why the target cannot capture `interface` here; `None` if it can.
    #[must_use]
    pub fn why_not(self, interface: &str) -> Option<&'static str> {
        let tool = match self {
            Self::Queue(Engine::AfPacket) => Tool::Hpcapdd,
            Self::Queue(Engine::AfXdp) => Tool::HpcapddAfXdp,
            Self::Files(tool) => tool,
        };
        (!tool.can_capture(interface)).then(|| tool.why_missing())
    }
}

impl Engine {
    /// Returns the source that captures `interface`.
    fn source(self, interface: &str) -> String {
        match self {
            Self::AfPacket => format!("af_packet:{interface}"),
            Self::AfXdp => format!("af_xdp:{interface}"),
        }
    }

    /// Returns the command that serves `interface` as the queue hpcap0, with sockets in `folder`.
    pub(super) fn command(self, interface: &str, folder: &Path, dedup: bool) -> Result<Command> {
        let source: SourceSpec = self.source(interface).parse()?;
        let mut command = Command::new(own("hpcapd"));
        command.arg("--quiet").arg("--run-dir").arg(folder);
        if dedup {
            command.args(["--dedup", "on"]);
        }
        command.arg(format!("hpcap0={source}"));
        Ok(command)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|target| target.name() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|target| target.name()).collect();
            Error::usage(
                format!("target {text:?}"),
                format!("expected one of {}", names.join(", ")),
            )
        })
    }
}
