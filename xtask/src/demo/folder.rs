//! The folder of the demonstration's files.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use hpcap_bench::workspace::free_bytes;

use super::{Result, Settings, failed};

/// Bytes that a second of the traffic takes: about 60 MB in the RAW files, and as much in the pcap.
const BYTES_PER_SECOND: u64 = 120 << 20;

/// A folder for one demonstration. Dropping it removes the folder, unless the demonstration has ended.
#[derive(Debug)]
pub(super) struct Recording {
    dir: PathBuf,
    is_finished: AtomicBool,
}

impl Recording {
    /// Makes the folder, with room for the traffic of the demonstration.
    pub(super) fn prepare(settings: &Settings) -> Result<Self> {
        let parent = settings.dir.clone().unwrap_or_else(|| {
            let dir = default_dir(&settings.tools);
            let _ = fs::remove_dir_all(&dir);
            dir
        });
        fs::create_dir_all(&parent).map_err(|e| {
            let dir = parent.display();
            failed(format!(
                "cannot make the folder {dir}: {e} (DIR=... chooses another)"
            ))
        })?;
        let needed = u64::from(settings.seconds) * BYTES_PER_SECOND;
        let free = free_bytes(&parent).map_err(|e| failed(e.to_string()))?;
        if settings.interface.is_none() && free <= needed {
            return Err(failed(format!(
                "{} has {} MiB free, and {} seconds need {}: choose fewer seconds (SECONDS=5) or another folder (DIR=...)",
                parent.display(),
                free >> 20,
                settings.seconds,
                needed >> 20
            )));
        }
        // A subfolder keeps the files of earlier demonstrations apart.
        let dir = parent.join(jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string());
        fs::create_dir(&dir)
            .map_err(|e| failed(format!("cannot make the folder {}: {e}", dir.display())))?;
        Ok(Self {
            dir,
            is_finished: AtomicBool::new(false),
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of the converted file.
    pub(super) fn pcap(&self) -> PathBuf {
        self.dir.join("demo.pcap")
    }

    /// Returns the space that the files take, as du prints it.
    pub(super) fn size(&self) -> String {
        let done = Command::new("du").arg("-sh").arg(&self.dir).output();
        let text = done.map_or_else(|_| Vec::new(), |done| done.stdout);
        let text = String::from_utf8_lossy(&text);
        text.split_whitespace()
            .next()
            .unwrap_or("unknown size")
            .to_owned()
    }

    /// Keeps the files. They are large, so on a terminal, this asks whether to remove them; otherwise it prints
    /// the command.
    pub(super) fn offer_removal(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
        let dir = self.dir.display();
        if asks("   Remove the files now? [y/N] ") && fs::remove_dir_all(&self.dir).is_ok() {
            println!("   removed: {dir}");
        } else {
            println!("   Remove them:    rm -r {dir}");
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.is_finished.load(Ordering::Relaxed) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Returns the folder `demo` of the build folder, relative to the current folder where it is below.
fn default_dir(tools: &Path) -> PathBuf {
    // The tools are in TARGET/PROFILE.
    let target = tools.parent().unwrap_or(Path::new("target"));
    let here = std::env::current_dir().unwrap_or_default();
    target.strip_prefix(here).unwrap_or(target).join("demo")
}

/// Asks a question, and returns whether the answer is yes. Without a terminal, it does not ask, and the answer is no.
fn asks(question: &str) -> bool {
    let (input, mut output) = (std::io::stdin(), std::io::stdout());
    if !input.is_terminal() || !output.is_terminal() {
        return false;
    }
    let _ = write!(output, "{question}").and_then(|()| output.flush());
    let mut answer = String::new();
    input.read_line(&mut answer).is_ok() && answer.starts_with(['y', 'Y'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dir: &Path, seconds: u32) -> Settings {
        Settings {
            tools: "/usr/bin".into(),
            interface: None,
            seconds,
            dir: Some(dir.to_owned()),
        }
    }

    #[test]
    fn unfinished_recording_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let recording = Recording::prepare(&settings(parent.path(), 0)).unwrap();
        fs::write(recording.pcap(), "frames").unwrap();
        drop(recording);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn finished_recording_stays() {
        let parent = tempfile::tempdir().unwrap();
        let recording = Recording::prepare(&settings(parent.path(), 0)).unwrap();
        fs::write(recording.pcap(), "frames").unwrap();
        let pcap = recording.pcap();
        recording.offer_removal();
        drop(recording);
        assert!(pcap.exists());
    }

    #[test]
    fn full_disk_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let error = Recording::prepare(&settings(parent.path(), u32::MAX)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("choose fewer seconds"), "{text}");
    }

    #[test]
    fn folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Recording::prepare(&settings(&file.path().join("x"), 0)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("DIR=... chooses another"), "{text}");
    }
}
