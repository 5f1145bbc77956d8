//! The inventory of capture files: which there are, how large, and whether their beginnings are sound. Nothing of
//! what is in them is collected.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use hpcap::Result;
use hpcap::raw::{Event, Reader};
use hpcap_config::load;
use serde::{Deserialize, Serialize};

use super::super::open::{open_regular, why};
use super::super::reader::Unreadable;
use super::Collection;
use crate::record::CAPTURES;

/// Bytes of a file that are checked.
const CHECKED_BYTES: u64 = 256 << 10;
/// Files that are checked, the newest ones.
const MOST_CHECKED: usize = 200;
/// Largest number of files that are listed.
const MOST_FILES: usize = 20_000;
/// Largest number of folders that are searched.
const MOST_FOLDERS: usize = 20_000;
/// How deep folders are searched.
const DEPTH: usize = 5;
/// Longest time for all folders.
const SEARCH_TIME: Duration = Duration::from_secs(5);
/// Where services record.
const USUAL: &str = "/var/lib/hpcap";

/// A capture file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct CaptureRecord {
    path: String,
    bytes: u64,
    /// When it was last written, in seconds since 1970.
    modified: u64,
    /// `sound` or what is wrong with its beginning; `None` for a file that was not checked.
    beginning: Option<String>,
}

/// Lists and checks the files.
pub(super) fn read(collection: &mut Collection<'_>) -> Result<()> {
    let config = collection.options.config.clone();
    let folders = collection.reader.ask(SEARCH_TIME, move || {
        let recorders = load(&config).map(|document| document.config.recorders);
        recorders
            .unwrap_or_default()
            .into_iter()
            .filter_map(|recorder| recorder.destination)
            .collect::<BTreeSet<PathBuf>>()
    });
    let mut folders = folders.unwrap_or_default();
    folders.insert(PathBuf::from(USUAL));
    folders.extend(collection.options.captures.iter().cloned());
    let mut records = Vec::new();
    for folder in folders {
        collection.go_on()?;
        let place = collection.options.tree.path(&folder);
        let found = collection
            .reader
            .ask(SEARCH_TIME * 2, move || search(&place));
        match found {
            Ok(Ok(found)) => records.extend(found),
            Ok(Err(why)) | Err(why) => collection.note(&folder.display().to_string(), why),
        }
    }
    collection.add_json(CAPTURES, &records)
}

/// Finds the capture files below `folder`, and checks the newest ones.
fn search(folder: &Path) -> std::result::Result<Vec<CaptureRecord>, Unreadable> {
    let end = Instant::now() + SEARCH_TIME;
    let mut records = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    let mut searched = 0;
    while let Some((folder, depth)) = folders.pop() {
        searched += 1;
        if searched > MOST_FOLDERS || records.len() >= MOST_FILES || Instant::now() > end {
            break;
        }
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if depth == 0 => return Err(why(e)),
            Err(_) => continue,
        };
        for entry in entries.flatten().take(MOST_FILES - records.len()) {
            let Ok(facts) = entry.metadata() else {
                continue;
            };
            if facts.is_dir() && depth < DEPTH {
                folders.push((entry.path(), depth + 1));
            } else if facts.is_file() && is_capture(&entry.file_name().to_string_lossy()) {
                let since = facts
                    .modified()
                    .ok()
                    .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
                records.push(CaptureRecord {
                    path: entry.path().to_string_lossy().into_owned(),
                    bytes: facts.len(),
                    modified: since.map_or(0, |since| since.as_secs()),
                    beginning: None,
                });
            }
        }
    }
    records.sort_by(|a, b| (b.modified, &a.path).cmp(&(a.modified, &b.path)));
    for record in records.iter_mut().take(MOST_CHECKED) {
        if Instant::now() > end {
            break;
        }
        record.beginning = check(Path::new(&record.path));
    }
    Ok(records)
}

fn is_capture(name: &str) -> bool {
    let name = name.strip_suffix(".part").unwrap_or(name);
    [".raw", ".pcap", ".pcapng", ".gz", ".zst"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Checks the beginning of a RAW file; `None` for files of other formats.
fn check(path: &Path) -> Option<String> {
    let name = path.to_string_lossy();
    if !name.trim_end_matches(".part").ends_with(".raw") {
        return None;
    }
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(why) => return Some(why),
    };
    let bytes = file.metadata().map_or(0, |facts| facts.len());
    let mut reader = Reader::new(file.take(CHECKED_BYTES)).named(name);
    loop {
        match reader.next() {
            Ok(None) => return Some("sound".to_owned()),
            Ok(Some(Event::Damaged(_))) => {
                // The last record of what is checked may be cut.
                let last = reader.range().end >= CHECKED_BYTES.min(bytes);
                return Some(match last && bytes > CHECKED_BYTES {
                    true => "sound".to_owned(),
                    false => format!("damaged at byte {}", reader.range().start),
                });
            }
            Ok(Some(_)) => {}
            Err(e) => return Some(e.to_string()),
        }
    }
}
