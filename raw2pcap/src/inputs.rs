//! What was named on the command line: files, folders and everything below, standard input.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use hpcap::Result;
use hpcap::raw::files;

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

/// The files that `paths` name, sorted within each folder; a file named twice is taken once.
///
/// # Errors
/// A path does not exist, or a folder cannot be read, or has no files.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    // Device and inode of the files so far.
    let mut seen = HashSet::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if !inputs.contains(&Input::Stdin) {
                inputs.push(Input::Stdin);
            }
            continue;
        }
        for file in files::named(&[path])? {
            // It may have been renamed or removed since.
            if let Ok(meta) = fs::metadata(&file)
                && seen.insert((meta.dev(), meta.ino()))
            {
                inputs.push(Input::File(file));
            }
        }
    }
    Ok(inputs)
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
