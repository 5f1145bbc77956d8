//! The folder of a queue in sysfs.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use hpcap::error::Context;
use hpcap::{Error, Kind, QueueName, Result};
use hpcap_config::hot::{HOT, Hot};
use hpcap_config::model::Interface;
use hpcap_ipc::connection::{run_dirs, socket_path};
use hpcap_ipc::device::{device_path, queue_of};

/// Limit of the bytes that are read from a file. A file in sysfs has at most a page.
const FILE_BYTES: u64 = 64 << 10;

/// The folder of all queues of the kernel module.
fn sysfs_dir() -> PathBuf {
    // Tests have a folder of their own.
    let dir = std::env::var_os("HPCAP_SYSFS_DIR");
    dir.map_or_else(|| PathBuf::from("/sys/class/hpcap"), PathBuf::from)
}

/// The folder of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The queue.
    pub queue: QueueName,
    path: PathBuf,
}

impl Folder {
    /// Finds the folder of `queue`.
    ///
    /// # Errors
    /// Returns [`Kind::NotFound`] when the module does not serve the queue; the advice says who
    /// does.
    pub fn of(queue: QueueName) -> Result<Self> {
        let path = device_path(&sysfs_dir(), queue);
        if path.is_dir() {
            return Ok(Self { queue, path });
        }
        let tried = format!("find the settings of queue {queue}");
        let dirs = run_dirs();
        let served = dirs.iter().any(|dir| socket_path(dir, queue).exists());
        Err(match served {
            true => Error::new(
                Kind::NotFound,
                tried,
                "hpcapd serves it, and the settings of hpcapd are fixed when it starts",
            )
            .advise(format!(
                "start it anew with other options: hpcapd --caplen, --filter, --dedup, --ring, \
                 --cpu, --plain, --look-back\n`hpcapctl status {queue}` shows its settings"
            )),
            false => Error::new(
                Kind::NotFound,
                tried,
                format!("there is no {}", path.display()),
            )
            .advise("load the kernel module and the one of the NIC: modprobe hpcap_ixgbe\n`hpcapctl status` lists the queues of this machine"),
        })
    }

    /// Finds the folders of all queues of the adapter of `queue`.
    ///
    /// # Errors
    /// Returns the errors of [`Folder::of`].
    pub fn of_adapter(queue: QueueName) -> Result<Vec<Self>> {
        let entries = fs::read_dir(sysfs_dir()).into_iter().flatten();
        let mut queues: Vec<QueueName> = entries
            .filter_map(|entry| queue_of(entry.ok()?.file_name().to_str()?))
            .filter(|found| found.adapter == queue.adapter)
            .collect();
        queues.sort_unstable();
        match queues.is_empty() {
            true => Ok(vec![Self::of(queue)?]),
            false => queues.into_iter().map(Self::of).collect(),
        }
    }

    /// Reads the content of a setting's file.
    ///
    /// # Errors
    /// Returns errors of the system.
    pub fn text(&self, hot: &Hot) -> Result<String> {
        let path = self.path.join(hot.file);
        let mut bytes = Vec::new();
        fs::File::open(&path)
            .and_then(|file| file.take(FILE_BYTES).read_to_end(&mut bytes))
            .context(|| format!("read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes the content of a setting's file, with one call, because each call is a change of its
    /// own.
    ///
    /// # Errors
    /// Returns errors of the system, with advice.
    pub fn write(&self, hot: &Hot, text: &str) -> Result<()> {
        let path = self.path.join(hot.file);
        let tried = format!("set {} of {}", hot.key, self.queue);
        let done = fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .and_then(|file| nix::unistd::write(&file, text.as_bytes()).map_err(Into::into));
        match done {
            Ok(_) => Ok(()),
            Err(e) => {
                let busy = e.kind() == std::io::ErrorKind::ResourceBusy;
                let error = Error::io(tried, e);
                Err(match error.kind() {
                    Kind::Permission => error.advise("become root"),
                    _ if busy => error.advise(format!(
                        "a listener is attached: `hpcapctl listeners {}` names it",
                        self.queue
                    )),
                    _ => error.advise(format!("the module refuses this value for {}", hot.file)),
                })
            }
        }
    }

    /// Reads all settings. A file that this version of the module does not have is left out.
    ///
    /// # Errors
    /// Returns errors of the system, and an error for a content that cannot be understood.
    pub fn settings(&self) -> Result<(Interface, Vec<&'static Hot>)> {
        let mut interface = Interface::default();
        let mut known = Vec::new();
        for hot in HOT {
            match self.text(hot) {
                Ok(text) => {
                    hot.read(&text, &mut interface)?;
                    known.push(hot);
                }
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok((interface, known))
    }
}
