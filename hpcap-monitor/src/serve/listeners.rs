//! Where the server listens: at an address, at a socket in the file system, or both.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};

/// Permissions of a socket: its owner and group may connect.
const SOCKET_MODE: u32 = 0o660;

/// Listens at an address.
///
/// # Errors
/// Errors of the operating system, such as for an address in use.
pub(super) fn at_address(address: SocketAddr) -> Result<TcpListener> {
    let tried = || format!("serve HTTP at {address}");
    let listener = TcpListener::bind(address).context(tried).map_err(|e| {
        e.or_advise("stop the other program, or give another address with --listen")
    })?;
    listener.set_nonblocking(true).context(tried)?;
    Ok(listener)
}

/// Listens at a socket in the file system. A socket that no program serves is replaced, any other file is not.
///
/// # Errors
/// Errors of the operating system; [`Kind::Busy`] if another program serves the socket, or `path` is
/// another file.
pub(super) fn at_path(path: &Path) -> Result<UnixListener> {
    let tried = || format!("serve HTTP at the socket {}", path.display());
    let refused = |why: &str| Error::new(Kind::Busy, tried(), why.to_owned());
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(refused("there is a file of this name that is no socket")
                .advise("remove the file, or give another path with --socket"));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => {
                return Err(refused("another program serves it")
                    .advise("stop the other program, or give another path with --socket"));
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).context(tried)?;
            }
            Err(e) => return Err(e).context(tried),
        },
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).context(tried)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE)).context(tried)?;
    listener.set_nonblocking(true).context(tried)?;
    Ok(listener)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn unserved_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http");
        drop(at_path(&path).unwrap());
        let listener = at_path(&path).unwrap();
        let error = at_path(&path).unwrap_err();
        assert!(
            error.to_string().contains("another program serves it"),
            "{error}"
        );
        drop(listener);
    }

    #[test]
    fn other_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        fs::write(&path, "text").unwrap();
        assert_eq!(at_path(&path).unwrap_err().kind(), Kind::Busy);
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }
}
