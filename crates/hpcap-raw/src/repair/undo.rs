//! Undoes a repair.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::journal::{Journal, journals};
use crate::name::rename_no_replace;
use hpcap_base::error::{Context, Error, Kind, Result};

/// The result of undoing the repairs of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// Path of the restored file.
    pub path: PathBuf,
    /// The journals that were undone and removed.
    pub journals: Vec<PathBuf>,
}

/// Undoes every repair of the file at `path`, the newest first. The file gets its former bytes,
/// size and name. `path` is the file's present name or its name before the repair.
///
/// # Errors
/// Returns [`Kind::NotFound`] when the folder has no journal of the file, [`Kind::Busy`] when a
/// recorder is writing the file, [`Kind::Usage`] when the file was changed after the repair, and
/// errors of the file system.
pub fn undo(path: &Path) -> Result<Undone> {
    let tried = || format!("undo the repair of {}", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut undone = Undone {
        path: path.to_owned(),
        journals: Vec::new(),
    };
    loop {
        let name = undone.path.file_name().unwrap_or_default().to_owned();
        let all = journals(folder).context(tried)?;
        let next = all.into_iter().find(|(_, journal)| journal.is_of(&name));
        let Some((at, journal)) = next else {
            break;
        };
        undone.path = undo_one(folder, &journal).map_err(|e| match e {
            Refusal::Changed(why) => Error::usage(
                format!("undo of {}", undone.path.display()),
                format!("{why}: it was changed after its repair"),
            )
            .advise(format!("the journal is {}", at.display())),
            Refusal::Busy => Error::new(Kind::Busy, tried(), "a recorder is writing it"),
            Refusal::Io(e) => Error::io(tried(), e),
        })?;
        fs::remove_file(&at).context(tried)?;
        undone.journals.push(at);
    }
    if undone.journals.is_empty() {
        return Err(Error::new(
            Kind::NotFound,
            tried(),
            format!("there is no journal of it in {}", folder.display()),
        )
        .advise("a repair leaves FILE.repair beside the file: name that file"));
    }
    Ok(undone)
}

/// Why a repair cannot be undone.
enum Refusal {
    Changed(String),
    Busy,
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

fn undo_one(folder: &Path, journal: &Journal) -> std::result::Result<PathBuf, Refusal> {
    let before = folder.join(&journal.name);
    let names = journal.renamed.iter().rev().chain([&journal.name]);
    let now = names
        .map(|name| folder.join(name))
        .find(|path| path.symlink_metadata().is_ok())
        .ok_or_else(|| Refusal::Changed("it is not there any more".into()))?;
    let file = OpenOptions::new().read(true).write(true).open(&now)?;
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(Refusal::Busy);
    }
    let bytes = file.metadata()?.len();
    if let Some(kept) = &journal.kept {
        let kept = folder.join(kept);
        if kept.symlink_metadata().is_ok() {
            if bytes != journal.bytes.1 {
                return Err(Refusal::Changed(format!("it has {bytes} bytes")));
            }
            // The original holds all of the present file, so replacing the present file loses
            // nothing.
            fs::rename(&kept, &now)?;
        }
    } else {
        check(&file, bytes, journal)?;
        for place in &journal.places {
            file.write_all_at(&place.before, place.offset)?;
        }
        file.set_len(journal.bytes.0)?;
        file.sync_all()?;
    }
    if now != before {
        rename_no_replace(&now, &before)?;
    }
    Ok(before)
}

/// Refuses a file in which a changed range has neither the bytes after the repair nor, in case the
/// repair was interrupted, the bytes before it.
fn check(file: &File, bytes: u64, journal: &Journal) -> std::result::Result<(), Refusal> {
    let (before, after) = journal.bytes;
    if bytes != before && bytes != after {
        return Err(Refusal::Changed(format!("it has {bytes} bytes")));
    }
    for place in &journal.places {
        let there = usize::try_from(bytes.saturating_sub(place.offset)).unwrap_or(usize::MAX);
        let mut now = vec![0; there.min(place.after.len())];
        file.read_exact_at(&mut now, place.offset)?;
        let is_known = now == place.after || now.starts_with(&place.before);
        if !is_known {
            return Err(Refusal::Changed(format!(
                "other bytes stand at byte {}",
                place.offset
            )));
        }
    }
    Ok(())
}
