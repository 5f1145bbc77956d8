//! Names of files, made from a template: `out.pcap` stands for `out-0.pcap`, `out-1.pcap`.

use std::path::PathBuf;

/// The name that a user gave for all files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    stem: String,
    /// Without its dot; empty if there is none.
    extension: String,
}

impl Template {
    /// Splits a name at the last dot of its last part. A dot at the start of that part hides a file,
    /// and begins no extension.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let base = text.rfind('/').map_or(0, |slash| slash + 1);
        let (stem, extension) = match text[base..].rfind('.') {
            None | Some(0) => (text, ""),
            Some(dot) => (&text[..base + dot], &text[base + dot + 1..]),
        };
        Self {
            stem: stem.to_owned(),
            extension: extension.to_owned(),
        }
    }

    /// The extension, without its dot.
    #[must_use]
    pub fn extension(&self) -> &str {
        &self.extension
    }

    /// The name of the file of stream `stream`; with rotation, that of its file number `file`.
    #[must_use]
    pub fn name(&self, stream: u32, file: Option<u32>) -> PathBuf {
        let file = file.map_or_else(String::new, |file| format!("_{file:05}"));
        let dot = if self.extension.is_empty() { "" } else { "." };
        let Self { stem, extension } = self;
        format!("{stem}-{stream}{file}{dot}{extension}").into()
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
            let name = Template::new(template).name(3, None);
            assert_eq!(name.to_str(), Some(expected), "{template}");
        }
        let rotated = Template::new("out.pcap").name(0, Some(12));
        assert_eq!(rotated.to_str(), Some("out-0_00012.pcap"));
    }
}
