//! Which files a recording consists of, and in which order.
//!
//! A recording is a folder with a folder for each half hour. A user names files, folders, or both; [`named`] makes one list
//! of them, in the order in which the frames were captured.
//!
//! ```
//! use hpcap_raw::files::named;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let half_hour = folder.path().join("1700001000");
//! std::fs::create_dir(&half_hour)?;
//! for name in ["1700002000_hpcap0_0.raw", "1700001234_hpcap0_0.raw", "notes.txt"] {
//!     std::fs::write(half_hour.join(name), "")?;
//! }
//! let files = named(&[folder.path()])?;
//! let names: Vec<_> = files.iter().filter_map(|path| path.file_name()).collect();
//! assert_eq!(names, ["1700001234_hpcap0_0.raw", "1700002000_hpcap0_0.raw"]);
//! # Ok(())
//! # }
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::name::FileName;
use hpcap_base::error::{Context, Error, Kind, Result};

/// Returns the RAW files that `paths` name, in the order of [`below`]. A path to a file is taken
/// whatever the file's name is; a path to a folder stands for the files that [`below`] finds in it.
///
/// # Errors
/// Fails when a path does not exist, cannot be read, or is a folder without RAW files.
pub fn named<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        let meta = fs::metadata(path).context(|| format!("read {}", path.display()))?;
        if !meta.is_dir() {
            files.push(path.to_owned());
            continue;
        }
        let found = below(path)?;
        if found.is_empty() {
            return Err(Error::new(
                Kind::NotFound,
                format!("find capture files in {}", path.display()),
                "there is no *.raw or *.raw.part in it or below",
            ));
        }
        files.extend(found);
    }
    sort(&mut files);
    Ok(files)
}

/// Returns every `*.raw` and `*.raw.part` in `folder` and its subfolders, grouped by source and
/// queue and within each group in the order of recording. Hidden folders and links to folders are
/// skipped.
///
/// # Errors
/// Fails when a folder cannot be read.
pub fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let tried = || format!("read the folder {}", folder.display());
        for entry in fs::read_dir(&folder).context(tried)? {
            let entry = entry.context(tried)?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.as_encoded_bytes();
            // `file_type` does not follow links, so a link to a folder is not entered: it could
            // lead back here and the walk would not end.
            if entry.file_type().context(tried)?.is_dir() {
                if !name.starts_with(b".") {
                    folders.push(path);
                }
            } else if (name.ends_with(b".raw") || name.ends_with(b".raw.part")) && path.is_file() {
                files.push(path);
            }
        }
    }
    sort(&mut files);
    Ok(files)
}

/// Sorts files by source, queue, start and sequence number; files whose names have another form
/// come first.
fn sort(files: &mut [PathBuf]) {
    files.sort_by_cached_key(|path| {
        let name = FileName::of(path);
        let place = name.map(|n| (n.source, n.queue, n.start_sec, n.sequence));
        (place, path.clone())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_recording() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let expected = [
            "3600/odd.raw",
            "0/5_hpcap0_0.raw",
            "0/5_hpcap0_0-2.raw",
            "0/5_hpcap0_0-10.raw",
            "3600/3601_hpcap0_0.raw.part",
            "0/4_hpcap0_1.raw",
        ]
        .map(at);
        for name in ["0/5_hpcap0_0.raw.idx", "x.pcap", ".hidden/9_hpcap0_0.raw"].map(at) {
            fs::create_dir_all(name.parent().unwrap()).unwrap();
            fs::write(name, "").unwrap();
        }
        fs::create_dir_all(at("3600/7_hpcap0_0.raw")).unwrap();
        for name in &expected {
            fs::write(name, "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), at("0/loop")).unwrap();
        std::os::unix::fs::symlink(dir.path(), at("0/8_hpcap0_0.raw")).unwrap();
        std::os::unix::fs::symlink(at("gone"), at("0/9_hpcap0_0.raw")).unwrap();
        assert_eq!(below(dir.path()).unwrap(), expected);
        assert_eq!(named(&[at("3600"), at("0")]).unwrap(), expected);
        // A file whose path is given is taken, whatever its name is.
        let some = [at("x.pcap"), at("0/4_hpcap0_1.raw")];
        assert_eq!(named(&[&some[1], &some[0]]).unwrap(), some);
        assert_eq!(named(&[at(".hidden")]).unwrap().len(), 1);
    }

    #[test]
    fn folder_without_files_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(below(dir.path()).unwrap(), [""; 0].map(PathBuf::from));
        let gone = dir.path().join("gone");
        for path in [dir.path(), &gone] {
            assert_eq!(named(&[path]).unwrap_err().kind(), Kind::NotFound);
        }
        assert_eq!(below(&gone).unwrap_err().kind(), Kind::NotFound);
    }
}
