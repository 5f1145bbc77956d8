//! Carrying a plan out.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::plan::{Change, Plan};
use crate::error::{Context, Error, Kind, Result};
use crate::raw::name::{private_file, rename_no_replace};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where the sound file is.
    pub path: PathBuf,
    /// Where the bytes that were changed, or the whole file as it was, are kept.
    pub saved: Option<PathBuf>,
}

/// Carries `plan` out on the file at `path`, for which it was made.
///
/// # Errors
/// [`Kind::Busy`] where a recorder is writing the file, [`Kind::Usage`] where it has changed
/// since the plan was made, and those of the file system.
pub fn apply(path: &Path, plan: &Plan) -> Result<Outcome> {
    let mut outcome = Outcome {
        path: path.to_owned(),
        saved: None,
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
        // A file system without locks: nothing can be known.
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
    if plan.stray.is_empty() {
        if !plan.changes.is_empty() {
            outcome.saved = Some(save_changed(path, &file, size, &plan.changes).context(tried)?);
            change(&file, plan).context(tried)?;
        }
    } else {
        outcome.saved = Some(write_anew(path, &file, plan).context(tried)?);
    }
    if let Some(to) = plan.rename.as_ref().filter(|_| !plan.more) {
        outcome.path = rename_free(path, to).context(tried)?;
    }
    Ok(outcome)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Creates `<path><suffix>`, or with a number where that exists.
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

/// Saves the bytes that will be changed, as text: offset, then the bytes in hexadecimal.
fn save_changed(path: &Path, file: &File, size: u64, changes: &[Change]) -> io::Result<PathBuf> {
    let (mut journal, beside) = create_beside(path, ".repair")?;
    let mut text = format!(
        "# {}: bytes as they were before its repair: offset, hexadecimal\n# it had {size} bytes\n",
        path.display()
    );
    for change in changes {
        let there = size
            .saturating_sub(change.offset)
            .min(change.bytes.len() as u64);
        let mut before = vec![0; usize::try_from(there).unwrap_or(0)];
        file.read_exact_at(&mut before, change.offset)?;
        if !before.is_empty() {
            let _ = write!(text, "{} ", change.offset);
            for byte in before {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
    }
    journal.write_all(text.as_bytes())?;
    journal.sync_all()?;
    Ok(beside)
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

/// Writes the file anew, without the stray bytes and with the changes, and keeps the old one.
fn write_anew(path: &Path, file: &File, plan: &Plan) -> io::Result<PathBuf> {
    let (mut new, temporary) = create_beside(path, ".repairing")?;
    let result = copy_without(file, &mut new, &plan.stray).and_then(|()| {
        // Where a place of the old file is in the new one.
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
        new.sync_all()
    });
    if let Err(e) = result {
        std::fs::remove_file(&temporary)?;
        return Err(e);
    }
    let kept = rename_free(path, &with_suffix(path, ".damaged"))?;
    rename_no_replace(&temporary, path)?;
    Ok(kept)
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

/// Renames a file, to a name with a number where the one wanted exists.
fn rename_free(from: &Path, to: &Path) -> io::Result<PathBuf> {
    for number in 0..10_000 {
        let target = if number == 0 {
            to.to_owned()
        } else if let (Some(stem), Some("raw")) = (
            to.file_stem().and_then(|s| s.to_str()),
            to.extension().and_then(|s| s.to_str()),
        ) {
            to.with_file_name(format!("{stem}-{number}.raw"))
        } else {
            with_suffix(to, &format!("-{number}"))
        };
        match rename_no_replace(from, &target) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| target),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
