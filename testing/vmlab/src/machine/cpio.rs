//! The cpio archive (format "newc") that a kernel unpacks as its first file system.
//!
//! The format is described in Documentation/driver-api/early-userspace/buffer-format.rst in the
//! kernel's source.

use std::fs;
use std::io;
use std::path::Path;

/// An archive that is being written.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

impl Archive {
    /// Adds a folder. The folders above it must have been added before.
    pub(super) fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER, (0, 0), &[]);
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, path: &str, number: (u32, u32)) {
        self.entry(path, CHARACTER_DEVICE, number, &[]);
    }

    /// Adds an executable file.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, FILE, (0, 0), content);
    }

    /// Adds a copy of a file of the host, and the folders above it.
    pub(super) fn copy(&mut self, from: &Path, to: &str) -> io::Result<()> {
        let content = fs::read(from);
        let content =
            content.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", from.display())))?;
        // The kernel accepts a folder that is added more than once.
        for (at, _) in to.match_indices('/').filter(|(at, _)| *at > 0) {
            self.folder(&to[..at]);
        }
        self.file(to, &content);
        Ok(())
    }

    /// Returns the complete archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.inode = 0;
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        let name = path.trim_start_matches('/');
        self.inode += 1;
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let fields = [
            self.inode,
            mode,
            0, // owner
            0, // group
            1, // links
            0, // time
            length(content.len()),
            0, // the device that has the file
            0,
            major,
            minor,
            length(name.len() + 1),
            0, // checksum, of another form
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpio_entry_has_header_name_content() {
        let mut archive = Archive::default();
        archive.file("/init", b"hello");
        let bytes = archive.finish();
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[14..22], b"000081ED", "mode");
        assert_eq!(&bytes[54..62], b"00000005", "size");
        assert_eq!(&bytes[94..102], b"00000005", "size of the name");
        // 110 bytes of header and 5 of name are 116 with the padding.
        assert_eq!(&bytes[110..115], b"init\0");
        assert_eq!(&bytes[116..121], b"hello");
        assert_eq!(&bytes[124..130], b"070701");
        assert_eq!(bytes.len() % 4, 0);
        let name = b"TRAILER!!!\0";
        assert!(bytes.windows(name.len()).any(|window| window == name));
    }
}
