//! Names and folders of capture files.
//!
//! A file is called `<base>/<D>/<T>_hpcap<IF>_<Q>.raw`: `T` is the second in which the file was
//! started, and `D` is `T` rounded down to half an hour. When one queue starts several files in one
//! second, the later ones are called `<T>_hpcap<IF>_<Q>~01.raw` and so on, so that they sort after
//! the first one. (Version 1 of the ABI wrote `-1`, which sorts before it.) A recorder that
//! captures by itself puts the name of the source in place of the queue's: `<T>_eth0.raw`. An
//! unfinished file ends in `.raw.part`. pcap and pcapng files end in `.pcap` and `.pcapng`, and
//! compressed ones in `.pcapng.gz` or `.pcapng.zst`.
//!
//! ```
//! use std::path::Path;
//!
//! use hpcap_raw::FileName;
//!
//! let name = FileName::parse("1700001234_hpcap0_1.raw.part").unwrap();
//! assert_eq!(name.queue.to_string(), "hpcap0:1");
//! assert!(name.part);
//! let finished = FileName { part: false, ..name };
//! assert_eq!(
//!     finished.path(Path::new("/data")),
//!     Path::new("/data/1700001000/1700001234_hpcap0_1.raw"),
//! );
//! assert_eq!(FileName::parse("notes.txt"), None);
//! ```

mod source;

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use hpcap_base::compress::{Compression, FileFormat};
use hpcap_base::name::QueueName;
pub use source::SourceName;

/// Seconds of capture whose files share a folder.
pub const FOLDER_SECONDS: u64 = 1800;

/// The name of a capture file, without its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// Seconds since 1970 when the file was started.
    pub start_sec: u64,
    /// 0 for the first file of this queue in this second, then 1, 2 and so on.
    pub sequence: u32,
    /// The queue; without meaning when `source` is present.
    pub queue: QueueName,
    /// The source, when the recorder captured by itself; the name then has no queue.
    pub source: Option<SourceName>,
    /// The format of the file's content.
    pub format: FileFormat,
    /// How the content is compressed.
    pub compression: Compression,
    /// Whether the file is unfinished (`.raw.part`): a recorder writes it, or stopped before its
    /// end.
    pub part: bool,
}

impl FileName {
    /// The name of a finished RAW file.
    #[must_use]
    pub const fn new(start_sec: u64, queue: QueueName) -> Self {
        Self {
            start_sec,
            sequence: 0,
            queue,
            source: None,
            format: FileFormat::Raw,
            compression: Compression::None,
            part: false,
        }
    }

    /// Parses the last component of a path; `None` when it is not the name of a capture file.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, part) = match name.strip_suffix(".part") {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        let (stem, format, compression) = split_ending(stem)?;
        let (start, subject) = stem.split_once('_')?;
        let (subject, sequence) = split_sequence(subject);
        let name = Self {
            start_sec: number(start)?,
            sequence,
            format,
            compression,
            part,
            ..Self::new(0, QueueName::new(0, 0))
        };
        Some(match queue_of(subject) {
            Some(queue) => Self { queue, ..name },
            None => Self {
                source: Some(SourceName::new(subject)?),
                ..name
            },
        })
    }

    /// Whether `text` is a form of this name that a recorder writes now or wrote in earlier
    /// versions.
    #[must_use]
    pub fn is_written_as(&self, text: &str) -> bool {
        let ending = ending(self.format, self.compression, self.part);
        text == self.to_string()
            || (self.sequence != 0
                && self.source.is_none()
                && text == format!("{}-{}{ending}", self.stem(), self.sequence))
    }

    /// The start second, and the queue or the source, without sequence number and ending.
    fn stem(&self) -> String {
        let QueueName { adapter, queue } = self.queue;
        match &self.source {
            Some(source) => format!("{}_{source}", self.start_sec),
            None => format!("{}_hpcap{adapter}_{queue}", self.start_sec),
        }
    }

    /// Parses the last component of `path` with [`FileName::parse`].
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        Self::parse(path.file_name()?.to_str()?)
    }

    /// The name of the file's folder: the start second rounded down to half an hour.
    #[must_use]
    pub const fn folder(&self) -> u64 {
        self.start_sec - self.start_sec % FOLDER_SECONDS
    }

    /// The path of the file below `base`.
    #[must_use]
    pub fn path(&self, base: &Path) -> PathBuf {
        base.join(self.folder().to_string()).join(self.to_string())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stem())?;
        if self.sequence != 0 {
            // `~` sorts after the dot of the ending wherever names are compared as bytes.
            write!(f, "~{:02}", self.sequence)?;
        }
        f.write_str(&ending(self.format, self.compression, self.part))
    }
}

fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// Parses `hpcap0_1`, or `hpcap0_q1` as the dd script of the original writes it.
fn queue_of(subject: &str) -> Option<QueueName> {
    let (adapter, queue) = subject.strip_prefix("hpcap")?.split_once('_')?;
    let queue = queue.strip_prefix('q').unwrap_or(queue);
    Some(QueueName::new(
        u32::try_from(number(adapter)?).ok()?,
        u32::try_from(number(queue)?).ok()?,
    ))
}

/// Splits off the sequence number after `~`, or after `-` when a queue precedes it. A number after
/// `-` belongs to the name when a source precedes it: `veth-1` is an interface.
fn split_sequence(subject: &str) -> (&str, u32) {
    let split = |mark| {
        let (subject, digits) = subject.rsplit_once(mark)?;
        Some((subject, u32::try_from(number(digits)?).ok()?))
    };
    split('~')
        .or_else(|| split('-').filter(|(subject, _)| queue_of(subject).is_some()))
        .unwrap_or((subject, 0))
}

