//! A virtual machine: a real kernel in QEMU, without hardware support, with the NICs of the lab.
//!
//! Nothing is left behind on the host: the first file system, the disk and the memory are files
//! without names, and QEMU dies with the program that started it.

mod console;
mod cpio;
mod disk;
mod elf;
mod error;
mod initramfs;
mod nics;
mod qemu;
mod running;
mod session;
mod system;
mod terminal;
mod watch;

use std::fmt;
use std::io;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use error::MachineError;
pub use nics::{Model, NicSpec};
pub use running::{Guest, Output};
pub use session::{Running, command};
pub use system::System;

use crate::control::{Handler, NoHandler};
use crate::kernel::{Kernel, build_folder, modules::Tree, programs_folder};
use crate::pci::Function;
use crate::pci::interrupts::Qtest;
use crate::pci::shared::Shared;

/// Hugepages of one size to reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hugepages {
    /// Bytes of a page: 2 MiB or 1 GiB.
    pub size: u64,
    /// Number of pages.
    pub count: u64,
}

/// A NIC of a machine.
enum Attached {
    /// One of this program, in its own process.
    Model(Arc<Shared<dyn Function>>),
    /// QEMU's own 82576, with its MAC address and QEMU's end of its wire.
    Igb([u8; 6], UnixDatagram),
}

/// The description of a machine, to be booted.
pub struct Machine {
    kernel: Kernel,
    memory: u64,
    cpus: usize,
    hugepages: Vec<Hugepages>,
    arguments: Vec<String>,
    disk: Option<u64>,
    out: Option<PathBuf>,
    modules: Option<PathBuf>,
    programs: Option<PathBuf>,
    system: Option<System>,
    nics: Vec<Attached>,
    handler: Arc<dyn Handler>,
    interrupts: (Qtest, UnixStream),
    limit: Option<Duration>,
    debugger: Option<u16>,
    tolerated: Vec<String>,
    log: Option<PathBuf>,
    verbose: bool,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("kernel", &self.kernel)
            .field("memory", &self.memory)
            .field("nics", &self.nics.len())
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// Describes a machine with 1 GiB of memory, one processor, no NIC, no disk and a time limit of
    /// five minutes.
    ///
    /// # Errors
    /// [`MachineError::Host`] if no sockets can be created.
    pub fn new(kernel: Kernel) -> Result<Self, MachineError> {
        let pair = || -> io::Result<_> {
            let (ours, theirs) = UnixStream::pair()?;
            Ok((Qtest::new(ours)?, theirs))
        };
        Ok(Self {
            kernel,
            memory: 1 << 30,
            cpus: 1,
            hugepages: Vec::new(),
            arguments: Vec::new(),
            disk: None,
            out: None,
            modules: None,
            programs: None,
            system: None,
            nics: Vec::new(),
            handler: Arc::new(NoHandler),
            interrupts: pair().map_err(|e| MachineError::host(format!("sockets: {e}")))?,
            limit: Some(Duration::from_secs(300)),
            debugger: None,
            tolerated: Vec::new(),
            log: None,
            verbose: false,
        })
    }

    /// Sets the memory in bytes.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets the number of processors. A machine with NICs that QEMU does not emulate has exactly one: QEMU lets no
    /// second processor reach a device in another process while the first one waits for it.
    #[must_use]
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = cpus;
        self
    }

    /// Adds hugepages, which the kernel reserves when it starts. Pages of 2 MiB are at
    /// `/dev/hugepages`, pages of 1 GiB at `/dev/hugepages-1024M`.
    #[must_use]
    pub fn hugepages(mut self, pages: Hugepages) -> Self {
        self.hugepages.push(pages);
        self
    }

    /// Adds an argument to the kernel's command line.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds a disk of `bytes` bytes with ext4, mounted at `/data`.
    #[must_use]
    pub fn disk(mut self, bytes: u64) -> Self {
        self.disk = Some(bytes);
        self
    }

    /// Shows a folder of the host as `/out` in the guest. The folder must exist.
    #[must_use]
    pub fn out(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out = Some(folder.into());
        self
    }

    /// Takes hpcap's modules from this folder instead of `target/kmod/RELEASE`.
    #[must_use]
    pub fn modules(mut self, folder: impl Into<PathBuf>) -> Self {
        self.modules = Some(folder.into());
        self
    }

    /// Shows the programs in this folder at `/hpcap/bin`, instead of those built together with this one.
    #[must_use]
    pub fn programs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.programs = Some(folder.into());
        self
    }

    /// Starts a system that is installed on a disk, with its own first file system, instead of a guest whose root
    /// folder is that of the host. The host's file system is at `/host`. What the guest writes stays on the disk.
    #[must_use]
    pub fn system(mut self, system: System) -> Self {
        self.system = Some(system);
        self
    }

    /// Returns the connection on which the next NIC sends its interrupts.
    #[must_use]
    pub fn interrupts(&self) -> Qtest {
        self.interrupts.0.clone()
    }

    /// Adds a NIC. The first NIC has PCI address 00:08.0, and the next ones follow.
    #[must_use]
    pub fn nic(mut self, nic: Arc<Shared<dyn Function>>) -> Self {
        self.nics.push(Attached::Model(nic));
        self
    }

    /// Adds a NIC that QEMU emulates: the device `igb`, an 82576. Frames come from the other end of `wire`.
    #[must_use]
    pub fn igb(mut self, mac: [u8; 6], wire: UnixDatagram) -> Self {
        self.nics.push(Attached::Igb(mac, wire));
        self
    }

    /// Sets who answers the requests of the guest.
    #[must_use]
    pub fn handler(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handler = handler;
        self
    }

    /// Limits the time from the start of the machine to its end; `None` is no limit.
    #[must_use]
    pub fn limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// Waits at the first instruction for a debugger on this TCP port.
    #[must_use]
    pub fn debugger(mut self, port: u16) -> Self {
        self.debugger = Some(port);
        self
    }

    /// Ignores console lines that contain `part`, although they look like a fault.
    #[must_use]
    pub fn tolerate(mut self, part: impl Into<String>) -> Self {
        self.tolerated.push(part.into());
        self
    }

    /// Writes the console log to a file.
    #[must_use]
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Copies the console log to standard error.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Returns the kernel.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Starts the machine and waits until it takes commands.
    ///
    /// # Errors
    /// [`MachineError::Missing`] for a missing file, [`MachineError::Kernel`] for a fault that the kernel
    /// reported, [`MachineError::TimeLimit`] if booting took too long.
    pub fn boot(self) -> Result<Guest, MachineError> {
        running::boot(self)
    }

    /// Collects the modules that the guest can load.
    fn module_tree(&self) -> Result<Tree, MachineError> {
        let target = build_folder()?;
        let ours = match &self.modules {
            Some(folder) => folder.clone(),
            None => target.join("kmod").join(&self.kernel.release),
        };
        // A missing folder means that none of our modules are built.
        let ours = ours.canonicalize().unwrap_or(ours);
        let cache = target.join("vmlab/modules");
        Tree::make(&self.kernel, &ours, &cache)
    }

    fn programs_folder(&self) -> Result<PathBuf, MachineError> {
        let folder = match &self.programs {
            Some(folder) => folder.clone(),
            None => programs_folder()?,
        };
        folder
            .canonicalize()
            .map_err(|e| MachineError::Missing(format!("{}: {e}", folder.display())))
    }
}
