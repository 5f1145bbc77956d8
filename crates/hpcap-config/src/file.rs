//! Reads and writes configuration files: plain files of a sensible size, in UTF-8.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};

use crate::document::Document;

/// Where hpcap's configuration is.
pub const DEFAULT_PATH: &str = "/etc/hpcap/hpcap.toml";

/// Largest size of a configuration in bytes: a thousand times what a machine with 16 ports needs.
const MOST_BYTES: u64 = 1 << 20;

/// Returns the bytes of the plain file at `path`.
///
/// # Errors
/// Returns [`Kind::NotFound`] and the other errors of the system; [`Kind::Format`] for a file of
/// another type, or of more than 1 MiB.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let tried = || format!("read {}", path.display());
    let refuse = |why: &str| Err(Error::new(Kind::Format, tried(), why));
    // Opening a FIFO for reading waits for a writer, and this open must not wait.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)
        .context(tried)?;
    let about = file.metadata().context(tried)?;
    if about.is_dir() {
        return refuse("it is a folder, not a file");
    }
    if !about.is_file() {
        return refuse("it is not a plain file");
    }
    let mut bytes = Vec::new();
    // The length that the system reports may change, so the bytes themselves are counted.
    (&file)
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .context(tried)?;
    match bytes.len() as u64 > MOST_BYTES {
        true => refuse("it has more than 1 MiB, so it is not a configuration"),
        false => Ok(bytes),
    }
}

/// Reads the text in the file at `path`.
///
/// # Errors
/// Returns the errors of [`read_bytes`]; [`Kind::Format`] for bytes that are not UTF-8, with the line.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|e| {
        let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = good.iter().filter(|b| **b == b'\n').count() + 1;
        let why = format!("line {line} has bytes that are not UTF-8");
        Error::new(Kind::Format, format!("read {}", path.display()), why)
    })
}

/// Reads the configuration at `path`.
///
/// # Errors
/// Returns the errors of [`read_text`]; [`Kind::Format`] for a text that is no configuration, with
/// all errors in it.
pub fn load(path: &Path) -> Result<Document> {
    let text = read_text(path)?;
    Ok(Document::parse(&path.display().to_string(), &text)?)
}

/// Writes `text` to `path`. The file is complete at every moment: its new content is written beside
/// it and then takes its name.
///
/// # Errors
/// Returns [`Kind::Busy`] when the file exists and `replace` is false, and errors of the system.
pub fn save(path: &Path, text: &str, replace: bool) -> Result<()> {
    let tried = || format!("write {}", path.display());
    if !replace && path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new()
        .prefix(".hpcap-config-")
        .tempfile_in(folder)
        .context(tried)?;
    let prepare = |file: &mut File| {
        file.write_all(text.as_bytes())?;
        file.set_permissions(PermissionsExt::from_mode(0o644))?;
        file.sync_all()
    };
    prepare(new.as_file_mut()).context(tried)?;
    // Between the check above and this line, another program may have made the file.
    let done = match replace {
        true => new.persist(path).map(drop),
        false => new.persist_noclobber(path).map(drop),
    };
    done.map_err(|e| match e.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Error::io(tried(), e.error),
    })
}

fn exists(path: &Path) -> Error {
    let tried = format!("write {}", path.display());
    Error::new(Kind::Busy, tried, "the file exists")
        .advise("--force replaces it; --output writes another file")
}
