//! The manifest of a collection: what is in it, when it was read, and what could not be read and why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Version of the layout of a collection.
pub const FORMAT: u32 = 1;
/// The name of the manifest, which is the last file of a tarball.
pub const MANIFEST: &str = "manifest.json";
/// Name of the first file of a tarball. It describes the collection, so even a tarball without its end is described.
pub const ABOUT: &str = "about.json";
/// Folder with the second reading of files that are read twice.
pub const LATER: &str = "later";

/// The description of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Version of the layout.
    pub format: u32,
    /// Name and version of the program that collected.
    pub program: String,
    /// When the collection began, in UTC.
    pub started: String,
    /// Seconds between the two readings.
    pub interval_seconds: f64,
    /// Whether addresses, names and secrets were replaced.
    pub redacted: bool,
    /// Whether root collected.
    pub root: bool,
}

/// A file of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path in the tarball.
    pub path: String,
    /// Seconds from the start of the collection until it was read.
    pub seconds: f64,
    /// Its size in bytes.
    pub bytes: usize,
    /// SHA-256 of its content in the tarball, in hexadecimal.
    pub sha256: String,
    /// Whether the source had more bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// A source that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Path of the source, or its name.
    pub path: String,
    /// Why it could not be read.
    pub why: String,
}

/// All about a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The description of the collection.
    #[serde(flatten)]
    pub about: About,
    /// Seconds that it took.
    pub seconds: f64,
    /// The files in it.
    pub files: Vec<Entry>,
    /// The sources that could not be read.
    pub missing: Vec<Missing>,
    /// Number of different addresses, names and secrets that were replaced, by kind.
    pub replaced: BTreeMap<String, u32>,
}

/// Returns the SHA-256 of `bytes` in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_agrees_with_sha256sum() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
    }
}
