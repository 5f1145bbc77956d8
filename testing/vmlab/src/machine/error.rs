//! Errors of a virtual machine.

use std::fmt;
use std::time::Duration;

/// An error of a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineError {
    /// A file that a machine needs is not on this host.
    Missing(String),
    /// The host failed.
    Host(String),
    /// The guest could not be set up.
    Guest(String),
    /// The kernel reported a fault, such as an oops, a warning, a wrong lock order or a leak: the lines
    /// around the first one.
    Kernel(Vec<String>),
    /// A step exceeded its time limit.
    TimeLimit {
        /// The step.
        what: String,
        /// The limit.
        limit: Duration,
        /// The last lines of the console.
        console: Vec<String>,
    },
    /// The machine ended unexpectedly.
    Ended {
        /// QEMU's error output.
        qemu: String,
        /// The last lines of the console.
        console: Vec<String>,
    },
}

impl MachineError {
    pub(crate) fn host(what: impl Into<String>) -> Self {
        Self::Host(what.into())
    }
}

impl std::error::Error for MachineError {}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let console = match self {
            Self::Missing(what) | Self::Host(what) => return f.write_str(what),
            Self::Guest(what) => return write!(f, "the guest cannot be set up: {what}"),
            Self::Kernel(lines) => {
                f.write_str("the guest's kernel reported a fault:")?;
                lines
            }
            Self::TimeLimit {
                what,
                limit,
                console,
            } => {
                write!(
                    f,
                    "time limit: {what} took longer than {limit:?}; the last lines of the console:"
                )?;
                console
            }
            Self::Ended { qemu, console } => {
                f.write_str("the machine ended by itself")?;
                if !qemu.is_empty() {
                    write!(f, "; QEMU said: {}", qemu.trim_end())?;
                }
                f.write_str("; the last lines of the console:")?;
                console
            }
        };
        for line in console {
            write!(f, "\n  | {line}")?;
        }
        Ok(())
    }
}
