//! The form in which frames are written: format, compression, and one file or a folder.

use std::path::{Path, PathBuf};

use hpcap::compress::{Compression, FileFormat};
use hpcap::raw::name::split_ending;
use hpcap::{Error, Result, abi};

use crate::cli::Cli;
use crate::plan::Destination;

/// Smallest size in bytes that `--rotate-size` may name for pcapng and pcap.
const ROTATE_BYTES_MIN: u64 = 4096;

/// Endings of capture files that the recorder does not write, or only behind another ending.
const OTHER_ENDINGS: [&str; 9] = [
    ".cap", ".dump", ".dmp", ".gz", ".zst", ".xz", ".bz2", ".lz4", ".part",
];

/// The form of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Format of the files or of the stream.
    pub format: FileFormat,
    /// How finished files are compressed.
    pub compression: Compression,
}

/// Parses the value of `--format`.
///
/// # Errors
/// A text that is not a format.
pub fn parse_format(text: &str) -> std::result::Result<FileFormat, String> {
    [FileFormat::Raw, FileFormat::Pcapng, FileFormat::Pcap]
        .into_iter()
        .find(|format| format.extension() == text)
        .ok_or_else(|| "expected raw, pcapng or pcap".to_owned())
}

/// Parses the value of `--compress`.
///
/// # Errors
/// A text that is not a method.
pub fn parse_compression(text: &str) -> std::result::Result<Compression, String> {
    match text {
        "gz" => Ok(Compression::Gzip),
        "zst" => Ok(Compression::Zstd),
        _ => Err("expected gz or zst".to_owned()),
    }
}

/// Decides by the ending of `path` whether it is one file or a folder.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for an ending of files that the recorder does not write.
pub fn place(path: &Path) -> Result<Destination> {
    // Endings are ASCII, so it does not matter that other bytes are replaced.
    let shown = path.to_string_lossy();
    let name = shown.rsplit('/').next().unwrap_or_default();
    if split_ending(name).is_some() {
        return Ok(Destination::File(PathBuf::from(path)));
    }
    match OTHER_ENDINGS.iter().find(|end| name.ends_with(**end)) {
        // A folder may have such a name.
        Some(_) if path.is_dir() => {}
        Some(end) => {
            return Err(Error::usage(
                format!("destination {shown}"),
                format!("files that end in {end} are not written here"),
            )
            .advise(format!(
                "end it in .raw, .pcapng or .pcap, the last two alone or with .gz or .zst \
                 behind; a folder of that name is written {shown}/"
            )));
        }
        None => {}
    }
    Ok(Destination::Folder(PathBuf::from(path)))
}

impl Form {
    /// Combines `--format`, `--compress` and the ending of the destination.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage) if they contradict each other.
    pub fn of(cli: &Cli, destination: &Destination) -> Result<Self> {
        let form = match destination {
            Destination::File(path) => Self::of_file(cli, path)?,
            Destination::Folder(_) => Self {
                format: cli.format.unwrap_or(FileFormat::Raw),
                compression: cli.compress.unwrap_or_default(),
            },
            Destination::Stdout => {
                if cli.format.is_some_and(|f| f != FileFormat::Pcapng) {
                    return Err(Error::usage(
                        "--format with DEST -",
                        "standard output carries pcapng, which tcpdump, tshark and Wireshark read",
                    ));
                }
                Self {
                    format: FileFormat::Pcapng,
                    compression: Compression::None,
                }
            }
            Destination::Null => Self {
                format: FileFormat::Raw,
                compression: Compression::None,
            },
        };
        if form.format == FileFormat::Raw && form.compression != Compression::None {
            return Err(Error::usage(
                "--compress",
                "is for pcapng and pcap: RAW files are written at line rate and read in place",
            )
            .advise("add --format pcapng, or compress what raw2pcap makes of them"));
        }
        Ok(form)
    }

    fn of_file(cli: &Cli, path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (format, compression) =
            split_ending(&name).map_or((FileFormat::Raw, Compression::None), |(_, f, c)| (f, c));
        let contradiction = |option: &str, says: &str| {
            Err(Error::usage(
                format!("{option} with DEST {}", path.display()),
                format!("its ending says {says}"),
            )
            .advise("leave out the option, or change the ending"))
        };
        if cli.format.is_some_and(|f| f != format) {
            return contradiction("--format", format.extension());
        }
        match (cli.compress, compression) {
            (None, _) => {}
            (Some(asked), said) if asked == said => {}
            (Some(_), Compression::None) => {
                return contradiction("--compress", "that it is not compressed");
            }
            (Some(_), said) => {
                return contradiction("--compress", said.suffix().trim_start_matches('.'));
            }
        }
        Ok(Self {
            format,
            compression,
        })
    }

