//! A virtual machine: a real kernel in QEMU, without hardware support, with the NICs of the lab.
//!
//! Nothing is left behind on the host: the first file system, the disk and the memory are files
//! without names, and QEMU dies with the program that started it.

mod console;
mod cpio;
mod disk;
mod elf;
mod initramfs;
mod nics;
mod qemu;
mod running;
mod session;
mod terminal;
mod trouble;
mod watch;

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use nics::{Model, NicSpec};
pub use running::{Guest, Output};
pub use session::{Running, command};
pub use trouble::Trouble;

use crate::control::{Handler, Nobody};
use crate::kernel::{Kernel, build_folder, modules::Tree, programs_folder};
use crate::pci::Function;
use crate::pci::interrupts::Qtest;
use crate::pci::shared::Shared;

/// A number of hugepages of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hugepages {
    /// Bytes of a page: 2 MiB or 1 GiB.
    pub size: u64,
    /// How many.
    pub count: u64,
}

/// A machine that has not been started.
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
    nics: Vec<Arc<Shared<dyn Function>>>,
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
    /// A machine with 1 GiB of memory, one processor, no NIC, no disk and a time limit of five
    /// minutes.
    ///
    /// # Errors
    /// [`Trouble::Host`] when there are no sockets.
    pub fn new(kernel: Kernel) -> Result<Self, Trouble> {
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
            nics: Vec::new(),
            handler: Arc::new(Nobody),
            interrupts: pair().map_err(|e| Trouble::host(format!("sockets: {e}")))?,
            limit: Some(Duration::from_secs(300)),
            debugger: None,
            tolerated: Vec::new(),
            log: None,
            verbose: false,
        })
    }

    /// Bytes of memory.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Processors. With NICs it must be one: QEMU lets no second processor reach a device in
    /// another process while the first waits for it.
    #[must_use]
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = cpus;
        self
    }

    /// Hugepages, reserved when the kernel starts. Those of 2 MiB are at `/dev/hugepages`, those of
    /// 1 GiB at `/dev/hugepages-1024M`.
    #[must_use]
    pub fn hugepages(mut self, pages: Hugepages) -> Self {
        self.hugepages.push(pages);
        self
    }

    /// Another argument of the kernel's.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// A disk of so many bytes with ext4 at `/data`.
    #[must_use]
    pub fn disk(mut self, bytes: u64) -> Self {
        self.disk = Some(bytes);
        self
    }

    /// A folder of the host that is `/out` in the guest. It must exist.
    #[must_use]
    pub fn out(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out = Some(folder.into());
        self
    }

    /// Our modules, in place of those in `target/kmod/RELEASE`.
    #[must_use]
    pub fn modules(mut self, folder: impl Into<PathBuf>) -> Self {
        self.modules = Some(folder.into());
        self
    }

    /// The programs at `/hpcap/bin`, in place of those that were built together with this one.
    #[must_use]
    pub fn programs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.programs = Some(folder.into());
        self
    }

    /// Where the next NIC sends its interrupts.
    #[must_use]
    pub fn interrupts(&self) -> Qtest {
        self.interrupts.0.clone()
    }

    /// A NIC, at PCI address 00:08.0 and those after it.
    #[must_use]
    pub fn nic(mut self, nic: Arc<Shared<dyn Function>>) -> Self {
        self.nics.push(nic);
        self
    }

    /// Who answers the questions of the guest.
    #[must_use]
    pub fn handler(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handler = handler;
        self
    }

    /// How long the machine may live, from its start to its end; none for as long as it takes.
    #[must_use]
    pub fn limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// Does not start before a debugger says so on this TCP port.
    #[must_use]
    pub fn debugger(mut self, port: u16) -> Self {
        self.debugger = Some(port);
        self
    }

    /// What the kernel may say although it looks like trouble: lines with this in them.
    #[must_use]
    pub fn tolerate(mut self, part: impl Into<String>) -> Self {
        self.tolerated.push(part.into());
        self
    }

    /// A file that gets everything that the kernel says.
    #[must_use]
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Everything that the kernel says goes to standard error, too.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Starts the machine and waits until it takes commands.
    ///
    /// # Errors
    /// What is missing, what the kernel complained of, or that it took too long.
    pub fn boot(self) -> Result<Guest, Trouble> {
        running::boot(self)
    }

    /// The modules that the guest can load.
    fn module_tree(&self) -> Result<Tree, Trouble> {
        let target = build_folder()?;
        let ours = match &self.modules {
            Some(folder) => folder.clone(),
            None => target.join("kmod").join(&self.kernel.release),
        };
        // Without a folder there are none of ours.
        let ours = ours.canonicalize().unwrap_or(ours);
        let cache = target.join("vmlab/modules");
        Tree::make(&self.kernel, &ours, &cache)
    }

    fn programs_folder(&self) -> Result<PathBuf, Trouble> {
        let folder = match &self.programs {
            Some(folder) => folder.clone(),
            None => programs_folder()?,
        };
        folder
            .canonicalize()
            .map_err(|e| Trouble::Missing(format!("{}: {e}", folder.display())))
    }
}
