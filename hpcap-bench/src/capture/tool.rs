//! The capturing programs: how to start them, and how to count the frames that they have stored.

use std::path::Path;
use std::process::Command;

use hpcap::Result;
use hpcap::pcapfile;
use hpcap::raw::{self, Event};
use hpcap_source::SourceSpec;
use hpcap_source::generator::verify_cut;

use crate::process::{exists, own};
use crate::workspace::files_below;

/// A program that captures an interface to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Hpcapdd,
    HpcapddAfXdp,
    Tcpdump,
    Dumpcap,
    NetsniffNg,
}

impl Tool {
    pub(super) const ALL: [Self; 5] = [
        Self::Hpcapdd,
        Self::HpcapddAfXdp,
        Self::Tcpdump,
        Self::Dumpcap,
        Self::NetsniffNg,
    ];

    /// Returns what the report calls it: the program's name, as a user types it, and for hpcapdd
    /// the source if it is not af_packet.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hpcapdd => "hpcapdd",
            Self::HpcapddAfXdp => "hpcapdd, af_xdp",
            Self::Tcpdump => "tcpdump",
            Self::Dumpcap => "dumpcap",
            Self::NetsniffNg => "netsniff-ng",
        }
    }

    /// Returns whether the program is installed, and can capture `interface` in its way.
    pub(super) fn can_capture(self, interface: &str) -> bool {
        match self {
            Self::Hpcapdd => true,
            Self::HpcapddAfXdp => {
                let source = format!("af_xdp:{interface}").parse::<SourceSpec>();
                source.and_then(|source| source.open()).is_ok()
            }
            _ => exists(self.name()),
        }
    }

    /// Returns why a program cannot capture.
    pub(super) fn why_missing(self) -> &'static str {
        match self {
            Self::HpcapddAfXdp => "AF_XDP does not work here",
            _ => "not installed",
        }
    }

    fn is_ours(self) -> bool {
        matches!(self, Self::Hpcapdd | Self::HpcapddAfXdp)
    }

    /// Returns the command that captures `interface` to `out`. Each program gets 64 MiB for the
    /// frames that wait in the kernel, which is the default of hpcapdd with af_packet.
    pub(super) fn command(self, interface: &str, out: &Path) -> Command {
        let mut command = match self {
            Self::Hpcapdd | Self::HpcapddAfXdp => Command::new(own("hpcapdd")),
            _ => Command::new(self.name()),
        };
        match self {
            Self::Hpcapdd => {
                command.args(["--quiet", "--source"]);
                command.arg(format!("af_packet:{interface}"));
            }
            Self::HpcapddAfXdp => {
                command.args(["--quiet", "--source"]);
                command.arg(format!("af_xdp:{interface},frames=32768"));
            }
            // As root, tcpdump would change to a user who must not write to this folder.
            Self::Tcpdump => {
                command.args(["-i", interface, "-n", "-B", "65536", "-Z", "root", "-w"]);
            }
            Self::Dumpcap => {
                command.args(["-q", "-i", interface, "-B", "64", "-w"]);
            }
            Self::NetsniffNg => {
                command.args([
                    "--silent",
                    "--notouch-irq",
                    "--no-sock-mem",
                    "--in",
                    interface,
                ]);
                command.args(["--ring-size", "64MiB", "--out"]);
            }
        }
        command.arg(out);
        command
    }

    /// Returns whether the program has created its output at `out`.
    pub(super) fn has_begun(self, out: &Path) -> bool {
        match self {
            Self::Hpcapdd | Self::HpcapddAfXdp => {
                files_below(out, ".raw.part").is_ok_and(|files| !files.is_empty())
            }
            _ => out.exists(),
        }
    }

    /// Counts the generated frames that the program has stored whole and correct.
    pub(super) fn stored(self, out: &Path) -> Result<u64> {
        let mut frames = 0;
        if self.is_ours() {
            for path in files_below(out, ".raw")? {
                let mut reader = raw::Reader::open(&path)?;
                while let Some(event) = reader.next()? {
                    if let Event::Frame(frame) = event {
                        frames += u64::from(is_good(frame.data, usize::from(frame.len)));
                    }
                }
            }
        } else {
            let mut reader = pcapfile::Reader::open(out)?;
            while let Some(frame) = reader.next()? {
                frames += u64::from(is_good(frame.data, frame.len as usize));
            }
        }
        Ok(frames)
    }
}

fn is_good(data: &[u8], len: usize) -> bool {
    verify_cut(data, len).is_some()
}
