//! Control of queues from the command line: their state, whether the kernel module or a daemon
//! serves them; their listeners; settings and memory of queues of the kernel module; and the
//! configuration of the machine.

#![warn(clippy::cast_possible_truncation)]

pub mod change;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod hugepages;
pub mod install;
pub mod kill;
pub mod listeners;
pub mod mirror;
pub mod monitors;
mod output;
pub mod port;
pub mod ring;
pub mod selftest;
pub mod settings;
pub mod status;
pub mod up;
pub mod vf;

use std::process::ExitCode;

use hpcap::Result;

use cli::{Cli, Command};
use output::print;

/// Runs the command in `cli` and returns the exit code of the program: 1 also when a command that
/// asks a question, such as `config check`, has done its work and the answer is no.
///
/// # Errors
/// The error of the command, with advice for the user.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    let done = match &cli.command {
        Command::Status(status) => status.run(),
        Command::Listeners(listeners) => listeners.run(),
        Command::Kill(kill) => kill.run(),
        Command::Get(get) => get.run(),
        Command::Set(set) => set.run(),
        Command::Hugepages(hugepages) => print(&hugepages::run(hugepages)?).map(drop),
        Command::Mirror(command) => print(&mirror::run(command)?).map(drop),
        Command::Vf(command) => print(&vf::run(command)?).map(drop),
        Command::Ring(ring) => print(&ring::set(ring)?).map(drop),
        Command::Install(options) => print(&install::install(options)?).map(drop),
        Command::Upgrade(options) => print(&install::upgrade(options)?).map(drop),
        Command::Uninstall(options) => print(&install::uninstall(options)?).map(drop),
        Command::Port(port) => print(&port::run(port)?).map(drop),
        Command::Doctor(doctor) => return doctor.run(),
        Command::Selftest(selftest) => return selftest.run(),
        Command::Monitors(command) => return command.run(),
        Command::Up(up) => return up.run(),
        Command::Down(down) => return down.run(),
        Command::Restart(restart) => return restart.run(),
        Command::Config(config) => return config.run(),
    };
    done.map(|()| ExitCode::SUCCESS)
}
