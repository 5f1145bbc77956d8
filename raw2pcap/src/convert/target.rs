//! Destinations of the output: files, which appear only when complete, and standard output.

use std::fs::File;
use std::io::{self, Stdout, Write};
use std::path::PathBuf;

use hpcap::Result;
use hpcap::compress::{Compression, Compressor};
use hpcap::error::Context;

use super::background_writer::BackgroundWriter;
use super::new_file::{NewFile, Protected, is_special};

/// Destination of the output.
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
        /// Ending of the names, such as `pcap` or `pcapng.zst`.
        extension: String,
    },
}

impl Target {
    /// Returns the path of file `number`, counted from 0; `None` for standard output.
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

/// An open output.
#[derive(Debug)]
pub(super) enum Output {
    /// Standard output, a pipe or a device.
    Stream(Compressor<Stream>),
    /// A file that gets its name when it is complete.
    File {
        /// Writes the bytes of the file.
        writer: BackgroundWriter,
        /// Gives the file its name.
        file: NewFile,
    },
}

#[derive(Debug)]
pub(super) enum Stream {
    Stdout(Stdout),
    File(File),
}

impl Output {
    /// Opens the output at `path`, or standard output if `path` is `None`. An existing file is
    /// replaced only with `force`, a `protected` file never.
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
        let writer = new
            .file()
            .and_then(|file| BackgroundWriter::new(Compressor::new(file, compression)?))
            .context(tried)?;
        Ok(Self::File { writer, file: new })
    }

    /// Ends the output and gives a file its name.
    pub(super) fn finish(self, name: &str) -> Result<()> {
        let tried = || format!("write {name}");
        match self {
            Self::Stream(stream) => stream.finish().map(drop).context(tried),
            Self::File { writer, file } => {
                writer.finish().context(tried)?;
                file.finish()
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
            Self::File { writer, .. } => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::File { writer, .. } => writer.flush(),
        }
    }
}
