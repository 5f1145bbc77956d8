//! A folder of its own for files and sockets, and the programs in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use testkit::process::Process;

/// Where the programs are that were built together with this test: its own build profile's.
///
/// Panics when a program is missing.
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

/// A folder that vanishes with everything in it; sockets of its own.
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
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("hpcap-e2e-").tempdir();
        Self { dir: dir.unwrap() }
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A new folder in it.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// The folder of the sockets.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// The socket of queue `name`.
    #[must_use]
    pub fn socket(&self, name: &str) -> PathBuf {
        self.run_dir().join(format!("{name}.sock"))
    }

    /// One of the product's programs, to be run here.
    #[must_use]
    pub fn tool(&self, name: &str) -> Command {
        self.here(&binary(name))
    }

    /// Any program, to be run here.
    #[must_use]
    pub fn here(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir())
            .env("HPCAP_RUN_DIR", self.run_dir())
            .env("LC_ALL", "C");
        command
    }

    /// A recorder, started: it is attached when this returns.
    #[must_use]
    pub fn recorder(&self, args: &[&str]) -> Process {
        let mut recorder = Process::spawn(self.tool("hpcapdd").arg("--json").args(args));
        recorder.wait_for("\"event\":\"start\"");
        recorder
    }

    /// A listener that checks generated frames ([`crate`]'s own program), started and attached.
    #[must_use]
    pub fn listener(&self, args: &[&str]) -> Process {
        let mut listener = Process::spawn(self.tool("e2e-listener").args(args));
        listener.wait_for("\"event\":\"attached\"");
        listener
    }
}
