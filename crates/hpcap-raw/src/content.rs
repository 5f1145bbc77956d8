//! Detects the format of a file from its first bytes, because files named `.raw` can have other
//! formats and RAW files can have other names.
//!
//! Tools that expect RAW look at the first [`Content::HEAD_BYTES`] of a file, so that they can name what it is, and which
//! tool reads it. RAW of the original has no magic number: such a file is [`Content::Unknown`], and may be read.
//!
//! ```
//! use hpcap_raw::content::Content;
//!
//! let content = Content::of(b"\x0a\x0d\x0d\x0a\x1c\0\0\0");
//! assert_eq!(content, Content::Pcapng);
//! assert!(content.is_foreign());
//! assert_eq!(content.name(), "a pcapng file");
//! assert!(content.advice().unwrap().contains("Wireshark"));
//!
//! assert!(!Content::of(&[0; 64]).is_foreign());
//! ```

use crate::record::{Event, split_record};
use hpcap_sys::abi::HPCAP_RECORD_BYTES;

/// The format of a file, as far as its first bytes show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The file is empty.
    Empty,
    /// RAW with a file header of hpcap.
    Raw,
    /// The block index of a RAW file.
    Index,
    /// Classic pcap, of any byte order and resolution.
    Pcap,
    /// pcapng.
    Pcapng,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
    /// LZ4.
    Lz4,
    /// A zip archive.
    Zip,
    /// A tar archive.
    Tar,
    /// An executable or a library.
    Elf,
    /// A capture of snoop, the capture tool of Solaris.
    Snoop,
    /// Text.
    Text,
    /// An unknown format, or RAW that begins with a frame, as the original writes it.
    Unknown,
}

/// First bytes and the formats to which they belong.
const MAGICS: [(&[u8], Content); 16] = [
    (&[0xd4, 0xc3, 0xb2, 0xa1], Content::Pcap),
    (&[0xa1, 0xb2, 0xc3, 0xd4], Content::Pcap),
    (&[0x4d, 0x3c, 0xb2, 0xa1], Content::Pcap),
    (&[0xa1, 0xb2, 0x3c, 0x4d], Content::Pcap),
    // pcap with longer headers of frames, as some patched systems write it.
    (&[0x34, 0xcd, 0xb2, 0xa1], Content::Pcap),
    (&[0xa1, 0xb2, 0xcd, 0x34], Content::Pcap),
    (&[0x0a, 0x0d, 0x0d, 0x0a], Content::Pcapng),
    (&[0x1f, 0x8b, 0x08], Content::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Content::Zstd),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Content::Xz),
    (b"BZh", Content::Bzip2),
    (&[0x04, 0x22, 0x4d, 0x18], Content::Lz4),
    (&[b'P', b'K', 3, 4], Content::Zip),
    (&[0x7f, b'E', b'L', b'F'], Content::Elf),
    (b"snoop\0\0\0", Content::Snoop),
    (b"HPCAPIDX", Content::Index),
];

impl Content {
    /// Number of first bytes that suffice to detect every format.
    pub const HEAD_BYTES: usize = 1024;

