//! Compressed capture files: writes and reads gzip and Zstandard as a stream.
//!
//! The ending of a name says what a tool writes ([`Ending`]); the first bytes of a file say what a tool reads
//! ([`Decompressor`]), whatever the file is called. A [`Compressor`] that is dropped leaves a file without its end, so
//! the caller ends it with [`Compressor::finish`], which returns errors of the last write.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::path::Path;
//!
//! use hpcap_base::compress::{Compression, Compressor, Decompressor, Ending};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ending = Ending::of(Path::new("noon.pcapng.zst"))?;
//! assert_eq!(ending.compression, Compression::Zstd);
//!
//! let mut compressor = Compressor::new(Vec::new(), ending.compression)?;
//! compressor.write_all(&[7; 100_000])?;
//! let file = compressor.finish()?;
//! assert!(file.len() < 1000);
//!
//! let mut bytes = Vec::new();
//! Decompressor::new(&file[..])?.read_to_end(&mut bytes)?;
//! assert_eq!(bytes, [7; 100_000]);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::error::{Error, Result};

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// gzip, which every tool reads.
    Gzip,
    /// Zstandard, which is several times faster than gzip and compresses better.
    Zstd,
}

impl Compression {
    /// The ending of the file name: `.gz`, `.zst`, or empty.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Detects the compression from the first bytes of a file.
    #[must_use]
    pub fn of_content(head: &[u8]) -> Self {
        if head.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

/// The formats of files with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileFormat {
    /// RAW.
    Raw,
    /// Classic pcap.
    Pcap,
    /// pcapng.
    Pcapng,
}

impl FileFormat {
    /// The ending of the file name, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }
}

/// The format and compression that the ending of a file name asks for: `x.pcapng.zst` is pcapng,
/// compressed with Zstandard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The format.
    pub format: FileFormat,
    /// The compression.
    pub compression: Compression,
}

/// The accepted endings, for error messages.
const ENDINGS: &str = ".pcap or .pcapng, each alone or followed by .gz or .zst";

impl Ending {
    /// Parses the ending of a file that a tool will write as pcap or pcapng.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`](crate::Kind::Usage) for any other ending, because the content of a
    /// file must be what its name says.
    pub fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lower = name.to_ascii_lowercase();
        let (rest, compression) = [Compression::Gzip, Compression::Zstd]
            .into_iter()
            .find_map(|c| Some((lower.strip_suffix(c.suffix())?, c)))
            .unwrap_or((&lower, Compression::None));
        let format = [FileFormat::Pcap, FileFormat::Pcapng]
            .into_iter()
            .find(|f| {
                rest.strip_suffix(f.extension())
                    .is_some_and(|stem| stem.ends_with('.'))
            })
            .ok_or_else(|| {
                Error::usage(
                    format!("the ending of {}", path.display()),
                    format!("expected {ENDINGS}"),
                )
            })?;
        Ok(Self {
            format,
            compression,
        })
    }

    /// The ending as part of a file name, with its dots.
    #[must_use]
    pub fn text(self) -> String {
        format!(".{}{}", self.format.extension(), self.compression.suffix())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Compresses the bytes that are written to it. [`Compressor::finish`] must end the stream;
/// otherwise the file is cut.
pub struct Compressor<W: Write>(Writing<W>);

enum Writing<W: Write> {
    Plain(W),
    Gzip(Box<GzEncoder<W>>),
    Zstd(Box<zstd::Encoder<'static, W>>),
}

impl<W: Write> fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Compressor")
            .field(&self.compression())
            .finish()
    }
}

impl<W: Write> Compressor<W> {
    /// Creates a compressor that writes to `sink`, with the default level of the library.
    ///
    /// # Errors
    /// Fails when there is no memory for the compressor.
    pub fn new(sink: W, compression: Compression) -> io::Result<Self> {
        Ok(Self(match compression {
            Compression::None => Writing::Plain(sink),
            Compression::Gzip => Writing::Gzip(Box::new(GzEncoder::new(
                sink,
                flate2::Compression::default(),
            ))),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(sink, 0)?;
                encoder.include_checksum(true)?;
                Writing::Zstd(Box::new(encoder))
            }
        }))
    }

    /// The compression that is used.
    #[must_use]
    pub fn compression(&self) -> Compression {
        match self.0 {
            Writing::Plain(_) => Compression::None,
            Writing::Gzip(_) => Compression::Gzip,
            Writing::Zstd(_) => Compression::Zstd,
        }
    }

    /// The inner writer.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        match &self.0 {
            Writing::Plain(sink) => sink,
            Writing::Gzip(encoder) => encoder.get_ref(),
            Writing::Zstd(encoder) => encoder.get_ref(),
        }
    }

    /// Ends the stream and returns the inner writer.
    ///
    /// # Errors
    /// Returns the error of the inner writer.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Writing::Plain(mut sink) => {
                sink.flush()?;
                Ok(sink)
            }
            Writing::Gzip(encoder) => encoder.finish(),
            Writing::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Writing::Plain(sink) => sink.write(bytes),
            Writing::Gzip(encoder) => encoder.write(bytes),
            Writing::Zstd(encoder) => encoder.write(bytes),
        }
    }

    /// Passes on all bytes written so far, so that a reader of the unfinished file gets them.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Writing::Plain(sink) => sink.flush(),
            Writing::Gzip(encoder) => encoder.flush(),
            Writing::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// The first bytes of a source, which were already read, followed by the rest.
type Whole<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// Reads a source, and decompresses it when its first bytes are those of a compressed file.
pub struct Decompressor<R: Read>(Reading<R>);

enum Reading<R: Read> {
    Plain(Whole<R>),
    Gzip(Box<MultiGzDecoder<Whole<R>>>),
    Zstd(Box<zstd::Decoder<'static, io::BufReader<Whole<R>>>>),
}

impl<R: Read> fmt::Debug for Decompressor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decompressor")
            .field(&self.compression())
            .finish()
    }
}

impl<R: Read> Decompressor<R> {
    /// Reads the first four bytes of `source` to detect its compression.
    ///
    /// # Errors
    /// Returns the error of `source`.
    pub fn new(mut source: R) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        source.by_ref().take(4).read_to_end(&mut head)?;
        let compression = Compression::of_content(&head);
        let whole = io::Cursor::new(head).chain(source);
        Ok(Self(match compression {
            Compression::None => Reading::Plain(whole),
            Compression::Gzip => Reading::Gzip(Box::new(MultiGzDecoder::new(whole))),
            Compression::Zstd => Reading::Zstd(Box::new(zstd::Decoder::new(whole)?)),
        }))
    }

    /// The compression of the source.
    #[must_use]
    pub fn compression(&self) -> Compression {
        match self.0 {
            Reading::Plain(_) => Compression::None,
            Reading::Gzip(_) => Compression::Gzip,
            Reading::Zstd(_) => Compression::Zstd,
        }
    }

    /// Whether the source is compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.compression() != Compression::None
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Reading::Plain(source) => source.read(buffer),
            Reading::Gzip(decoder) => decoder.read(buffer),
            Reading::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests;
