//! Where the result goes: files that appear whole or not at all, or standard output.

use std::fs::File;
use std::io::{self, Stdout, Write};
use std::path::PathBuf;

use hpcap::Result;
use hpcap::compress::{Compression, Compressor};
use hpcap::error::Context;

use super::background_writer::BackgroundWriter;
use super::new_file::{NewFile, Protected, is_special};

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
        /// `pcap`, `pcapng.zst`.
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
    Stream(Compressor<Stream>),
    /// A file that gets its name when it is whole.
    File {
        /// Writes to it.
        behind: BackgroundWriter,
        /// It.
        new: NewFile,
    },
}

#[derive(Debug)]
pub(super) enum Stream {
    Stdout(Stdout),
    File(File),
}

impl Output {
    /// Opens the output at `path`, standard output where there is none. An existing file is
    /// replaced only with `force`, and never one that is `protected`.
    pub(super) fn create(
        path: Option<PathBuf>,
        compression: Compression,
        force: bool,
        protected: &Protected,
    ) -> Result<Self> {
        let stream = |stream| -> io::Result<Self> {
            Ok(Self::Stream(Compressor::new(stream, compression)?))
        };
        let Some(path) = path else {
            protected.check_stdout()?;
            return stream(Stream::Stdout(io::stdout())).context(|| "write standard output");
        };
        let name = path.display().to_string();
        let tried = || format!("write {name}");
        if is_special(&path) {
            let file = File::options().write(true).open(&path).context(tried)?;
            return stream(Stream::File(file)).context(tried);
        }
        let new = NewFile::create(path, force, protected)?;
        let behind = new
            .file()
            .and_then(|file| BackgroundWriter::new(Compressor::new(file, compression)?))
            .context(tried)?;
        Ok(Self::File { behind, new })
    }

    /// Ends the output, and gives a file its name.
    pub(super) fn finish(self, name: &str) -> Result<()> {
        let tried = || format!("write {name}");
        match self {
            Self::Stream(stream) => stream.finish().map(drop).context(tried),
            Self::File { behind, new } => {
                behind.finish().context(tried)?;
                new.finish()
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.write(bytes),
            Self::File { behind, .. } => behind.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::File { behind, .. } => behind.flush(),
        }
    }
}
