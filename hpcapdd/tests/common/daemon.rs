//! A queue served to other processes, as `hpcapd` does it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;

use hpcap::QueueName;
use hpcap_engine::{Engine, EngineConfig};
use hpcap_ipc::connection::socket_path;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket,
};

use super::{Running, hpcapdd};

/// Serves one queue on a socket in a folder of its own.
pub(crate) struct Daemon {
    pub(crate) engine: Arc<Engine>,
    dir: tempfile::TempDir,
}

pub(crate) fn config(source: &str) -> EngineConfig {
    let mut config = EngineConfig::new(QueueName::new(0, 1), source.parse().unwrap());
    config.ring_bytes = 1 << 20;
    config
}

impl Daemon {
    pub(crate) fn start(config: &EngineConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::start(config).unwrap().0);
        serve(Arc::clone(&engine), dir.path());
        Self { engine, dir }
    }

    /// A command for a recorder that finds the queue here.
    pub(crate) fn command(&self) -> Command {
        let mut command = hpcapdd();
        command.env("HPCAP_RUN_DIR", self.dir.path());
        command
    }

    pub(crate) fn recorder(&self, folder: &std::path::Path, arguments: &[&str]) -> Running {
        Running::start(self.command().arg("hpcap0:1").arg(folder).args(arguments))
    }

    pub(crate) fn published(&self) -> u64 {
        self.engine.queue().page().published()
    }
}

/// Serves `engine` in `dir` for as long as this process lives.
pub(crate) fn serve(engine: Arc<Engine>, dir: &std::path::Path) {
    let name = engine.queue().info().name;
    let address = UnixAddr::new(&socket_path(dir, name)).unwrap();
    let listener = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(listener.as_raw_fd(), &address).unwrap();
    listen(&listener, Backlog::new(8).unwrap()).unwrap();
    std::thread::spawn(move || {
        while let Ok(fd) = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            // SAFETY: `accept4` has just made the descriptor, and nobody else knows of it.
            let client = unsafe { OwnedFd::from_raw_fd(fd) };
            let _ = engine.serve(client);
        }
    });
}
