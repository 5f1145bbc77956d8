//! The address of a queue: its name, or the path of its socket or device.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::name::QueueName;

/// What [`Queue::open`](super::Queue::open) opens.
///
/// ```
/// use std::path::Path;
///
/// use hpcap::QueueName;
/// use hpcap::queue::QueueAddress;
///
/// # fn main() -> hpcap::Result<()> {
/// let name = QueueAddress::Name(QueueName::new(0, 1));
/// assert_eq!(QueueAddress::try_from("hpcap0:1")?, name);
/// assert_eq!(name.to_string(), "hpcap0:1");
/// let path = QueueAddress::try_from("/run/hpcap/hpcap0.sock")?;
/// assert_eq!(path, QueueAddress::from(Path::new("/run/hpcap/hpcap0.sock")));
/// assert!(QueueAddress::try_from("eth0").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueAddress {
    /// The name of a queue, to be searched in the folders of sockets and devices.
    Name(QueueName),
    /// The path of a socket of `hpcapd` or of a device of the kernel module.
    Path(PathBuf),
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl From<QueueName> for QueueAddress {
    fn from(name: QueueName) -> Self {
        Self::Name(name)
    }
}

impl From<&Path> for QueueAddress {
    fn from(path: &Path) -> Self {
        Self::from(path.to_owned())
    }
}

impl From<PathBuf> for QueueAddress {
    fn from(path: PathBuf) -> Self {
        // The path of a file in the working directory has an empty folder, which cannot be opened.
        match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Self::Path(Path::new(".").join(path)),
            _ => Self::Path(path),
        }
    }
}

impl From<&PathBuf> for QueueAddress {
    fn from(path: &PathBuf) -> Self {
        Self::from(path.as_path())
    }
}

impl TryFrom<&OsStr> for QueueAddress {
    type Error = Error;

    /// Text with a slash is a path, which need not be UTF-8; other text is the name of a queue.
    fn try_from(text: &OsStr) -> Result<Self> {
        if text.as_bytes().contains(&b'/') {
            return Ok(Self::from(Path::new(text)));
        }
        text.to_string_lossy().parse().map(Self::Name)
    }
}

impl TryFrom<&str> for QueueAddress {
    type Error = Error;

    /// Text with a slash is a path; other text is the name of a queue.
    fn try_from(text: &str) -> Result<Self> {
        Self::try_from(OsStr::new(text))
    }
}

impl TryFrom<&String> for QueueAddress {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        Self::try_from(text.as_str())
    }
}

impl TryFrom<String> for QueueAddress {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::try_from(text.as_str())
    }
}
