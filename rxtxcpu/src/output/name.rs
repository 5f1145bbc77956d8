//! Names of files, made from a template: `out.pcap` stands for `out-0.pcap`, `out-1.pcap`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The name that a user gave for all files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    stem: OsString,
    /// Without its dot; empty if there is none.
    extension: OsString,
}

impl Template {
    /// Splits a name at the last dot of its last part. A dot at the start of that part hides a file,
    /// and begins no extension.
    #[must_use]
    pub fn new(text: &OsStr) -> Self {
        let bytes = text.as_bytes();
        let last = |of: &[u8], byte| of.iter().rposition(|b| *b == byte);
        let base = last(bytes, b'/').map_or(0, |slash| slash + 1);
        let (stem, extension) = match last(&bytes[base..], b'.') {
            None | Some(0) => (bytes, &b""[..]),
            Some(dot) => (&bytes[..base + dot], &bytes[base + dot + 1..]),
        };
        let [stem, extension] = [stem, extension].map(|part| OsStr::from_bytes(part).to_owned());
        Self { stem, extension }
    }

    /// The extension, without its dot.
    #[must_use]
    pub fn extension(&self) -> &OsStr {
        &self.extension
    }

    /// The name of the file of stream `stream`; with rotation, that of its file number `file`.
    #[must_use]
    pub fn name(&self, stream: u32, file: Option<u32>) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(format!("-{stream}"));
        if let Some(file) = file {
            name.push(format!("_{file:05}"));
        }
        if !self.extension.is_empty() {
            name.push(".");
            name.push(&self.extension);
        }
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_stands_before_the_extension() {
        for (template, expected) in [
            ("out.pcap", "out-3.pcap"),
            ("/a.b/out", "/a.b/out-3"),
            ("a.tar.gz", "a.tar-3.gz"),
            ("dir/.hidden", "dir/.hidden-3"),
            (".hidden.pcap", ".hidden-3.pcap"),
            ("~/eth0.txcpu.pcap", "~/eth0.txcpu-3.pcap"),
        ] {
            let name = Template::new(OsStr::new(template)).name(3, None);
            assert_eq!(name.to_str(), Some(expected), "{template}");
        }
        let rotated = Template::new(OsStr::new("out.pcap")).name(0, Some(12));
        assert_eq!(rotated.to_str(), Some("out-0_00012.pcap"));
    }

    #[test]
    fn name_keeps_bytes_that_are_not_utf_8() {
        let name = Template::new(OsStr::from_bytes(b"d/x\xff.p\xfe")).name(1, None);
        assert_eq!(name.as_os_str().as_bytes(), b"d/x\xff-1.p\xfe");
    }
}
