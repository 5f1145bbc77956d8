//! The folder of real captures that a developer may provide.

use std::path::PathBuf;

use crate::skip;

/// Returns the captures in the folder that `HPCAP_TEST_PCAPS` names whose extension is one of
/// `extensions`, sorted by name. Without the variable, reports that a part of the test is skipped
/// and returns no captures.
#[must_use]
pub fn real_captures(extensions: &[&str]) -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("HPCAP_TEST_PCAPS") else {
        skip("real captures; HPCAP_TEST_PCAPS does not name their folder");
        return Vec::new();
    };
    let folder = PathBuf::from(folder);
    let entries = std::fs::read_dir(&folder);
    let entries = entries.unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str());
            extension.is_some_and(|e| extensions.contains(&e))
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no captures", folder.display());
    paths
}
