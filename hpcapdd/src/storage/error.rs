//! Storage errors, and whether the recording can retry after them.

use std::{fmt, io};

use hpcap::{Error, Kind};

/// A failure to store, and what can be done about it.
#[derive(Debug)]
pub enum StorageError {
    /// A failure that can pass, such as a full disk or a missing folder. The session holds the
    /// ring and tries again from the same place.
    Passing(Error),
    /// The room for these bytes is not granted yet, because old files must be deleted first. The
    /// session tries again in a moment.
    NoRoomYet,
    /// This file takes no more bytes (a bad sector, a limit of its size). The recording goes on in
    /// another file.
    File(Error),
    /// The destination will never take these bytes, and there is no other one. The recording ends.
    Final(Error),
}

impl StorageError {
    /// Classifies a failed write to `path`.
    #[must_use]
    pub fn of_write(path: &std::path::Path, error: io::Error) -> Self {
        let passing = is_passing(&error);
        let error = Error::io(format!("write {}", path.display()), error);
        if passing {
            Self::Passing(error)
        } else {
            Self::File(error)
        }
    }

    /// The failure to create a file. Another file would fail in the same way, so the recorder can
    /// only wait until the failure passes.
    #[must_use]
    pub fn of_open(error: Error) -> Self {
        Self::Passing(error)
    }

    /// Whether there was no room left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Passing(e) | Self::File(e) | Self::Final(e) if e.kind() == Kind::Full)
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(e) | Self::File(e) | Self::Final(e) => e.fmt(f),
            Self::NoRoomYet => {
                f.write_str("files that --keep-size or --keep-free says to delete are still there")
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ENOSPC
                | libc::EDQUOT
                | libc::EAGAIN
                | libc::ENOMEM
                | libc::EROFS
                | libc::ESTALE
                | libc::ETIMEDOUT
        )
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn full_disk_is_a_passing_error() {
        let of =
            |errno| StorageError::of_write(Path::new("/d/f"), io::Error::from_raw_os_error(errno));
        assert!(matches!(of(libc::ENOSPC), StorageError::Passing(_)));
        assert!(of(libc::ENOSPC).is_full());
        assert!(of(libc::EDQUOT).is_full());
        for errno in [libc::EIO, libc::EFBIG, libc::EBADF] {
            assert!(matches!(of(errno), StorageError::File(_)), "{errno}");
        }
        assert!(of(libc::EIO).to_string().contains("/d/f"));
    }
}
