//! A temporary folder for files and sockets, and the programs that run in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub use hpcap_cli::PROGRAMS;
use testkit::process::{Process, copy_program};

/// Returns the path of a program that was built with the same profile as this test.
///
/// Panics if the program is missing.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/PROFILE/deps/TEST, or target/PROFILE/PROGRAM
    let folder = test
        .ancestors()
        .skip(1)
        .find(|dir| !dir.ends_with("deps"))
        .unwrap();
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not there: run cargo build --workspace first (with --release for cargo test --release)",
        path.display()
    );
    path
}

/// A temporary folder with sockets of its own. Dropping it removes the folder.
#[derive(Debug)]
pub struct Lab {
    dir: TempDir,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    /// Creates an empty folder.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("hpcap-e2e-").tempdir();
        Self { dir: dir.unwrap() }
    }

    /// Returns the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the path of a file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Copies a program of the project into the folder, where users without rights on the project can run it.
    #[must_use]
    pub fn copy_of_program(&self, name: &str) -> PathBuf {
        let copy = self.path(name);
        copy_program(&binary(name), &copy);
        copy
    }

    /// Creates a subfolder.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// Returns the folder of the sockets.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// Returns the path of the socket of queue `name`.
    #[must_use]
    pub fn socket(&self, name: &str) -> PathBuf {
        self.run_dir().join(format!("{name}.sock"))
    }

    /// Prepares one of hpcap's programs to run in the folder.
    #[must_use]
    pub fn tool(&self, name: &str) -> Command {
        self.here(&binary(name))
    }

    /// Prepares any program to run in the folder.
    #[must_use]
    pub fn here(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir())
            .env("HPCAP_RUN_DIR", self.run_dir())
            .env("LC_ALL", "C");
        command
    }

    /// Starts a recorder and waits until it is attached.
    #[must_use]
    pub fn recorder(&self, args: &[&str]) -> Process {
        let mut recorder = Process::spawn(self.tool("hpcapdd").arg("--json").args(args));
        recorder.wait_for("\"event\":\"start\"");
        recorder
    }

    /// Starts a listener that checks generated frames (`e2e-listener` of this crate), and waits
    /// until it is attached.
    #[must_use]
    pub fn listener(&self, args: &[&str]) -> Process {
        let mut listener = Process::spawn(self.tool("e2e-listener").args(args));
        listener.wait_for("\"event\":\"attached\"");
        listener
    }
}