    /// Detects the format of a file that begins with `head`.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(Self::HEAD_BYTES)];
        if head.is_empty() {
            return Self::Empty;
        }
        if let Some((_, content)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
            return *content;
        }
        if head.get(257..262) == Some(b"ustar") {
            return Self::Tar;
        }
        if let Some((Event::FileStart(_), _)) = split_record(head) {
            return Self::Raw;
        }
        if is_text(head) {
            Self::Text
        } else {
            Self::Unknown
        }
    }

    /// Whether the file certainly is not RAW.
    #[must_use]
    pub fn is_foreign(self) -> bool {
        !matches!(self, Self::Empty | Self::Raw | Self::Unknown)
    }

    /// The format as a phrase for a sentence: "a pcap file".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::Raw => "a RAW file",
            Self::Index => "the block index of a RAW file",
            Self::Pcap => "a pcap file",
            Self::Pcapng => "a pcapng file",
            Self::Gzip => "compressed with gzip",
            Self::Zstd => "compressed with zstd",
            Self::Xz => "compressed with xz",
            Self::Bzip2 => "compressed with bzip2",
            Self::Lz4 => "compressed with lz4",
            Self::Zip => "a zip archive",
            Self::Tar => "a tar archive",
            Self::Elf => "a program (ELF)",
            Self::Snoop => "a capture of snoop",
            Self::Text => "a text file",
            Self::Unknown => "a file of unknown format",
        }
    }

    /// Advice for a user who expected RAW: a tool that reads the file.
    #[must_use]
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Pcap | Self::Pcapng => {
                "tcpdump -r, Wireshark and capinfos read it; hpcapdd --source pcap:FILE FOLDER makes RAW of it"
            }
            Self::Snoop => "Wireshark and editcap read it; editcap -F pcap makes pcap of it",
            Self::Gzip => "unpack it first: zcat FILE | raw2pcap - ...",
            Self::Zstd => "unpack it first: zstdcat FILE | raw2pcap - ...",
            Self::Xz => "unpack it first: xzcat FILE | raw2pcap - ...",
            Self::Bzip2 => "unpack it first: bzcat FILE | raw2pcap - ...",
            Self::Lz4 => "unpack it first: lz4cat FILE | raw2pcap - ...",
            Self::Zip => "unpack it first: unzip FILE",
            Self::Tar => "unpack it first: tar -xf FILE",
            Self::Index => "name the .raw file beside it",
            Self::Raw => "raw2pcap FILE -o OUT.pcap makes pcap of it; checkraw checks it",
            Self::Text | Self::Elf | Self::Empty | Self::Unknown => return None,
        })
    }
}

/// Whether the bytes are text in UTF-8, which the header of a RAW record never is.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The end of `head` can cut a character.
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    // In all but the longest frames, the lengths in a record's header have a byte below 8. The
    // seconds can be text by chance, so fewer bytes than a header prove nothing.
    head.len() >= HPCAP_RECORD_BYTES
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x08' | '\x1b'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileHeader;
    use crate::writer::Writer;
    use hpcap_sys::abi::hpcap_record;

    #[test]
    fn content_is_known_by_its_first_bytes() {
        for (head, content) in [
            (&b""[..], Content::Empty),
            (b"\xd4\xc3\xb2\xa1\x02\0\x04\0", Content::Pcap),
            (b"\xa1\xb2\xc3\xd4\0\x02\0\x04", Content::Pcap),
            (b"\x4d\x3c\xb2\xa1", Content::Pcap),
            (b"\xa1\xb2\x3c\x4d", Content::Pcap),
            (b"\x0a\x0d\x0d\x0a\x1c\0\0\0", Content::Pcapng),
            (b"\x1f\x8b\x08\0", Content::Gzip),
            (b"\x28\xb5\x2f\xfd", Content::Zstd),
            (b"\xfd7zXZ\0", Content::Xz),
            (b"\x7fELF\x02", Content::Elf),
            (b"The quick brown fox\n", Content::Text),
            ("Größe der Datei: ä".as_bytes(), Content::Text),
            (b"#!/bin/sh\nexit 0\n", Content::Text),
            (b"abc", Content::Unknown),
            (&[0; 600], Content::Unknown),
        ] {
            assert_eq!(Content::of(head), content, "{head:?}");
        }
    }

    #[test]
    fn raw_is_never_foreign() {
        let mut writer = Writer::new(Vec::new());
        let _ = writer.header(&FileHeader::default()).unwrap();
        let bytes = writer.close(4096).unwrap().0;
        assert_eq!(Content::of(&bytes), Content::Raw);
        // A frame of the original, with any seconds that its clock may have had.
        for sec in [1, 0x2065_6854, 1_391_723_988, u32::MAX] {
            let record = hpcap_record {
                sec,
                nsec: 0x2020_2020,
                caplen: 60,
                len: 60,
            };
            let mut bytes = record.as_bytes().to_vec();
            bytes.extend([b'a'; 60]);
            assert_eq!(Content::of(&bytes), Content::Unknown, "{sec}");
        }
    }
}
