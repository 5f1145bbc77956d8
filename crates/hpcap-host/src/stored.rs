//! The files of a machine in memory, as a support tarball has them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};

/// Files and symbolic links by their absolute paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredFiles {
    files: BTreeMap<PathBuf, Vec<u8>>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl StoredFiles {
    /// Adds the file at the absolute path `path`.
    pub fn add_file(&mut self, path: impl Into<PathBuf>, content: Vec<u8>) {
        self.files.insert(path.into(), content);
    }

    /// Adds a symbolic link at the absolute path `path`. `target` is the absolute path behind all links.
    pub fn add_link(&mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) {
        self.links.insert(path.into(), target.into());
    }

    pub(crate) fn has(&self, path: &Path) -> bool {
        self.files.contains_key(path)
            || self.links.contains_key(path)
            || self.below(path).next().is_some()
    }

    pub(crate) fn bytes(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    pub(crate) fn target(&self, path: &Path) -> Option<&Path> {
        self.links.get(path).map(PathBuf::as_path)
    }

    /// The names of what is in the folder `path`.
    pub(crate) fn names(&self, path: &Path) -> Vec<String> {
        let names: BTreeSet<String> = self
            .below(path)
            .filter_map(|found| {
                let name = found.strip_prefix(path).ok()?.components().next()?;
                Some(name.as_os_str().to_string_lossy().into_owned())
            })
            .collect();
        names.into_iter().collect()
    }

    /// The paths below `path`, without itself.
    fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        // Paths are compared component by component, so that all paths below one follow it.
        let range = || (Bound::Excluded(path), Bound::Unbounded);
        let files = self.files.range::<Path, _>(range()).map(|(found, _)| found);
        let links = self.links.range::<Path, _>(range()).map(|(found, _)| found);
        files
            .take_while(move |found| found.starts_with(path))
            .chain(links.take_while(move |found| found.starts_with(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tree;

    fn tree() -> Tree {
        let mut files = StoredFiles::default();
        files.add_file("/sys/a/number", b" 12\n".to_vec());
        files.add_file("/sys/a-b/other", Vec::new());
        files.add_file("/sys/a/folder/x", Vec::new());
        files.add_link("/sys/a/driver", "/sys/bus/pci/drivers/ixgbe");
        Tree::stored(files)
    }

    #[test]
    fn stored_files_are_read() {
        assert_eq!(tree().value::<u32>("/sys/a/number"), Some(12));
        assert_eq!(tree().text("/sys/a/folder"), None);
        assert!(!tree().is_machine());
    }

    #[test]
    fn stored_folder_has_its_names() {
        assert_eq!(tree().names("/sys/a"), ["driver", "folder", "number"]);
        assert_eq!(tree().names("/sys"), ["a", "a-b"]);
        assert!(tree().names("/proc").is_empty());
        assert!(tree().has("/sys/a/folder") && !tree().has("/sys/b"));
    }

    #[test]
    fn stored_link_has_its_target() {
        let driver = tree().link_name("/sys/a/driver");
        assert_eq!(driver.as_deref(), Some("ixgbe"));
        assert_eq!(tree().link_name("/sys/a/number"), None);
    }
}
