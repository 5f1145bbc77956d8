//! Carries out the plan of a repair.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::journal::{Journal, Place};
use super::plan::Plan;
use crate::name::{private_file, rename_no_replace};
use hpcap_base::error::{Context, Error, Kind, Result};

/// The files after a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Path of the repaired file.
    pub path: PathBuf,
    /// Path of the journal, from which [`undo`](super::undo()) restores the file.
    pub saved: Option<PathBuf>,
    /// Path of the unchanged original, when the repair wrote a new file.
    pub kept: Option<PathBuf>,
}

/// Carries out `plan` on the file at `path`, for which the plan was made.
///
/// # Errors
/// Returns [`Kind::Busy`] when a recorder is writing the file or its size has changed since the
/// plan was made, and errors of the file system.
pub fn apply(path: &Path, plan: &Plan) -> Result<Outcome> {
    let mut outcome = Outcome {
        path: path.to_owned(),
        saved: None,
        kept: None,
    };
    if plan.is_empty() {
        return Ok(outcome);
    }
    let tried = || format!("repair {}", path.display());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .context(tried)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            return Err(Error::new(Kind::Busy, tried(), "a recorder is writing it")
                .advise("stop the recorder first, it closes the file itself"));
        }
        // On a file system without locks, a recorder cannot be detected.
        Err(TryLockError::Error(_)) | Ok(()) => {}
    }
    let size = file.metadata().context(tried)?.len();
    if !plan.more && size != plan.file_bytes {
        return Err(Error::new(
            Kind::Busy,
            tried(),
            format!(
                "it had {} bytes a moment ago and has {size} now",
                plan.file_bytes
            ),
        ));
    }
    let (mut journal, at) = create_beside(path, ".repair").context(tried)?;
    outcome.saved = Some(at);
    if plan.stray.is_empty() {
        journal_of(path, &file, size, plan)
            .and_then(|record| record.write(&mut journal))
            .and_then(|()| change(&file, plan))
            .context(tried)?;
    } else {
        outcome.kept = Some(write_anew(path, &file, size, plan, &mut journal).context(tried)?);
    }
    if let Some(to) = plan.rename.as_ref().filter(|_| !plan.more) {
        outcome.path = rename_free(path, to, &mut |name| {
            Journal::add_renaming(&mut journal, name)
        })
        .context(tried)?;
    }
    Ok(outcome)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Creates `<path><suffix>`, with a number appended when a file of that name exists.
fn create_beside(path: &Path, suffix: &str) -> io::Result<(File, PathBuf)> {
    let mut number = 0;
    loop {
        let numbered = match number {
            0 => suffix.to_owned(),
            n => format!("{suffix}-{n}"),
        };
        let beside = with_suffix(path, &numbered);
        match private_file(&beside, false) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
            other => return other.map(|file| (file, beside)),
        }
    }
}

/// Returns the journal of the changes in `plan`, with the bytes that `file` has there now.
fn journal_of(path: &Path, file: &File, size: u64, plan: &Plan) -> io::Result<Journal> {
    let mut places = Vec::with_capacity(plan.changes.len());
    for change in &plan.changes {
        let there = size
            .saturating_sub(change.offset)
            .min(change.bytes.len() as u64);
        let mut before = vec![0; usize::try_from(there).unwrap_or(0)];
        file.read_exact_at(&mut before, change.offset)?;
        places.push(Place {
            offset: change.offset,
            before,
            after: change.bytes.clone(),
        });
    }
    Ok(Journal {
        name: path.file_name().unwrap_or_default().to_owned(),
        bytes: (size, size.max(if plan.more { 0 } else { plan.new_bytes })),
        places,
        ..Journal::default()
    })
}

fn change(file: &File, plan: &Plan) -> io::Result<()> {
    if !plan.more && plan.new_bytes > plan.file_bytes {
        file.set_len(plan.new_bytes)?;
    }
    for change in &plan.changes {
        file.write_all_at(&change.bytes, change.offset)?;
    }
    file.sync_all()
}

/// Writes a new file with the changes and without the stray bytes, and keeps the old one.
fn write_anew(
    path: &Path,
    file: &File,
    size: u64,
    plan: &Plan,
    journal: &mut File,
) -> io::Result<PathBuf> {
    let (mut new, temporary) = create_beside(path, ".repairing")?;
    let result = copy_without(file, &mut new, &plan.stray).and_then(|()| {
        // Converts an offset in the old file to one in the new file.
        let moved = |offset: u64| {
            let before = plan.stray.iter().filter(|(at, _)| *at < offset);
            offset - before.map(|(_, bytes)| bytes).sum::<u64>()
        };
        if !plan.more {
            new.set_len(moved(plan.new_bytes))?;
        }
        for change in &plan.changes {
            new.write_all_at(&change.bytes, moved(change.offset))?;
        }
        new.sync_all()?;
        let record = Journal {
            name: path.file_name().unwrap_or_default().to_owned(),
            kept: free_name(path, ".damaged")?.file_name().map(Into::into),
            bytes: (size, new.metadata()?.len()),
            ..Journal::default()
        };
        record.write(journal).map(|()| record)
    });
    let record = match result {
        Ok(record) => record,
        Err(e) => {
            std::fs::remove_file(&temporary)?;
            return Err(e);
        }
    };
    let kept = path.with_file_name(record.kept.unwrap_or_default());
    rename_no_replace(path, &kept)?;
    rename_no_replace(&temporary, path)?;
    Ok(kept)
}

/// Returns `<path><suffix>`, with a number appended when a file of that name exists.
fn free_name(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    (0..10_000)
        .map(|number| match number {
            0 => with_suffix(path, suffix),
            n => with_suffix(path, &format!("{suffix}-{n}")),
        })
        .find(|name| name.symlink_metadata().is_err())
        .ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

fn copy_without(mut from: &File, to: &mut File, stray: &[(u64, u64)]) -> io::Result<()> {
    let mut at = 0;
    for (offset, bytes) in stray {
        from.seek(SeekFrom::Start(at))?;
        io::copy(&mut from.take(offset - at), to)?;
        at = offset + bytes;
    }
    from.seek(SeekFrom::Start(at))?;
    io::copy(&mut from, to).map(drop)
}

/// Renames a file to `to`, with a number in the name when `to` exists. `before` is called with the
/// new name before the file is renamed, so that the journal has it even after a crash.
fn rename_free(
    from: &Path,
    to: &Path,
    before: &mut dyn FnMut(&OsStr) -> io::Result<()>,
) -> io::Result<PathBuf> {
    for number in 0..10_000 {
        let target = if number == 0 {
            to.to_owned()
        } else if let (Some(stem), Some("raw")) =
            (to.file_stem(), to.extension().and_then(OsStr::to_str))
        {
            let mut name = stem.to_owned();
            name.push(format!("~{number:02}.raw"));
            to.with_file_name(name)
        } else {
            with_suffix(to, &format!("-{number}"))
        };
        if target.symlink_metadata().is_ok() {
            continue;
        }
        before(target.file_name().unwrap_or_default())?;
        match rename_no_replace(from, &target) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| target),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