/// The ending of such a file's name: `.raw`, `.pcapng.gz`, `.pcap.part`.
#[must_use]
pub fn ending(format: FileFormat, compression: Compression, part: bool) -> String {
    let part = if part { ".part" } else { "" };
    format!(".{}{}{part}", format.extension(), compression.suffix())
}

/// Splits `x.pcapng.gz` into `x`, the format and the compression; `None` for any other ending.
#[must_use]
pub fn split_ending(name: &str) -> Option<(&str, FileFormat, Compression)> {
    [Compression::None, Compression::Gzip, Compression::Zstd]
        .into_iter()
        .find_map(|compression| {
            let name = name.strip_suffix(compression.suffix())?;
            [FileFormat::Raw, FileFormat::Pcap, FileFormat::Pcapng]
                .into_iter()
                .find_map(|format| {
                    let stem = name.strip_suffix(format.extension())?.strip_suffix('.')?;
                    Some((stem, format, compression))
                })
        })
}

/// Returns the path under which a recorder writes the file that will be called `path`.
#[must_use]
pub fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    // An ending is ASCII, so it has the same length in a name that is not UTF-8.
    let (stem, ending) = match split_ending(&name.to_string_lossy()) {
        Some((_, format, compression)) => {
            let stem = stem_of(name, &ending(format, compression, false));
            (stem, ending(format, Compression::None, true))
        }
        None => (Some(name), ".part".to_owned()),
    };
    let mut part = stem.unwrap_or(name).to_owned();
    part.push(ending);
    path.with_file_name(part)
}

/// Returns the name of a file without `ending`; `None` if it ends otherwise.
pub(crate) fn stem_of<'n>(name: &'n OsStr, ending: &str) -> Option<&'n OsStr> {
    let stem = name.as_bytes().strip_suffix(ending.as_bytes())?;
    Some(OsStr::from_bytes(stem))
}

/// Parses the seconds since 1970 at the start of a file name as the original's tools do, which
/// accept `1391723988.raw` as well as `1391723988_hpcap0_0.raw`.
#[must_use]
pub fn start_of(name: &str) -> Option<u64> {
    let end = name
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(name.len());
    name[..end].parse().ok()
}

/// Creates a file for reading and writing with mode 0640. When `truncate` is set, the file may
/// exist.
///
/// # Errors
/// Returns errors of the file system.
pub fn private_file(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(truncate)
        .truncate(truncate)
        .create_new(!truncate)
        .mode(0o640)
        .open(path)
}

/// Renames a file without ever replacing another.
///
/// # Errors
/// Returns `AlreadyExists` when `to` exists, and errors of the file system.
pub fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Some file systems do not support the flag. A hard link does not replace a file either.
        Err(nix::Error::EINVAL | nix::Error::ENOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => other.map_err(io::Error::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_they_print() {
        for text in [
            "1391723988_hpcap0_0.raw",
            "1391723988_hpcap3_12.raw.part",
            "1391723988_hpcap0_1~07.raw",
            "1391723988_hpcap0_1~107.pcapng",
            "1391723988_eth0.raw",
            "1391723988_veth-1~02.raw.part",
            "1391723988_hpcap0_1.pcap.gz",
            "1391723988_hpcap0_1.pcapng.zst.part",
        ] {
            assert_eq!(FileName::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            FileName::parse("1391723988_hpcap0_0.raw").unwrap().folder(),
            1_391_722_200
        );
        assert_eq!(
            FileName::parse("5_hpcap1_q2.raw"),
            Some(FileName::new(5, QueueName::new(1, 2))),
            "the dd script of the original"
        );
        assert_eq!(
            FileName::parse("1391723988_hpcap0_1-7.raw")
                .unwrap()
                .sequence,
            7
        );
        assert_eq!(FileName::parse("5_veth-1.raw").unwrap().sequence, 0);
        for text in [
            "",
            "x.raw",
            "_hpcap0_0.raw",
            "1_hpcap0_0.cap",
            "1_hpcap0_0.gz",
            "1_hpcap0_0.pcap.xz",
            "1_.raw",
            "1_a b.raw",
        ] {
            assert_eq!(FileName::parse(text), None, "{text}");
        }
        assert_eq!(start_of("17.raw"), Some(17));
        assert_eq!(start_of("x17.raw"), None);
    }

    #[test]
    fn part_keeps_every_byte_of_the_name() {
        for (name, part) in [
            (&b"d/x.raw"[..], &b"d/x.raw.part"[..]),
            (b"d/x\xff.pcapng.gz", b"d/x\xff.pcapng.part"),
            (b"\xff", b"\xff.part"),
        ] {
            let [name, part] = [name, part].map(|bytes| Path::new(OsStr::from_bytes(bytes)));
            assert_eq!(part_of(name), part);
        }
    }

    #[test]
    fn names_of_a_second_sort_in_order() {
        for queue in ["hpcap0_0", "eth0", "veth-1"] {
            let first = format!("5_{queue}.raw");
            let mut names: Vec<String> = (0..100)
                .map(|sequence| {
                    let name = FileName::parse(&first).unwrap();
                    FileName { sequence, ..name }.to_string()
                })
                .collect();
            let expected = names.clone();
            names.sort();
            assert_eq!(names, expected);
        }
    }
}
