//! The capturing programs: how to start them, and how to count the frames that they have stored.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use hpcap::{Error, Kind, Result};
use hpcap_source::SourceSpec;

use crate::process::{exists, own};
use crate::run::Said;
use crate::verify::{Findings, verify_capture, verify_files};
use crate::workspace::files_below;

/// A program that captures an interface to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// hpcapdd, through AF_PACKET.
    Hpcapdd,
    /// hpcapdd, through AF_XDP.
    HpcapddAfXdp,
    /// rxtxcpu, with a file for each CPU.
    Rxtxcpu,
    /// tcpdump.
    Tcpdump,
    /// dumpcap, of Wireshark.
    Dumpcap,
    /// netsniff-ng.
    NetsniffNg,
}

impl Tool {
    pub(crate) const ALL: [Self; 6] = [
        Self::Hpcapdd,
        Self::HpcapddAfXdp,
        Self::Rxtxcpu,
        Self::Tcpdump,
        Self::Dumpcap,
        Self::NetsniffNg,
    ];

    /// Returns what the report calls it: the program's name, as a user types it, and for hpcapdd
    /// the source if it is not af_packet.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hpcapdd => "hpcapdd",
            Self::HpcapddAfXdp => "hpcapdd, af_xdp",
            Self::Rxtxcpu => "rxtxcpu",
            Self::Tcpdump => "tcpdump",
            Self::Dumpcap => "dumpcap",
            Self::NetsniffNg => "netsniff-ng",
        }
    }

    /// Returns whether the program is installed, and can capture `interface` in its way.
    pub(crate) fn can_capture(self, interface: &str) -> bool {
        match self {
            Self::Hpcapdd | Self::Rxtxcpu => true,
            Self::HpcapddAfXdp => {
                let source = format!("af_xdp:{interface}").parse::<SourceSpec>();
                source.and_then(|source| source.open()).is_ok()
            }
            _ => exists(self.name()),
        }
    }

    /// Returns why a program cannot capture.
    pub(crate) fn why_missing(self) -> &'static str {
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
    pub(crate) fn command(self, interface: &str, out: &Path) -> Command {
        let mut command = match self {
            Self::Hpcapdd | Self::HpcapddAfXdp => Command::new(own("hpcapdd")),
            Self::Rxtxcpu => Command::new(own("rxtxcpu")),
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
            Self::Rxtxcpu => {
                command.args(["--direction", "rx", "--ring", "64M", interface, "-w"]);
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
    pub(crate) fn has_begun(self, out: &Path) -> bool {
        match self {
            Self::Hpcapdd | Self::HpcapddAfXdp => {
                files_below(out, ".raw.part").is_ok_and(|files| !files.is_empty())
            }
            _ => self.files(out).iter().any(|file| file.exists()),
        }
    }

    /// Returns the files that the program writes if it is told to write `out`.
    pub(crate) fn files(self, out: &Path) -> Vec<PathBuf> {
        if self != Self::Rxtxcpu {
            return vec![out.to_path_buf()];
        }
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let file = |cpu| PathBuf::from(format!("{}-{cpu}", out.display()));
        (0..cpus).map(file).collect()
    }

    /// Counts the generated frames that the program has stored whole and correct.
    pub(crate) fn stored(self, out: &Path) -> Result<u64> {
        let verified = |file: &PathBuf| self.verify(file).map(|found| found.verified);
        self.files(out).iter().map(verified).sum()
    }

    /// Verifies the frames that the program has stored.
    ///
    /// # Errors
    /// When its files cannot be read, or are those of several recordings.
    pub(crate) fn verify(self, out: &Path) -> Result<Findings> {
        if !self.is_ours() {
            return verify_capture(out);
        }
        let mut streams = verify_files(&[out.to_path_buf()], &AtomicBool::new(false))?;
        match (streams.pop(), streams.is_empty()) {
            (Some(found), true) => Ok(found),
            _ => Err(Error::new(
                Kind::Format,
                format!("verify {}", out.display()),
                "the files are not those of one recording",
            )),
        }
    }

    /// Returns the losses that the program reports, by reason; `None` if it says nothing. `found` are the frames in its
    /// files, and `printed` is the text that it has printed.
    pub(crate) fn said_lost(self, found: &Findings, printed: &str) -> Said {
        if self.is_ours() {
            let lost = found.gap_lost.iter().filter(|(_, count)| count.frames > 0);
            return Some(
                lost.map(|(reason, count)| (reason.to_string(), count.frames))
                    .collect(),
            );
        }
        let kernel = printed_losses(self, printed)?;
        Some([("kernel".to_owned(), kernel)].into())
    }
}

/// Finds the number of frames that a program has printed as dropped by the kernel.
fn printed_losses(tool: Tool, printed: &str) -> Option<u64> {
    let before = |line: &str, words: &str| -> Option<u64> {
        let (number, _) = line.split_once(words)?;
        number.split_whitespace().last()?.parse().ok()
    };
    printed.lines().find_map(|line| match tool {
        Tool::Tcpdump => before(line, " packets dropped by kernel")
            .or_else(|| before(line, " packet dropped by kernel")),
        // Packets received/dropped on interface 'eth0': 9/1 (pcap:1/dumpcap:0/flushed:0/ps_ifdrop:0)
        Tool::Dumpcap => {
            let (_, counts) = line.split_once("Packets received/dropped on interface")?;
            let (_, counts) = counts.rsplit_once("': ")?;
            let (_, dropped) = counts.split(' ').next()?.split_once('/')?;
            dropped.parse().ok()
        }
        Tool::NetsniffNg => before(line, " packets failed filter (out of space)"),
        Tool::Hpcapdd | Tool::HpcapddAfXdp | Tool::Rxtxcpu => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_losses_are_found() {
        for (tool, printed, losses) in [
            (
                Tool::Tcpdump,
                "150000 packets captured\n150001 packets received by filter\n12 packets dropped by kernel\n",
                Some(12),
            ),
            (
                Tool::Dumpcap,
                "Packets captured: 9\nPackets received/dropped on interface 'rcv': 9/3 (pcap:3/dumpcap:0/flushed:0/ps_ifdrop:0) (75.0%)\n",
                Some(3),
            ),
            (
                Tool::NetsniffNg,
                "\r           8  packets incoming (1 unread on exit)\n\r           8  packets passed filter\n\r           4  packets failed filter (out of space)\n",
                Some(4),
            ),
            (Tool::Tcpdump, "tcpdump: listening on rcv", None),
        ] {
            assert_eq!(printed_losses(tool, printed), losses, "{printed}");
        }
    }
}
