//! A collection in memory: what a tarball has, or what was just read from the running system.

mod tarball;

use std::collections::BTreeMap;

use hpcap::Result;
use hpcap_host::{StoredFiles, Tree};
use serde::de::DeserializeOwned;

use crate::collect::Sink;
use crate::manifest::{ABOUT, About, LATER, MANIFEST, Manifest};
use crate::record::LINKS;

/// The files of a collection by their paths, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
    /// The problems of the tarball, for people.
    pub complaints: Vec<String>,
}

impl Sink for Bundle {
    fn add(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.insert(path, content.to_vec());
        Ok(())
    }
}

impl Bundle {
    /// Adds a file, or replaces it.
    pub fn insert(&mut self, path: &str, content: Vec<u8>) {
        self.files.insert(path.to_owned(), content);
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The content of a file.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The text of a file; empty if it is missing. Bytes that are no text are replaced.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(self.bytes(path).unwrap_or_default()).into_owned()
    }

    /// The text of the second reading of a file, or of the only one.
    #[must_use]
    pub fn later_text(&self, path: &str) -> String {
        let later = format!("{LATER}/{path}");
        match self.files.contains_key(&later) {
            true => self.text(&later),
            false => self.text(path),
        }
    }

    /// The value in a file of JSON; the default if it is missing or malformed.
    #[must_use]
    pub fn json<T: DeserializeOwned + Default>(&self, path: &str) -> T {
        serde_json::from_slice(self.bytes(path).unwrap_or_default()).unwrap_or_default()
    }

    /// The value in the second reading of a file of JSON, or in the only one.
    #[must_use]
    pub fn later_json<T: DeserializeOwned + Default>(&self, path: &str) -> T {
        let later = format!("{LATER}/{path}");
        match self.files.contains_key(&later) {
            true => self.json(&later),
            false => self.json(path),
        }
    }

    /// The manifest; `None` if the end of the tarball is missing.
    #[must_use]
    pub fn manifest(&self) -> Option<Manifest> {
        serde_json::from_slice(self.bytes(MANIFEST)?).ok()
    }

    /// The description of the collection, if it has one.
    #[must_use]
    pub fn about(&self) -> Option<About> {
        serde_json::from_slice(self.bytes(ABOUT)?).ok()
    }

    /// The files of the kernel as those of a machine.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let mut stored = StoredFiles::default();
        for (path, content) in &self.files {
            if ["proc/", "sys/", "etc/"]
                .iter()
                .any(|folder| path.starts_with(folder))
            {
                stored.add_file(format!("/{path}"), content.clone());
            }
        }
        for line in self.text(LINKS).lines() {
            if let Some((path, target)) = line.split_once(" -> ") {
                stored.add_link(path, target);
            }
        }
        Tree::stored(stored)
    }
}
