//! Where the result goes: files that appear whole or not at all, or standard output.

use std::fs::{self, File};
use std::io::{self, Stdout, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use hpcap::error::Context;
use hpcap::raw::name::rename_no_replace;
use hpcap::{Error, Kind, Result};

use super::behind::Behind;

/// Where the result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output: `-`.
    Stdout,
    /// One file.
    File(PathBuf),
    /// Files `<stem>_0.<extension>`, `<stem>_1.<extension>` and so on.
    Numbered {
        /// Path up to the underscore.
        stem: PathBuf,
        /// `pcap` or `pcapng`.
        extension: String,
    },
}

impl Target {
    /// The path of the `number`th file; `None` for standard output.
    #[must_use]
    pub fn path(&self, number: u32) -> Option<PathBuf> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path.clone()),
            Self::Numbered { stem, extension } => {
                let mut name = stem.clone().into_os_string();
                name.push(format!("_{number}.{extension}"));
                Some(PathBuf::from(name))
            }
        }
    }
}

/// An output under way.
#[derive(Debug)]
pub(super) enum Output {
    /// Standard output, and what is no regular file: a pipe, a device.
    Stream(Stream),
    /// A file that gets its name when it is whole.
    File {
        file: Behind,
        part: PathBuf,
        path: PathBuf,
        force: bool,
        /// Whether `part` is still there to be removed.
        pending: bool,
    },
}

#[derive(Debug)]
pub(super) enum Stream {
    Stdout(Stdout),
    File(File),
}

/// Whether a path exists and is no regular file.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| {
        let kind = meta.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    })
}

impl Output {
    /// Opens the output at `path`, standard output where there is none. An existing file is
    /// replaced only with `force`.
    pub(super) fn create(path: Option<PathBuf>, force: bool) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Stream(Stream::Stdout(io::stdout())));
        };
        let tried = || format!("write {}", path.display());
        if is_special(&path) {
            let file = File::options().write(true).open(&path).context(tried)?;
            return Ok(Self::Stream(Stream::File(file)));
        }
        if path.is_dir() {
            return Err(
                Error::new(Kind::Usage, path.display().to_string(), "it is a folder")
                    .advise("name a file: -o FILE.pcap"),
            );
        }
        let exists = |what: &Path| {
            Error::new(Kind::Io, tried(), format!("{} exists", what.display()))
                .advise("--force replaces it")
        };
        if !force && path.exists() {
            return Err(exists(&path));
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut options = File::options();
        options
            .write(true)
            .create(true)
            .truncate(force)
            .create_new(!force);
        let file = match options.open(&part) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&part)),
            other => other.context(tried)?,
        };
        let file = Behind::new(file).context(tried)?;
        Ok(Self::File {
            file,
            part,
            path,
            force,
            pending: true,
        })
    }

    /// Gives a file its name.
    pub(super) fn finish(mut self) -> Result<()> {
        if let Self::File {
            part,
            path,
            force,
            pending,
            ..
        } = &mut self
        {
            let renamed = if *force {
                fs::rename(&*part, &*path)
            } else {
                rename_no_replace(part, path)
            };
            renamed.context(|| format!("rename {} to {}", part.display(), path.display()))?;
            *pending = false;
        }
        Ok(())
    }
}

impl Drop for Output {
    /// What was not finished leaves nothing behind.
    fn drop(&mut self) {
        if let Self::File {
            part,
            pending: true,
            ..
        } = self
        {
            let _ = fs::remove_file(part);
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(Stream::Stdout(out)) => out.write(bytes),
            Self::Stream(Stream::File(file)) => file.write(bytes),
            Self::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(Stream::Stdout(out)) => out.flush(),
            Self::Stream(Stream::File(file)) => file.flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}
