//! The file of metrics for node_exporter's textfile collector.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hpcap::Result;
use hpcap::error::Context;

/// Writes `text` to `path`. A reader sees the old file or the new one, never a part.
///
/// # Errors
/// Errors of the file system.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    // node_exporter reads only files whose name ends with `.prom`.
    part.push(".part");
    let part = PathBuf::from(part);
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&part)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&part, path)
    };
    write().context(|| format!("write the metrics into {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hpcap.prom");
        fs::write(dir.path().join("hpcap.prom.part"), "of a killed monitor").unwrap();
        for text in ["a 1\n", "b 2\n"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn missing_folder_is_named() {
        let error = write(Path::new("/no/such/folder/hpcap.prom"), "").unwrap_err();
        assert!(error.to_string().contains("/no/such/folder/hpcap.prom"));
    }
}
