//! Reading a tarball that may be cut, damaged or made to do harm. Nothing is ever written to a disk, and neither the
//! number nor the size of files exceeds what a collection has.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use hpcap::{Error, Kind, Result};

use super::Bundle;
use crate::collect::open::open_regular;
use crate::manifest::{ABOUT, FORMAT, Manifest, sha256};

/// Largest number of bytes of all files together, unpacked; those of headers count, too.
const MOST_BYTES: u64 = 320 << 20;
/// Largest number of bytes that are kept in memory.
const MOST_KEPT: u64 = 64 << 20;
/// Largest number of bytes of one file.
const FILE_BYTES: u64 = 16 << 20;
/// Largest number of files.
const MOST_FILES: usize = 60_000;
/// Largest number of complaints.
const MOST_COMPLAINTS: usize = 20;

impl Bundle {
    /// Reads the tarball `path`.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened, or if it is no tarball of `hpcap-diag`. A tarball that is cut or has
    /// more than a collection can have is read up to the cut or the limit, with a complaint.
    pub fn open(path: &Path) -> Result<Self> {
        let tried = format!("read {}", path.display());
        let no_tarball = |why: String| {
            Error::new(Kind::Format, tried.clone(), why)
                .advise("expected a file that hpcap-diag collect has written")
        };
        // A pipe or a device would not end.
        let real = path
            .canonicalize()
            .map_err(|e| Error::io(tried.clone(), e))?;
        let file = open_regular(&real).map_err(|why| Error::new(Kind::Io, tried.clone(), why))?;
        let mut bundle = Self::default();
        let ended = bundle.unpack(GzDecoder::new(file));
        let Some(about) = bundle.about() else {
            return Err(no_tarball(match ended {
                Err(why) => why,
                Ok(()) => format!("it has no {ABOUT}"),
            }));
        };
        if about.format != FORMAT {
            let why = format!(
                "its layout has version {}, and this program knows {FORMAT}",
                about.format
            );
            return Err(
                Error::new(Kind::Version, tried, why).advise("use the hpcap-diag of its version")
            );
        }
        if let Err(why) = ended {
            bundle.complain(format!("the rest of the tarball cannot be read: {why}"));
        }
        match bundle.manifest() {
            Some(manifest) => bundle.verify(&manifest),
            None => bundle.complain("it has no manifest, so its end is missing".to_owned()),
        }
        Ok(bundle)
    }

    fn unpack(&mut self, source: impl Read) -> std::result::Result<(), String> {
        let mut archive = tar::Archive::new(source.take(MOST_BYTES));
        // Long names are entries of their own here, and refused, because the tar crate would read them whole.
        let entries = archive.entries().map_err(|e| e.to_string())?.raw(true);
        let mut kept = 0;
        for (number, entry) in entries.enumerate() {
            let entry = entry.map_err(|e| e.to_string())?;
            if number >= MOST_FILES {
                return Err(format!("it has more than {MOST_FILES} files"));
            }
            let path = match entry.header().entry_type().is_file() {
                true => entry.path().map_err(|e| e.to_string())?.into_owned(),
                false => {
                    self.complain("something that is no file was left out".to_owned());
                    continue;
                }
            };
            let Some(name) = inner_name(&path) else {
                self.complain(format!(
                    "{} was left out: not a path inside a folder",
                    path.display()
                ));
                continue;
            };
            if entry.size() > FILE_BYTES || kept + entry.size() > MOST_KEPT {
                self.complain(format!("{name} was left out: it is too large"));
                continue;
            }
            let mut content = Vec::new();
            let size = entry.size();
            let read = entry.take(FILE_BYTES).read_to_end(&mut content);
            read.map_err(|e| format!("{name}: {e}"))?;
            if content.len() as u64 != size {
                return Err(format!("{name} is cut"));
            }
            kept += size;
            if self.bytes(&name).is_some() {
                self.complain(format!("{name} is there twice; the first one counts"));
                continue;
            }
            self.insert(&name, content);
        }
        Ok(())
    }

    /// Compares the files with their hashes.
    fn verify(&mut self, manifest: &Manifest) {
        let hashes: HashMap<&str, &str> = manifest
            .files
            .iter()
            .map(|entry| (entry.path.as_str(), entry.sha256.as_str()))
            .collect();
        let mut complaints = Vec::new();
        for (path, content) in &self.files {
            match hashes.get(path.as_str()) {
                Some(hash) if *hash != sha256(content) => {
                    complaints.push(format!("{path} was changed after it was collected"));
                }
                None if path != crate::manifest::MANIFEST => {
                    complaints.push(format!("{path} was added after the collection"));
                }
                _ => {}
            }
        }
        let gone = hashes
            .keys()
            .filter(|path| !self.files.contains_key(**path))
            .count();
        if gone > 0 {
            complaints.push(format!("{gone} files of the manifest are missing"));
        }
        complaints.into_iter().for_each(|text| self.complain(text));
    }

    fn complain(&mut self, text: String) {
        if self.complaints.len() < MOST_COMPLAINTS && !self.complaints.contains(&text) {
            self.complaints.push(text);
        }
    }
}

/// The path inside the one folder of the tarball; `None` for a path that leads elsewhere.
fn inner_name(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            _ => return None,
        }
    }
    let (_, inner) = parts.split_first()?;
    (!inner.is_empty()).then(|| inner.join("/"))
}
