//! A running machine: commands, their output, and its end.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::qemu::{Files, MOST_IGB, MOST_NICS, NicFile, Qemu};
use super::session::{Host, Running, command};
use super::watch::Watch;
use super::{Attached, Machine, MachineError, disk, initramfs};
use crate::channel::{Command, Kind};
use crate::guest::Setup;
use crate::kernel::{build_folder, programs_folder};
use crate::pci::proxy;

/// Longest time that a machine may take to switch itself off.
const END: Duration = Duration::from_secs(20);

/// The same for an installed system, which stops its services first.
const END_OF_SYSTEM: Duration = Duration::from_secs(120);

/// A running machine that takes commands. Dropping this value ends the machine.
#[derive(Debug)]
pub struct Guest {
    qemu: Qemu,
    watch: Arc<Watch>,
    host: Arc<Host>,
    threads: Vec<JoinHandle<()>>,
    end: Duration,
}

/// The output and exit code of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 plus the signal number if a signal ended the command.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Starts a machine and waits until it takes commands.
pub(super) fn boot(machine: Machine) -> Result<Guest, MachineError> {
    let os = |e: std::io::Error| MachineError::host(format!("starting a machine: {e}"));
    check(&machine)?;
    let first = programs_folder()?.join("lab");
    if !first.exists() {
        let message = format!(
            "{} is not built\n  Build it: cargo build -p vmlab",
            first.display()
        );
        return Err(MachineError::Missing(message));
    }
    let (initramfs, disk) = match &machine.system {
        Some(system) => (system.initrd()?, Some(system.disk()?)),
        None => first_files(&machine, &first)?,
    };
    let (ours, theirs) = UnixStream::pair().map_err(os)?;
    let mut proxies = Vec::new();
    let mut nics = Vec::new();
    for nic in &machine.nics {
        nics.push(match nic {
            Attached::Model(nic) => {
                let (ours, theirs) = UnixStream::pair().map_err(os)?;
                proxies.push((Arc::clone(nic), ours));
                NicFile::Model(theirs.into())
            }
            Attached::Igb(mac, wire) => NicFile::Igb(*mac, wire.try_clone().map_err(os)?.into()),
        });
    }
    let files = Files {
        initramfs,
        disk,
        channel: theirs.into(),
        interrupts: machine.interrupts.1.try_clone().map_err(os)?.into(),
        nics,
    };
    let end = match machine.system {
        Some(_) => END_OF_SYSTEM,
        None => END,
    };
    let watch = Arc::new(Watch::new(&machine)?);
    let (qemu, console, errors) = Qemu::start(&machine, files)?;
    // Only QEMU holds the other ends now, so this side notices when QEMU ends.
    let Machine {
        interrupts,
        handler,
        limit,
        nics,
        ..
    } = machine;
    drop((interrupts, nics));
    let mut threads = watch
        .start(qemu.life(), console, errors, limit)
        .map_err(os)?;
    for (nic, socket) in proxies {
        let watch = Arc::clone(&watch);
        let serve = move || {
            if let Err(e) = proxy::serve(&nic, socket) {
                watch.report(&format!("a NIC stopped answering: {e}\n"));
            }
        };
        threads.push(spawn("nic", serve).map_err(os)?);
    }
    let host = Arc::new(Host::new(ours.try_clone().map_err(os)?, handler));
    let (ready, is_ready) = channel();
    let listening = (Arc::clone(&host), Arc::clone(&watch));
    let listen = move || listening.0.listen(ours, &ready, &listening.1);
    threads.push(spawn("channel", listen).map_err(os)?);
    let mut guest = Guest {
        qemu,
        watch,
        host,
        threads,
        end,
    };
    match is_ready.recv() {
        Ok(()) => Ok(guest),
        Err(_) => Err(guest.explain()),
    }
}

