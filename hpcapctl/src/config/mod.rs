//! `hpcapctl config`: making, checking, showing, importing and comparing configurations.

mod check;
mod diff;
mod import;
mod new;
mod questions;
mod running;
mod show;

use std::process::ExitCode;

use clap::Subcommand;
use hpcap::Result;

pub use check::Check;
pub use diff::Diff;
pub use import::Import;
pub use new::New;
pub use questions::ask;
pub use show::Show;

/// What is done with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Make a configuration for this machine
    New(New),
    /// Find what is wrong in a configuration, and what of it does not fit this machine
    Check(Check),
    /// Print a configuration without comments and defaults
    Show(Show),
    /// Make a configuration of params.cfg of the original HPCAP
    Import(Import),
    /// Show what differs between a configuration and the running system, or another configuration
    Diff(Diff),
}

impl ConfigCommand {
    /// Runs the command and returns the exit code: 1 if `check` finds errors or `diff` differences.
    ///
    /// # Errors
    /// Returns the error of the command.
    pub fn run(&self) -> Result<ExitCode> {
        match self {
            Self::New(new) => new.run().map(|()| ExitCode::SUCCESS),
            Self::Check(check) => check.run(),
            Self::Show(show) => show.run().map(|()| ExitCode::SUCCESS),
            Self::Import(import) => import.run().map(|()| ExitCode::SUCCESS),
            Self::Diff(diff) => diff.run(),
        }
    }
}
