//! Why a machine did not do its work.

use std::fmt;
use std::time::Duration;

/// Why a machine did not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Something that a machine needs is not on this host.
    Missing(String),
    /// The host failed.
    Host(String),
    /// The guest could not be set up.
    Guest(String),
    /// The kernel complained: an oops, a warning, a lock order, a leak. The lines around the first
    /// of them.
    Kernel(Vec<String>),
    /// It took too long; the last lines of the console.
    TimeLimit {
        /// What did.
        what: String,
        /// The limit.
        limit: Duration,
        /// The last lines of the console.
        console: Vec<String>,
    },
    /// The machine ended by itself.
    Ended {
        /// What QEMU said.
        qemu: String,
        /// The last lines of the console.
        console: Vec<String>,
    },
}

impl Trouble {
    pub(crate) fn host(what: impl Into<String>) -> Self {
        Self::Host(what.into())
    }
}

impl std::error::Error for Trouble {}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let console = match self {
            Self::Missing(what) | Self::Host(what) => return f.write_str(what),
            Self::Guest(what) => return write!(f, "the guest cannot be set up: {what}"),
            Self::Kernel(lines) => {
                f.write_str("the guest's kernel complained:")?;
                lines
            }
            Self::TimeLimit {
                what,
                limit,
                console,
            } => {
                write!(
                    f,
                    "time limit: {what} took longer than {limit:?}; the console's end:"
                )?;
                console
            }
            Self::Ended { qemu, console } => {
                f.write_str("the machine ended by itself")?;
                if !qemu.is_empty() {
                    write!(f, "; QEMU said: {}", qemu.trim_end())?;
                }
                f.write_str("; the console's end:")?;
                console
            }
        };
        for line in console {
            write!(f, "\n  | {line}")?;
        }
        Ok(())
    }
}
