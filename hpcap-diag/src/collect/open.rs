//! Reading one file within a limit of size, whatever it turns out to be.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::reader::Unreadable;

/// Bytes that one call reads at most.
const CHUNK: usize = 64 << 10;

/// The bytes of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the source has more than these bytes.
    pub cut: bool,
}

impl Content {
    /// All bytes of a source.
    #[must_use]
    pub fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, cut: false }
    }
}

/// The part that is kept of a file that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first bytes.
    Start,
    /// The last bytes, from a whole line on.
    End,
}

/// Reads at most `limit` bytes of a file of the kernel, in `/proc` or `/sys`. Such a file has no size.
///
/// # Errors
/// Why it cannot be opened or read.
pub fn kernel_file(path: &Path, limit: usize) -> Result<Content, Unreadable> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    read(file.map_err(why)?, limit)
}

/// Reads at most `limit` bytes of an ordinary file. Nothing but a regular file is opened for reading, so that no
/// pipe, device or link to another file can take its place.
///
/// # Errors
/// Why it cannot be opened or read.
pub fn regular_file(path: &Path, limit: usize, part: Part) -> Result<Content, Unreadable> {
    let mut file = open_regular(path)?;
    let length = file.metadata().map_err(why)?.len();
    let start = match (part, u64::try_from(limit)) {
        (Part::End, Ok(limit)) => length.saturating_sub(limit),
        _ => 0,
    };
    if start == 0 {
        return read(file, limit);
    }
    file.seek(SeekFrom::Start(start)).map_err(why)?;
    let mut content = read(file, limit)?;
    let line = content.bytes.iter().position(|byte| *byte == b'\n');
    content.bytes.drain(..line.map_or(0, |at| at + 1));
    content.cut = true;
    Ok(content)
}

/// Opens a regular file, and nothing else.
///
/// # Errors
/// Why it cannot be opened, or that it is no regular file.
pub fn open_regular(path: &Path) -> Result<File, Unreadable> {
    // A pipe without a writer would block, and a link could lead anywhere.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(why)?;
    match file.metadata().map_err(why)?.is_file() {
        true => Ok(file),
        false => Err("it is no regular file".to_owned()),
    }
}

fn read(mut file: impl Read, limit: usize) -> Result<Content, Unreadable> {
    let mut content = Content::default();
    let mut chunk = vec![0; CHUNK.min(limit + 1)];
    loop {
        let count = match file.read(&mut chunk) {
            Ok(0) => return Ok(content),
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            // The part that was read so far is kept.
            Err(_) if !content.bytes.is_empty() => {
                content.cut = true;
                return Ok(content);
            }
            Err(e) => return Err(why(e)),
        };
        let room = limit - content.bytes.len();
        content.bytes.extend_from_slice(&chunk[..count.min(room)]);
        if count > room {
            content.cut = true;
            return Ok(content);
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
pub(super) fn why(error: std::io::Error) -> Unreadable {
    match error.raw_os_error() {
        Some(libc::ELOOP) => "it is a symbolic link".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn endless_file_is_cut_at_its_limit() {
        let content = kernel_file(Path::new("/dev/zero"), 100_000).unwrap();
        assert_eq!((content.bytes.len(), content.cut), (100_000, true));
    }

    #[test]
    fn file_as_long_as_the_limit_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "ab\ncd\n").unwrap();
        let read = |limit, part| regular_file(&path, limit, part).unwrap();
        let whole = Content::whole(b"ab\ncd\n".to_vec());
        assert_eq!(read(6, Part::Start), whole);
        assert_eq!(read(6, Part::End), whole);
        assert_eq!(read(5, Part::Start).bytes, b"ab\ncd");
        assert_eq!(read(5, Part::End).bytes, b"cd\n", "from a whole line on");
        assert!(read(5, Part::End).cut);
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        symlink("loop", at("loop")).unwrap();
        fs::write(at("file"), "x").unwrap();
        symlink(at("file"), at("link")).unwrap();
        for name in ["pipe", "loop", "link", "missing", "."] {
            let refused = regular_file(&at(name), 10, Part::Start);
            assert!(refused.is_err(), "{name}: {refused:?}");
        }
    }
}