/// Makes the first file system and the disk of a guest that has the host's root folder.
fn first_files(machine: &Machine, first: &Path) -> Result<(Vec<u8>, Option<File>), MachineError> {
    let tree = machine.module_tree()?;
    let setup = Setup {
        modules: Vec::new(),
        module_tree: Some(tree.folder.clone()),
        programs: Some(machine.programs_folder()?),
        out: machine.out.is_some(),
        disk: machine.disk.is_some(),
        hugepages: machine.hugepages.iter().map(|pages| pages.size).collect(),
    };
    let disks = || build_folder().map(|target| target.join("vmlab"));
    let disk = machine
        .disk
        .map(|bytes| disk::make(bytes, &disks()?))
        .transpose()?;
    Ok((initramfs::make(first, &tree, setup)?, disk))
}

fn check(machine: &Machine) -> Result<(), MachineError> {
    let of_ours = |nic: &Attached| matches!(nic, Attached::Model(_));
    if machine.nics.iter().any(of_ours) && machine.cpus != 1 {
        let why = "QEMU lets no second processor reach a NIC of the lab while one waits for it";
        return Err(MachineError::host(format!(
            "a machine with NICs other than igb has one processor: {why}"
        )));
    }
    if machine.nics.len() > MOST_NICS {
        return Err(MachineError::host(format!(
            "a machine has at most {MOST_NICS} NICs"
        )));
    }
    if machine.nics.iter().skip(MOST_IGB).any(|nic| !of_ours(nic)) {
        return Err(MachineError::host(format!(
            "NICs igb are among the first {MOST_IGB} of a machine: others have no room for the addresses of their virtual functions"
        )));
    }
    Ok(())
}

pub(super) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

impl Guest {
    /// Runs a command until it ends and collects its output. The command runs in the current folder of
    /// this program, with those of its environment variables that begin with `HPCAP_` or `RUST_`.
    ///
    /// # Errors
    /// The error of the machine, or [`MachineError::TimeLimit`] when the command takes longer than `limit`;
    /// it is killed then, and the machine goes on. An exit code is no error.
    pub fn run(&self, args: &[&str], limit: Duration) -> Result<Output, MachineError> {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut output = Output::default();
        let running = self.start(&command(args))?;
        output.code = running.finish(Some(limit), &mut output.stdout, &mut output.stderr)?;
        Ok(output)
    }

    /// Starts a command.
    ///
    /// # Errors
    /// The error of the machine.
    pub fn start(&self, command: &Command) -> Result<Running, MachineError> {
        self.host.start(command, &self.watch)
    }

    /// Sends bytes that were typed on a command's terminal.
    pub(super) fn input(&self, id: u32, bytes: &[u8]) -> std::io::Result<()> {
        self.host.send(Kind::Input, id, bytes)
    }

    /// Returns the console log so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.watch.text()
    }

    /// Switches the machine off.
    ///
    /// # Errors
    /// [`MachineError::Kernel`] if the kernel reported a fault at any time, [`MachineError::TimeLimit`] if
    /// the machine does not end.
    pub fn shutdown(mut self) -> Result<(), MachineError> {
        let asked = Instant::now();
        let _ = self.host.send(Kind::Stop, 0, &[]);
        while !self.qemu.has_ended() {
            if asked.elapsed() > self.end {
                return Err(self.watch.took_too_long("switching off", self.end));
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.finish();
        self.watch.verdict()
    }

    /// Ends the machine and explains why it stopped answering.
    fn explain(&mut self) -> MachineError {
        // The channel closes while the console still receives the lines of a panic.
        let seen = Instant::now();
        while !self.qemu.has_ended() && seen.elapsed() < END {
            thread::sleep(Duration::from_millis(5));
        }
        self.qemu.life().end();
        self.finish();
        self.watch.explain()
    }

    /// Waits until QEMU has ended and all its output was read.
    fn finish(&mut self) {
        self.qemu.wait();
        self.watch.ended();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.qemu.life().end();
        self.finish();
    }
}
