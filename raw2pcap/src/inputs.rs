//! What was named on the command line: files, folders and everything below, standard input.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hpcap::error::Context;
use hpcap::{Error, Result};

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input: `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Its size in bytes, where it has one.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => fs::metadata(path)
                .ok()
                .filter(fs::Metadata::is_file)
                .map(|m| m.len()),
        }
    }
}

/// Whether a file of a folder is taken: `*.raw`, and `*.raw.part`, which is under way or was
/// left so.
#[must_use]
pub fn is_raw_name(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.ends_with(".raw") || name.ends_with(".raw.part"))
}

/// The files that `paths` name, sorted within each folder; a file named twice is taken once.
///
/// # Errors
/// A path does not exist, or a folder cannot be read.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            if !found.inputs.contains(&Input::Stdin) {
                found.inputs.push(Input::Stdin);
            }
            continue;
        }
        let meta = fs::metadata(path).context(|| format!("read {}", path.display()))?;
        if meta.is_dir() {
            let before = found.inputs.len();
            found.folder(path)?;
            if found.inputs.len() == before {
                let tried = format!("find capture files in {}", path.display());
                return Err(Error::new(
                    hpcap::Kind::NotFound,
                    tried,
                    "there is no *.raw or *.raw.part in it or below",
                ));
            }
        } else {
            found.file(path, &meta);
        }
    }
    Ok(found.inputs)
}

#[derive(Default)]
struct Found {
    inputs: Vec<Input>,
    /// Device and inode of the files so far.
    seen: HashSet<(u64, u64)>,
}

impl Found {
    fn file(&mut self, path: &Path, meta: &fs::Metadata) {
        if self.seen.insert((meta.dev(), meta.ino())) {
            self.inputs.push(Input::File(path.to_owned()));
        }
    }

    fn folder(&mut self, folder: &Path) -> Result<()> {
        let tried = || format!("read the folder {}", folder.display());
        let mut entries = fs::read_dir(folder)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .context(tried)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            // A link to a folder could lead in a circle.
            let kind = entry.file_type().context(tried)?;
            if kind.is_dir() {
                if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    self.folder(&path)?;
                }
            } else if is_raw_name(&path) {
                // It may have been renamed or removed since.
                if let Some(meta) = fs::metadata(&path).ok().filter(fs::Metadata::is_file) {
                    self.file(&path, &meta);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_and_nothing_is_taken_twice() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("1800")).unwrap();
        fs::create_dir_all(at(".hidden")).unwrap();
        for name in [
            "1800/2.raw",
            "1800/1.raw",
            "1800/3.raw.part",
            "1800/1.raw.idx",
            "x.pcap",
            ".hidden/9.raw",
        ] {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), at("1800/loop")).unwrap();
        let found = expand(&[at("1800/2.raw"), dir.path().to_owned(), "-".into()]).unwrap();
        let expected: Vec<Input> = ["1800/2.raw", "1800/1.raw", "1800/3.raw.part"]
            .map(|n| Input::File(at(n)))
            .into_iter()
            .chain([Input::Stdin])
            .collect();
        assert_eq!(found, expected);
        assert!(expand(&[at("none")]).is_err());
        assert!(expand(&[at(".hidden/none.raw")]).is_err());
        fs::create_dir(at("empty")).unwrap();
        assert!(expand(&[at("empty")]).is_err());
    }
}
