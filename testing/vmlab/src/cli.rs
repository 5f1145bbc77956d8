//! The command line of `vmlab`.

mod debugger;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use hpcap::units::{parse_duration, parse_size};
use hpcap_source::SourceSpec;

use crate::kernel::{Kernel, build_folder};
use crate::machine::{Hugepages, Machine, MachineError, NicSpec, System, command};
use crate::traffic::{Lab, proof};
use debugger::Debugger;

/// Runs programs in a virtual machine with a real kernel and software NICs.
#[derive(Debug, Parser)]
#[command(name = "vmlab", version = hpcap_cli::VERSION)]
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
    Run(Box<Run>),
    /// Proves that recordings have every frame that a NIC was sent.
    ///
    /// Compares RAW files byte for byte with the frames that the record names, and what is missing
    /// with the gaps in the files. Exit code: 0 proven, 1 not, 2 for a wrong command line.
    Prove {
        /// The record of a NIC that the lab wrote: nicN.record.json.
        record: PathBuf,
        /// The RAW files, or folders of them.
        #[arg(required = true)]
        raw: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// The kernel: a series such as 6.1, `newest` (scripts/kernels.sh fetch), or a folder.
    #[arg(long, default_value = "6.1")]
    kernel: String,
    /// A NIC: 82599, 82599vf, igb (which QEMU emulates: scripts/qemu.sh), or none; repeatable. An address may follow:
    /// 82599,mac=02:00:00:00:00:01. The first is at PCI address 00:08.0.
    #[arg(long, value_name = "NIC", value_parser = parse_nic)]
    nic: Vec<WantedNic>,
    /// Frames for every NIC, as soon as its interface is up: gen:size=60,count=1000000,
    /// pcap:FILE... (docs/sources.md). Without it, `lab traffic start SPEC` in the guest.
    #[arg(long, value_name = "SPEC")]
    traffic: Option<SourceSpec>,
    /// Frames are sent as fast as possible, whether the NIC has room or not. Without it, a source
    /// with a rate keeps to it, and one without waits for room.
    #[arg(long, requires = "traffic")]
    flood: bool,
    /// Memory of the guest.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    mem: u64,
    /// Hugepages, size and number; repeatable.
    #[arg(long, value_name = "SIZE:COUNT", value_parser = parse_hugepages)]
    hugepages: Vec<Hugepages>,
    /// Processors; one with NICs other than igb.
    #[arg(long, default_value_t = 1)]
    smp: usize,
    /// A disk of this size with ext4, at /data in the guest.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    disk: Option<u64>,
    /// The folder that is /out in the guest; made when it is missing. What the kernel said is
    /// written to its file console.log, what became of each frame to nicN.record.json.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How long the machine may live.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    timeout: Duration,
    /// A system that is installed on a disk, instead of the host's root folder: the folder of an image of
    /// scripts/debian-image.sh, whose kernel is booted. The host's file system is at /host. What the guest writes
    /// stays in the file of --system-disk.
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["disk", "modules", "kernel"], requires = "system_disk")]
    system: Option<PathBuf>,
    /// The disk of --system; copied from the image when it is missing.
    #[arg(long, value_name = "FILE", requires = "system")]
    system_disk: Option<PathBuf>,
    /// More arguments for the kernel.
    #[arg(long, value_name = "ARGUMENTS")]
    append: Vec<String>,
    /// Our modules, instead of those in target/kmod/RELEASE.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Prints what the kernel says, on standard error.
    #[arg(long, short)]
    verbose: bool,
    /// Waits for gdb on this TCP port before the kernel starts, and says how to attach it. There is
    /// no time limit then.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "1234", require_equals = true)]
    gdb: Option<u16>,
    /// Afterwards, a shell in the guest. There is no time limit then.
    #[arg(long)]
    keep: bool,
    /// The command that runs in the guest.
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

/// The value of `--nic`. The value `none` adds no NIC; scripts use it to pass the option always.
#[derive(Debug, Clone, Copy)]
struct WantedNic(Option<NicSpec>);

fn parse_nic(text: &str) -> hpcap::Result<WantedNic> {
    NicSpec::parse(text).map(WantedNic)
}

/// Runs the program. Returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().action {
        Action::Run(run) => run.run(),
        Action::Prove { record, raw } => ExitCode::from(proof::run(&record, &raw)),
    }
}

impl Run {
    fn run(&self) -> ExitCode {
        match self.in_machine() {
            // An exit code has eight bits.
            Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
            Err(error) => {
                eprintln!("vmlab: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn in_machine(&self) -> Result<i32, MachineError> {
        let folder = match &self.out {
            Some(out) => out.clone(),
            None => build_folder()?.join("vmlab"),
        };
        let made = std::fs::create_dir_all(&folder);
        made.map_err(|e| MachineError::Host(format!("{}: {e}", folder.display())))?;
        let machine = self.machine()?;
        let (machine, lab) = self.with_nics(machine, &folder)?;
        let code = self.in_guest(machine, &lab);
        if self.out.is_some() {
            // The records are written even when the machine failed, because they help to find the
            // cause.
            lab.finish(&folder).map_err(host)?;
        }
        code
    }

    fn in_guest(&self, mut machine: Machine, lab: &Lab) -> Result<i32, MachineError> {
        let debugger = match self.gdb {
            Some(port) => Some(Debugger::prepare(machine.kernel(), port)?),
            None => None,
        };
        if let (Some(port), Some(debugger)) = (self.gdb, &debugger) {
            machine = machine.debugger(port);
            debugger.invite();
        }
        let guest = machine.boot()?;
        if let Some(debugger) = &debugger {
            debugger.follow(&guest)?;
        }
        if self.traffic.is_some() {
            lab.begin(self.flood).map_err(host)?;
        }
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

    fn nics(&self) -> impl Iterator<Item = NicSpec> {
        self.nic.iter().filter_map(|wanted| wanted.0)
    }

    fn with_nics(
        &self,
        mut machine: Machine,
        folder: &Path,
    ) -> Result<(Machine, Arc<Lab>), MachineError> {
        let mut lab = Lab::new(self.traffic.clone(), folder);
        for nic in self.nics() {
            machine = machine.lab_nic(nic, &mut lab).map_err(host)?;
        }
        let lab = Arc::new(lab);
        let machine = machine.handler(Arc::clone(&lab) as Arc<_>);
        Ok((machine, lab))
    }

    fn machine(&self) -> Result<Machine, MachineError> {
        let endless = self.keep || self.gdb.is_some();
        let system = match (&self.system, &self.system_disk) {
            (Some(image), Some(disk)) if disk.exists() => Some(System::open(image, disk)?),
            (Some(image), Some(disk)) => Some(System::copy(image, disk)?),
            _ => None,
        };
        let kernel = match &system {
            Some(system) => system.kernel().clone(),
            None => Kernel::find(&self.kernel)?,
        };
        let mut machine = Machine::new(kernel)?
            .memory(self.mem)
            .cpus(self.smp)
            .limit((!endless).then_some(self.timeout));
        if let Some(system) = system {
            machine = machine.system(system);
        }
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
            machine = machine.out(out).log(out.join("console.log"));
        }
        Ok(machine.verbose(self.verbose))
    }
}

/// Converts an error of the library into one of a machine.
fn host(e: hpcap::Error) -> MachineError {
    MachineError::Host(e.to_string())
}
