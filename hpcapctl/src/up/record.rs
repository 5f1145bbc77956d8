//! What `up` has changed, in `/run`: it is gone after a restart, as the changes are.

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use nix::fcntl::{Flock, FlockArg};

use crate::change::Changer;
use crate::change::step::Root;

/// The folder of the records.
const FOLDER: &str = "/run/hpcapctl";
/// The record of what all interfaces share.
pub(super) const MODULES: &str = "modules";
/// The record of the monitor.
pub(super) const MONITOR: &str = "monitor";

/// The records below a root. While this value exists, no other `up` or `down` runs.
#[derive(Debug)]
pub(super) struct Records<'a> {
    root: &'a Path,
    _lock: Option<Flock<fs::File>>,
}

impl<'a> Records<'a> {
    /// Opens the records to read them.
    pub(super) fn look(root: &'a Path) -> Self {
        Self { root, _lock: None }
    }

    /// Opens the records to change them.
    ///
    /// # Errors
    /// [`Kind::Busy`] while another `up` or `down` runs; [`Kind::Permission`] without root.
    pub(super) fn lock(root: &'a Path) -> Result<Self> {
        let folder = Root::new(root).path(FOLDER);
        let tried = || format!("open the list of changes in {}", folder.display());
        let file = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .and_then(|()| {
                OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .mode(0o600)
                    .open(folder.join("lock"))
            });
        let file = file.context(tried).map_err(|e| match e.kind() {
            Kind::Permission => e.advise("become root"),
            _ => e,
        })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self {
                root,
                _lock: Some(lock),
            }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                let why = "another hpcapctl up or down runs";
                Err(Error::new(Kind::Busy, tried(), why).advise("wait until it is done"))
            }
            Err((_, errno)) => Err(Error::io(tried(), errno.into())),
        }
    }

    /// Opens the record called `label`.
    pub(super) fn open(&self, label: &str) -> Result<Changer> {
        // A label is a name of an interface, a PCI or a MAC address, which have no slashes.
        Changer::open_manifest(self.root, &format!("{FOLDER}/up-{label}.json"))
    }

    /// The labels of all records of interfaces.
    pub(super) fn labels(&self) -> Vec<String> {
        let folder = Root::new(self.root).path(FOLDER);
        let mut labels: Vec<String> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let label = name.strip_prefix("up-")?.strip_suffix(".json")?;
                (![MODULES, MONITOR].contains(&label)).then(|| label.to_owned())
            })
            .collect();
        labels.sort();
        labels
    }
}
