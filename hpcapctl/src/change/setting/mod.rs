//! Settings of the running system that a change sets and an undo puts back. They are gone after a restart
//! of the machine.

mod display;
mod link;
mod module;
mod queue;

pub(crate) use queue::write;

use std::fs;

use hpcap::error::Context;
use hpcap::{Kind, QueueName, Result};
use serde::{Deserialize, Serialize};

use super::step::{Root, Undone};

/// A setting with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// The content of a file of the kernel.
    File {
        /// The file.
        path: String,
        /// Its content, without white space at its ends.
        text: String,
    },
    /// Whether an interface is up.
    Up {
        /// The interface.
        interface: String,
        /// Whether the interface is up.
        up: bool,
    },
    /// The MTU of an interface.
    Mtu {
        /// The interface.
        interface: String,
        /// The MTU in bytes.
        mtu: u32,
    },
    /// Whether an interface receives frames for other machines.
    Promiscuous {
        /// The interface.
        interface: String,
        /// Whether promiscuous mode is on.
        on: bool,
    },
    /// An IP address of an interface.
    Address {
        /// The interface.
        interface: String,
        /// The address with the length of its prefix.
        address: String,
        /// Whether the interface has the address.
        present: bool,
    },
    /// A feature that merges received frames.
    Feature {
        /// The interface.
        interface: String,
        /// The name in `ethtool -k`.
        feature: String,
        /// Whether the feature is on.
        on: bool,
    },
    /// Pause frames of an interface.
    Pause {
        /// The interface.
        interface: String,
        /// Whether both ends negotiate pause frames.
        negotiates: bool,
        /// Whether received pause frames are obeyed.
        obeys: bool,
        /// Whether pause frames are sent.
        sends: bool,
    },
    /// The speed of an interface.
    Speed {
        /// The interface.
        interface: String,
        /// The speed in Mb/s; `None` lets both ends negotiate it.
        megabits: Option<u32>,
    },
    /// The number of receive queues of an interface.
    ReceiveQueues {
        /// The interface.
        interface: String,
        /// The number of receive queues.
        count: u32,
    },
    /// Whether a kernel module is loaded.
    Module {
        /// The module.
        name: String,
        /// Its parameters.
        parameters: Vec<String>,
        /// Whether the module is loaded.
        loaded: bool,
    },
    /// The driver of a PCI device.
    Driver {
        /// The address of the device.
        device: String,
        /// The driver; `None` leaves the device without one.
        driver: Option<String>,
    },
    /// The name of the interface of a PCI device.
    Name {
        /// The address of the device.
        device: String,
        /// The name.
        name: String,
    },
    /// Whether hpcap_netdev captures an interface.
    Tap {
        /// The interface.
        interface: String,
        /// The number of its queue.
        number: u32,
        /// Whether hpcap_netdev captures the interface.
        attached: bool,
    },
    /// The ring of a queue of the kernel module.
    Ring {
        /// The queue.
        queue: String,
        /// The size of the ring.
        bytes: u64,
        /// The size of its pages; `None` takes the largest of which enough are free.
        page_bytes: Option<u64>,
    },
}

/// The present value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InForce {
    /// The setting itself.
    Itself,
    /// The same setting with another value.
    Other(Setting),
    /// The value cannot be known, as on a stored copy of a machine.
    Unknown,
}

impl Setting {
    /// Returns what is in force now.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an interface or a device that is not there, and errors of the system.
    pub fn in_force(&self, root: &Root) -> Result<InForce> {
        let other = match self {
            Self::File { path, text } => {
                let path = root.path(path);
                let found = fs::read_to_string(&path)
                    .context(|| format!("read {}", path.display()))?
                    .trim()
                    .to_owned();
                return Ok(match queue::means_the_same(&found, text) {
                    true => InForce::Itself,
                    false => InForce::Other(self.with_text(found)),
                });
            }
            Self::Module { .. } | Self::Driver { .. } | Self::Name { .. } | Self::Tap { .. } => {
                module::in_force(self, root)?
            }
            Self::Ring { queue, .. } => queue::ring_in_force(queue, root)?,
            _ if !root.is_running_system() => return Ok(InForce::Unknown),
            _ => link::in_force(self)?,
        };
        Ok(match other {
            Some(now) if self.is_met_by(&now) => InForce::Itself,
            Some(now) => InForce::Other(now),
            None => InForce::Unknown,
        })
    }

    fn with_text(&self, found: String) -> Self {
        match self {
            Self::File { path, .. } => Self::File {
                path: path.clone(),
                text: found,
            },
            other => other.clone(),
        }
    }

    /// Whether `now`, which is the same setting, leaves nothing to do.
    fn is_met_by(&self, now: &Self) -> bool {
        match (self, now) {
            (
                Self::Pause {
                    obeys: false,
                    sends: false,
                    ..
                },
                Self::Pause { obeys, sends, .. },
            ) => !obeys && !sends,
            (Self::Speed { .. }, _) => self == now || link::has_speed(self),
            (Self::ReceiveQueues { count, .. }, Self::ReceiveQueues { count: found, .. }) => {
                found >= count
            }
            (
                Self::Module { name, loaded, .. },
                Self::Module {
                    name: found,
                    loaded: is_loaded,
                    ..
                },
            ) => name == found && loaded == is_loaded,
            (
                Self::Ring {
                    bytes, page_bytes, ..
                },
                Self::Ring {
                    bytes: found,
                    page_bytes: pages,
                    ..
                },
            ) => bytes == found && (page_bytes.is_none() || page_bytes == pages),
            _ => self == now,
        }
    }

    /// Makes the setting.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn apply(&self, root: &Root) -> Result<()> {
        match self {
            Self::File { path, text } => queue::write(&root.path(path), text),
            Self::Module { .. } | Self::Driver { .. } | Self::Name { .. } | Self::Tap { .. } => {
                module::apply(self, root)
            }
            Self::Ring {
                queue,
                bytes,
                page_bytes,
            } => queue::set_ring(queue, *bytes, *page_bytes),
            _ => link::apply(self),
        }
    }

    /// Puts back `before`, unless somebody has changed the setting since.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn undo(&self, root: &Root, before: &Self) -> Result<Undone> {
        match self.in_force(root) {
            // An interface or a device that is gone has no settings.
            Err(e) if e.kind() == Kind::NotFound => Ok(Undone::AlreadyGone),
            Err(e) => Err(e),
            Ok(InForce::Other(now)) if now == *before => Ok(Undone::AlreadyGone),
            Ok(InForce::Other(now)) => Ok(Undone::Foreign(format!(
                "another program has changed what this changed: {self} (now: {now})"
            ))),
            Ok(InForce::Unknown) => Ok(Undone::AlreadyGone),
            Ok(InForce::Itself) => match before.apply(root) {
                Err(e) if e.kind() == Kind::Busy => {
                    Ok(Undone::Foreign(format!("{before}: {}", e.why_and_advice())))
                }
                done => done.map(|()| Undone::Yes),
            },
        }
    }
}

/// Parses the name of a queue that the manifest has.
fn queue_name(text: &str) -> Result<QueueName> {
    text.parse()
}
