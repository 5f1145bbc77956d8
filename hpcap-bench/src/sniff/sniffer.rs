//! The sniffers: the programs that each of them consists of, and the lines that it has printed.

use std::path::Path;
use std::process::Command;

use hpcap::error::Context;
use hpcap::{Queue, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::capture::{SETTLE, packet_sockets, wait_for};
use crate::process::{Running, own};
use crate::workspace::Workspace;

/// The queue of hpcapd.
pub(super) const QUEUE: &str = "hpcap0";

/// A way to print the frames of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sniffer {
    /// hpcap-sniff, which prints frames from the ring of hpcapd.
    InPlace,
    /// hpcapdd copies the frames of the ring into a pipe, from which tcpdump prints them.
    Copying,
    /// tcpdump on the interface.
    Tcpdump,
}

/// The programs of a sniffer while they run.
pub(super) struct Sniffing {
    programs: Vec<Running>,
    /// Index of the program that prints.
    printer: usize,
}

impl Sniffer {
    pub(super) const ALL: [Self; 3] = [Self::InPlace, Self::Copying, Self::Tcpdump];

    /// Returns what the report calls it: the programs as a user types them.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InPlace => "hpcapd, hpcap-sniff",
            Self::Copying => "hpcapd, hpcapdd, tcpdump",
            Self::Tcpdump => "tcpdump",
        }
    }

    /// Starts the programs on `interface`, and returns when they see its frames.
    pub(super) fn start(self, interface: &str, workspace: &Workspace) -> Result<Sniffing> {
        let folder = workspace.path();
        let run =
            |command: &mut Command| Running::start(command.env("HPCAP_RUN_DIR", folder), folder);
        let sockets = packet_sockets();
        if self == Self::Tcpdump {
            // The buffer has the size of the ring of hpcapd and of its source.
            let mut command = Command::new("tcpdump");
            command.args(["-n", "-q", "-B", "65536", "-Z", "root", "-i", interface]);
            let programs = vec![run(&mut command)?];
            wait_for("tcpdump captures", || packet_sockets() > sockets)?;
            std::thread::sleep(SETTLE);
            return Ok(Sniffing {
                programs,
                printer: 0,
            });
        }
        let mut daemon = Command::new(own("hpcapd"));
        daemon.args(["--quiet", "--ring", "64M"]);
        let mut programs = vec![run(daemon.arg(format!("af_packet:{interface}")))?];
        let socket = folder.join(format!("{QUEUE}.sock"));
        wait_for("hpcapd serves its queue", || {
            Queue::open(socket.as_path()).is_ok()
        })?;
        match self {
            Self::InPlace => programs.push(run(Command::new(own("hpcap-sniff")).arg(QUEUE))?),
            _ => {
                let pipe = workspace.file("pipe");
                mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).context(|| "make a pipe")?;
                let mut printer = Command::new("tcpdump");
                printer.args(["-n", "-q", "-Z", "root", "-r"]);
                programs.push(run(printer.arg(&pipe))?);
                programs.push(run(&mut copier(&pipe))?);
            }
        }
        wait_for("a listener attaches", || {
            Queue::open(socket.as_path()).is_ok_and(|queue| !queue.listeners().is_empty())
        })?;
        workspace.remove("pipe");
        std::thread::sleep(SETTLE);
        Ok(Sniffing {
            programs,
            printer: 1,
        })
    }
}

/// Returns the command that copies the frames of the queue into `pipe`.
fn copier(pipe: &Path) -> Command {
    // A shell opens the pipe and becomes the recorder.
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$1\" - > \"$2\""]);
    command.arg(own("hpcapdd")).arg(QUEUE).arg(pipe);
    command
}

impl Sniffing {
    /// The programs, in the order in which they were started.
    pub(super) fn programs(&self) -> &[Running] {
        &self.programs
    }

    /// Ends the programs, the last one first, and returns the number of printed lines.
    pub(super) fn stop(&mut self) -> Result<u64> {
        let mut printed = String::new();
        for (n, program) in self.programs.iter_mut().enumerate().rev() {
            program.interrupt();
            program.wait()?;
            if n == self.printer {
                printed = program.stdout();
            }
        }
        // Other lines say what is missing.
        let frames = printed.lines().filter(|line| line.contains(" UDP, length"));
        Ok(frames.count() as u64)
    }
}
