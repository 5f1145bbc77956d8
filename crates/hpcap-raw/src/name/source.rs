//! Names of sources within file names.

use std::fmt;

use super::{queue_of, split_sequence};

/// The name of a source within a file name: letters, digits, `.`, `_`, `+`, `@` and `-`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName {
    bytes: [u8; Self::BYTES_MAX],
    len: usize,
}

impl SourceName {
    /// The largest length of a name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Returns the name `text`; `None` when `text` has other characters, is too long, or could be
    /// mistaken for the name of a queue.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+@-".contains(&b);
        let is_name = (1..=Self::BYTES_MAX).contains(&text.len())
            && text.bytes().all(plain)
            && !text.starts_with(['.', '-'])
            && queue_of(split_sequence(text).0).is_none();
        is_name.then(|| {
            let mut bytes = [0; Self::BYTES_MAX];
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            let len = text.len();
            Self { bytes, len }
        })
    }

    /// Returns a name that resembles `text`: `_` replaces every character that a name cannot have.
    #[must_use]
    pub fn like(text: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+@-".contains(c);
        let text: String = text
            .chars()
            .map(|c| if plain(c) { c } else { '_' })
            .take(Self::BYTES_MAX - 1)
            .collect();
        Self::new(&text)
            .or_else(|| Self::new(&format!("_{text}")))
            .unwrap_or(Self {
                bytes: [b'_'; Self::BYTES_MAX],
                len: 1,
            })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or("_")
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceName({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_names_are_no_queues() {
        for (text, name) in [
            ("eth0", "eth0"),
            ("hpcap0_0", "_hpcap0_0"),
            ("hpcap0_0-1", "_hpcap0_0-1"),
            ("a/b c~1", "a_b_c_1"),
            ("..", "_.."),
            ("", "_"),
        ] {
            assert_eq!(SourceName::like(text).as_str(), name, "{text}");
        }
        assert!(SourceName::like(&"x".repeat(1000)).as_str().len() <= SourceName::BYTES_MAX);
        assert!(SourceName::new("eth0.100").is_some());
        assert!(SourceName::new("a/b").is_none());
    }
}
