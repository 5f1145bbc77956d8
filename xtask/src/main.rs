//! `cargo xtask man DIR` writes the man pages, `cargo xtask completions DIR` the shell completions.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Generates files for packages from the command lines of the programs.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write a man page for each program, and for each of its commands
    Man {
        /// Folder for the pages; it is created
        dir: PathBuf,
    },
    /// Write the completions for bash, zsh and fish
    Completions {
        /// Folder for one folder for each shell; it is created
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let (written, dir) = match Cli::parse().task {
        Task::Man { dir } => (xtask::page::write_all(&dir), dir),
        Task::Completions { dir } => (xtask::completions::write_all(&dir), dir),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: cannot write files into {}: {e}", dir.display());
            ExitCode::FAILURE
        }
    }
}
