//! The command line of `vmlab`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use hpcap::units::{parse_duration, parse_size};

use crate::kernel::Kernel;
use crate::machine::{Hugepages, Machine, Trouble, command};

/// Runs programs in a virtual machine with a real kernel and software NICs.
#[derive(Debug, Parser)]
#[command(name = "vmlab", version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Boots a kernel, runs a command in the guest, and ends with its exit code.
    ///
    /// The guest sees the host's file system, read-only: programs, libraries and files are where
    /// they are on the host; what it writes stays in its memory. /out is the folder of --out, /data
    /// the disk of --disk. The programs built together with vmlab are in /hpcap/bin, which is in
    /// PATH, and modprobe finds the modules of the workspace.
    ///
    /// Exit code: that of the command; 1 when the machine failed (an oops, a warning of the kernel,
    /// the time limit), which is said on standard error; 2 for a wrong command line.
    Run(Run),
}

#[derive(Debug, Args)]
struct Run {
    /// The kernel: a series such as 6.1 or 6.12 (scripts/kernels.sh fetch), or a folder.
    #[arg(long, default_value = "6.1")]
    kernel: String,
    /// Memory of the guest.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    mem: u64,
    /// Hugepages, size and number; repeatable.
    #[arg(long, value_name = "SIZE:COUNT", value_parser = parse_hugepages)]
    hugepages: Vec<Hugepages>,
    /// Processors; one with NICs.
    #[arg(long, default_value_t = 1)]
    smp: usize,
    /// A disk of this size with ext4, at /data in the guest.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    disk: Option<u64>,
    /// The folder that is /out in the guest; made when it is missing. The kernel's messages are
    /// written to its file console.log.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How long the machine may live.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    timeout: Duration,
    /// More arguments for the kernel.
    #[arg(long, value_name = "ARGUMENTS")]
    append: Vec<String>,
    /// Our modules, instead of those in target/kmod/RELEASE.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Prints what the kernel says, on standard error.
    #[arg(long, short)]
    verbose: bool,
    /// Afterwards, a shell in the guest.
    #[arg(long)]
    keep: bool,
    /// What runs in the guest.
    #[arg(last = true, required_unless_present = "keep", value_name = "CMD")]
    command: Vec<String>,
}

fn parse_hugepages(text: &str) -> Result<Hugepages, String> {
    let bad = || format!("{text:?} is not SIZE:COUNT, such as 2M:512 or 1G:2");
    let (size, count) = text.split_once(':').ok_or_else(bad)?;
    let size = parse_size(size).map_err(|_| bad())?;
    if size != 2 << 20 && size != 1 << 30 {
        return Err(format!("hugepages have 2M or 1G, not {size} bytes"));
    }
    let count = count.parse().map_err(|_| bad())?;
    Ok(Hugepages { size, count })
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().action {
        Action::Run(run) => run.run(),
    }
}

impl Run {
    fn run(&self) -> ExitCode {
        match self.in_machine() {
            // A code of more than eight bits does not exist.
            Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
            Err(trouble) => {
                eprintln!("vmlab: {trouble}");
                ExitCode::FAILURE
            }
        }
    }

    fn in_machine(&self) -> Result<i32, Trouble> {
        let guest = self.machine()?.boot()?;
        let mut code = 0;
        if !self.command.is_empty() {
            let running = guest.start(&command(self.command.clone()))?;
            code = running.finish(None, &mut io::stdout(), &mut io::stderr())?;
        }
        if self.keep {
            eprintln!("vmlab: the command ended with {code}; a shell in the guest, until exit");
            guest.shell()?;
        }
        guest.shutdown()?;
        Ok(code)
    }

    fn machine(&self) -> Result<Machine, Trouble> {
        let mut machine = Machine::new(Kernel::find(&self.kernel)?)?
            .memory(self.mem)
            .cpus(self.smp)
            .limit((!self.keep).then_some(self.timeout));
        for pages in &self.hugepages {
            machine = machine.hugepages(*pages);
        }
        for argument in &self.append {
            machine = machine.argument(argument);
        }
        if let Some(bytes) = self.disk {
            machine = machine.disk(bytes);
        }
        if let Some(folder) = &self.modules {
            machine = machine.modules(folder);
        }
        if let Some(out) = &self.out {
            let made = std::fs::create_dir_all(out);
            made.map_err(|e| Trouble::Host(format!("{}: {e}", out.display())))?;
            machine = machine.out(out).log(out.join("console.log"));
        }
        if self.verbose {
            machine = machine.log("/dev/stderr");
        }
        Ok(machine)
    }
}