    /// Checks the size of `--rotate-size` against what this format allows.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage) if the size is not allowed.
    pub fn check_rotate_size(self, bytes: Option<u64>) -> Result<()> {
        let Some(wanted) = bytes else { return Ok(()) };
        let (allowed, expected) = match self.format {
            FileFormat::Raw => (
                abi::HPCAP_RING_BYTES_MIN / 4..=abi::HPCAP_FILE_BYTES_MAX,
                if wanted > abi::HPCAP_FILE_BYTES_MAX {
                    "expected at most 2G: a RAW file is at most 2 GiB"
                } else {
                    "expected at least 128K: a RAW file is whole blocks of the ring, which have \
                     128 KiB in the smallest ring and 4 MiB in rings from 16 MiB on; files get two \
                     blocks at least"
                },
            ),
            FileFormat::Pcap | FileFormat::Pcapng => {
                (ROTATE_BYTES_MIN..=u64::MAX, "expected at least 4K")
            }
        };
        if allowed.contains(&wanted) {
            return Ok(());
        }
        Err(Error::usage(format!("--rotate-size {wanted}"), expected))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn form(line: &str) -> Result<(Destination, Form)> {
        let cli = Cli::try_parse_from(format!("hpcapdd hpcap0 {line}").split(' ')).unwrap();
        let destination = place(Path::new(&cli.operands[1]))?;
        let form = Form::of(&cli, &destination)?;
        Ok((destination, form))
    }

    #[test]
    fn ending_decides_the_kind_of_a_destination() {
        use Compression::{Gzip, None as Plain, Zstd};
        use FileFormat::{Pcap, Pcapng, Raw};
        let file = |path: &str| Destination::File(path.into());
        let folder = |path: &str| Destination::Folder(path.into());
        for (line, destination, format, compression) in [
            ("/d", folder("/d"), Raw, Plain),
            ("/d --format pcapng", folder("/d"), Pcapng, Plain),
            ("/d --format pcap --compress gz", folder("/d"), Pcap, Gzip),
            ("x.pcapng", file("x.pcapng"), Pcapng, Plain),
            ("/d/x.raw", file("/d/x.raw"), Raw, Plain),
            ("x.pcap.gz", file("x.pcap.gz"), Pcap, Gzip),
            ("x.pcap.gz --compress gz", file("x.pcap.gz"), Pcap, Gzip),
            ("x.pcapng.zst", file("x.pcapng.zst"), Pcapng, Zstd),
            ("/d/x.pcapng/", folder("/d/x.pcapng/"), Raw, Plain),
            ("pcap", folder("pcap"), Raw, Plain),
        ] {
            let expected = Form {
                format,
                compression,
            };
            assert_eq!(form(line).unwrap(), (destination, expected), "{line}");
        }
    }

    #[test]
    fn contradiction_is_refused() {
        for line in [
            "x.pcap --format pcapng",
            "x.pcap --compress gz",
            "x.pcap.gz --compress zst",
            "x.raw.gz",
            "/d --compress gz",
            "x.pcap.xz",
            "x.cap",
            "x.gz",
        ] {
            let error = form(line).unwrap_err();
            assert_eq!(error.kind(), hpcap::Kind::Usage, "{line}");
        }
    }

    #[test]
    fn rotate_size_depends_on_the_format() {
        let (_, raw) = form("/d").unwrap();
        let (_, pcapng) = form("/d --format pcapng").unwrap();
        assert!(raw.check_rotate_size(None).is_ok());
        assert!(raw.check_rotate_size(Some(1 << 31)).is_ok());
        assert!(raw.check_rotate_size(Some((1 << 31) + 1)).is_err());
        assert!(raw.check_rotate_size(Some(4096)).is_err());
        assert!(pcapng.check_rotate_size(Some(4096)).is_ok());
        assert!(pcapng.check_rotate_size(Some(1 << 40)).is_ok());
        assert!(pcapng.check_rotate_size(Some(100)).is_err());
    }
}
