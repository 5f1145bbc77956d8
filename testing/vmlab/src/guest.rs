//! The first program in the guest: it mounts the host's file system, runs the commands that the
//! host sends, and switches the machine off.
//!
//! The guest's root is the host's own root, read-only over 9p, under a writable overlay in memory.
//! Every program and every file of the host has the same path in the guest, and what the guest
//! writes is lost when the machine ends. Two folders are different: `/out` is a folder of the host,
//! and `/data` is a disk that exists while the machine runs.

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
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};
use serde::{Deserialize, Serialize};

use crate::channel::{Kind, Message};
use children::Children;
use command::Commands;
use port::Port;

/// Path of the [`Setup`], as JSON, in the first file system.
pub const SETUP: &str = "/setup.json";

/// Tag of the host's file system on 9p.
pub const HOST_TAG: &str = "host";

/// Tag of the folder that is `/out` in the guest.
pub const OUT_TAG: &str = "out";

/// Folder where the guest sees the unchanged file system of the host.
pub const HOST: &str = "/host";

/// Search path for programs. The workspace's programs come first.
pub const PATH: &str = "/hpcap/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the first program says in the kernel's log when all programs have ended.
pub const SWITCHES_OFF: &str = "vmlab switches the machine off";

/// Home folder of the commands. It is empty, so that no user's settings on the host change what the
/// commands do.
const HOME: &str = "/run/home";

/// Settings of the guest, made by the host before the guest started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Modules to load before the host's file system can be mounted, in order. They are files of
    /// the first file system.
    pub modules: Vec<PathBuf>,
    /// Folder of the host with the content of `/lib/modules/RELEASE`.
    pub module_tree: Option<PathBuf>,
    /// Folder of the host that is shown at `/hpcap/bin`.
    pub programs: Option<PathBuf>,
    /// Whether `/out` is a folder of the host.
    pub out: bool,
    /// Whether there is a disk for `/data`.
    pub disk: bool,
    /// Sizes of hugepages in bytes. A hugetlbfs folder below `/dev` is mounted for each size.
    pub hugepages: Vec<u64>,
}

/// Runs as the first program of a machine. Returns only with an error, which ends the program: the
/// kernel then panics, as it should when the error could not be reported.
///
/// # Errors
/// Returns what could not be set up.
pub fn first_program() -> io::Result<Infallible> {
    let setup = root::enter()?;
    let port = Arc::new(Port::open()?);
    match serve(&setup, &port) {
        Ok(()) => {}
        Err(e) => port.send(Kind::Failed, 0, e.to_string().as_bytes())?,
    }
    // Linux stops all processors but one to switch off. A program that still runs then on one of them makes the kernel complain.
    children::end_all();
    let _ = fs::write("/dev/kmsg", format!("{SWITCHES_OFF}\n"));
    disks::leave();
    // The host ends the machine if this takes too long.
    loop {
        let Err(e) = reboot(RebootMode::RB_POWER_OFF);
        eprintln!("cannot switch off: {e}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Runs as a service of an installed system. Serves the host's commands, and then switches the system off as an
/// administrator does.
///
/// # Errors
/// Returns what could not be set up.
pub fn serve_system() -> io::Result<()> {
    let port = Arc::new(Port::open()?);
    fs::create_dir_all(HOME)?;
    match disks::mount_out().and_then(|()| obey(&port)) {
        Ok(()) => {}
        Err(e) => port.send(Kind::Failed, 0, e.to_string().as_bytes())?,
    }
    disks::leave();
    Command::new("systemctl").arg("poweroff").status()?;
    Ok(())
}

/// Handles the host's messages until the host sends a stop.
fn serve(setup: &Setup, port: &Arc<Port>) -> io::Result<()> {
    root::furnish(setup)?;
    disks::mount(setup)?;
    obey(port)
}

fn obey(port: &Arc<Port>) -> io::Result<()> {
    let children = Arc::new(Children::start()?);
    let commands = Commands::new(Arc::clone(port), children);
    let questions = ask::listen(Arc::clone(port))?;
    // From now on the console shows all kernel messages. While the machine starts, it shows only
    // errors.
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

/// Adds to an error what was being done.
fn at<T>(what: impl std::fmt::Display, result: Result<T, impl Into<io::Error>>) -> io::Result<T> {
    result.map_err(|e| {
        let e = e.into();
        io::Error::new(e.kind(), format!("{what}: {e}"))
    })
}
