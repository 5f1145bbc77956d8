//! Logs: of the kernel, of our services, of the monitor, of crashes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use hpcap::Result;
use hpcap_config::load;

use super::super::open::{Content, Part, regular_file, why};
use super::super::program;
use super::super::reader::Unreadable;
use super::Collection;
use crate::redact::Style;

/// Bytes of the newest lines of the kernel's log.
const KERNEL_BYTES: usize = 1 << 20;
/// Bytes of the journal.
const JOURNAL_BYTES: usize = 4 << 20;
/// Bytes of the newest lines of a log of the monitor, or of a crash.
const FILE_BYTES: usize = 512 << 10;
/// Largest number of logs of the monitor, and of crashes.
const MOST_FILES: usize = 64;
/// Largest number of names in the folders of logs.
const MOST_NAMES: usize = 10_000;
/// Longest time for one log.
const LOG_TIME: Duration = Duration::from_secs(5);

/// Reads all logs.
pub(super) fn read(collection: &mut Collection<'_>) -> Result<()> {
    if collection.options.tree.is_machine() {
        let log = collection.reader.read(LOG_TIME, kernel_log);
        collection.add("kernel-log", log, Style::Text)?;
        let journal = collection.reader.read(LOG_TIME, journal);
        collection.add("journal", journal, Style::Text)?;
    }
    let config = collection.options.config.clone();
    let basedir = collection.reader.ask(LOG_TIME, move || {
        load(&config)
            .ok()
            .map(|document| document.config.monitor.basedir)
    });
    let basedir = basedir
        .ok()
        .flatten()
        .unwrap_or_else(|| PathBuf::from("/var/log/hpcap"));
    let basedir = collection.options.tree.path(basedir);
    // The week's logs are text; the full logs are compressed, and the newest of them is not.
    let is_log = |path: &Path| !path.to_string_lossy().ends_with(".zst");
    read_folder(collection, &basedir, "monitor", is_log)?;
    let crashes = collection.options.tree.path("/var/crash");
    // A dump of memory has frames in it; only the text beside it is wanted.
    let is_text = |path: &Path| path.to_string_lossy().contains("dmesg");
    read_folder(collection, &crashes, "crash", is_text)
}

/// Reads the newest files below `folder` that are `wanted`, and lists all of them.
fn read_folder(
    collection: &mut Collection<'_>,
    folder: &Path,
    name: &str,
    wanted: fn(&Path) -> bool,
) -> Result<()> {
    let start = folder.to_owned();
    let files = match collection.reader.ask(LOG_TIME, move || list(&start)) {
        Ok(Ok(files)) => files,
        Ok(Err(why)) | Err(why) => {
            return collection.skip(&folder.display().to_string(), why);
        }
    };
    let listing: String = files
        .iter()
        .map(|file| format!("{:>12} {}\n", file.bytes, file.path.display()))
        .collect();
    let listing = Ok(Content::whole(listing.into_bytes()));
    collection.add(&format!("{name}/files"), listing, Style::Text)?;
    let newest = files
        .iter()
        .filter(|file| wanted(&file.path))
        .take(MOST_FILES);
    for file in newest {
        let place = file.path.clone();
        let content = collection.reader.read(LOG_TIME, move || {
            regular_file(&place, FILE_BYTES, Part::End)
        });
        let below = file.path.strip_prefix(folder).unwrap_or(&file.path);
        let path = format!("{name}/{}", below.display());
        collection.add(&path, content, Style::Text)?;
    }
    Ok(())
}

/// A regular file that was found.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// The regular files in `folder` and in the folders in it, the newest first. Links are not followed.
fn list(folder: &Path) -> std::result::Result<Vec<Found>, Unreadable> {
    const DEPTH: usize = 3;
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    let mut names = 0;
    while let Some((folder, depth)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if depth == 0 => return Err(why(e)),
            Err(_) => continue,
        };
        for entry in entries.flatten().take(MOST_NAMES - names) {
            names += 1;
            let Ok(kind) = entry.metadata() else { continue };
            if kind.is_dir() && depth < DEPTH {
                folders.push((entry.path(), depth + 1));
            } else if kind.is_file() {
                found.push(Found {
                    path: entry.path(),
                    bytes: kind.len(),
                    modified: kind.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                });
            }
        }
    }
    found.sort_by(|a, b| (b.modified, &a.path).cmp(&(a.modified, &b.path)));
    Ok(found)
}

/// Reads the newest part of the kernel's log.
fn kernel_log() -> std::result::Result<Content, Unreadable> {
    const READ_ALL: libc::c_int = 3;
    let mut bytes = vec![0_u8; KERNEL_BYTES];
    let room = libc::c_int::try_from(bytes.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the kernel writes at most `room` bytes into the buffer, which is that long.
    let count = unsafe { libc::klogctl(READ_ALL, bytes.as_mut_ptr().cast(), room) };
    match usize::try_from(count) {
        Ok(count) => {
            bytes.truncate(count);
            // The kernel returns the newest lines that fit.
            let cut = count + 1024 > KERNEL_BYTES;
            Ok(Content { bytes, cut })
        }
        Err(_) => Err(why(std::io::Error::last_os_error())),
    }
}

/// Reads what our services have said in the last two days.
fn journal() -> std::result::Result<Content, Unreadable> {
    let mut command = Command::new("journalctl");
    command
        .args(["--quiet", "--no-pager", "--output=short-iso-precise"])
        .args(["--since=-2days", "--lines=20000", "--unit=hpcap*"]);
    program::output(&mut command, JOURNAL_BYTES, LOG_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_in_folders_of_logs_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("week")).unwrap();
        fs::write(at("week/eth0"), "1 2 3 4 5\n").unwrap();
        symlink(dir.path(), at("week/loop")).unwrap();
        symlink("/etc/passwd", at("secret")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let found = list(dir.path()).unwrap();
        let paths: Vec<_> = found.into_iter().map(|file| file.path).collect();
        assert_eq!(paths, [at("week/eth0")]);
        assert!(list(&at("missing")).is_err());
    }
}
