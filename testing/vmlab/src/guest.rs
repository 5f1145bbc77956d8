//! The first program in the guest: it finds the host's file system, runs the commands that the
//! host sends, and switches the machine off.
//!
//! The guest's root is the host's own root, read-only over 9p, with a file system in memory laid
//! over it: every program and every file of the host is where it is on the host, and what the
//! guest writes is gone when it ends. Kept are two folders: `/out`, which is a folder of the host,
//! and `/data`, a disk, while the machine runs.

mod ask;
mod children;
mod command;
mod disks;
mod port;
mod root;
pub mod symbols;

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};
use serde::{Deserialize, Serialize};

use crate::channel::{Kind, Message};
use children::Children;
use command::Commands;
use port::Port;

/// Where the first file system has what [`Setup`] says.
pub const SETUP: &str = "/setup.json";

/// The tag of the host's file system on 9p.
pub const HOST_TAG: &str = "host";

/// The tag of the folder that is `/out` in the guest.
pub const OUT_TAG: &str = "out";

/// Where the guest sees the host's file system as it is.
pub const HOST: &str = "/host";

/// Programs are looked for here: first the workspace's.
pub const PATH: &str = "/hpcap/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The home of whoever runs commands, empty: nothing of the host's users changes what they do.
const HOME: &str = "/run/home";

/// What the host decided about the guest before it started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Modules to load before anything can be reached, in order: files of the first file system.
    pub modules: Vec<PathBuf>,
    /// The folder of the host with what is below `/lib/modules/RELEASE`.
    pub module_tree: Option<PathBuf>,
    /// The folder of the host that is `/hpcap/bin`.
    pub programs: Option<PathBuf>,
    /// `/out` is a folder of the host.
    pub out: bool,
    /// There is a disk for `/data`.
    pub disk: bool,
    /// Sizes of hugepages in bytes; each has a folder below `/dev`.
    pub hugepages: Vec<u64>,
}

/// Does everything that the first program of a machine does. Never returns while the machine is
/// on; the kernel panics when its first program ends, which is what it should do after an error
/// that nobody could be told of.
///
/// # Errors
/// What could not be set up.
pub fn first_program() -> io::Result<Infallible> {
    let setup = root::enter()?;
    let port = Arc::new(Port::open()?);
    match serve(&setup, &port) {
        Ok(()) => {}
        Err(e) => port.send(Kind::Failed, 0, e.to_string().as_bytes())?,
    }
    disks::leave();
    // The host switches the machine off itself when this takes too long.
    loop {
        let Err(e) = reboot(RebootMode::RB_POWER_OFF);
        eprintln!("cannot switch off: {e}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Answers the host until it says stop.
fn serve(setup: &Setup, port: &Arc<Port>) -> io::Result<()> {
    root::furnish(setup)?;
    disks::mount(setup)?;
    let children = Arc::new(Children::start()?);
    let commands = Commands::new(Arc::clone(port), children);
    let questions = ask::listen(Arc::clone(port))?;
    // From here on everything that the kernel has to say is on the console; while it starts, only
    // what is wrong.
    fs::write("/proc/sys/kernel/printk", "7")?;
    port.send(Kind::Ready, 0, &[])?;
    loop {
        let Message { kind, id, body } = port.receive()?;
        match kind {
            Kind::Run => commands.run(id, &body),
            Kind::Input => commands.input(id, body),
            Kind::Kill => commands.kill(id),
            Kind::Answer => questions.answer(id, body),
            Kind::Stop => return Ok(()),
            _ => {}
        }
    }
}

/// An error with what was being done.
fn at<T>(what: impl std::fmt::Display, result: Result<T, impl Into<io::Error>>) -> io::Result<T> {
    result.map_err(|e| {
        let e = e.into();
        io::Error::new(e.kind(), format!("{what}: {e}"))
    })
}
