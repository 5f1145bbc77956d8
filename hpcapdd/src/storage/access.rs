//! Sets who may read the files and their folders: `--file-mode`, `--file-group`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, fchown};
use std::path::Path;

use hpcap::error::Context;
use hpcap::raw::PartFile;
use hpcap::{Error, Result};

/// Group and mode of the written files. With `None`, they stay as the process makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    /// Mode of the files. Whoever may read the files may also enter their folders.
    pub mode: Option<u32>,
    /// Number of the group.
    pub group: Option<u32>,
}

/// Parses the value of `--file-mode`.
///
/// # Errors
/// A text that is not an octal mode, or a mode that would lock the recorder itself out.
pub fn parse_mode(text: &str) -> std::result::Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|m| *m <= 0o666);
    match mode {
        Some(mode) if mode & 0o600 == 0o600 && mode & 0o111 == 0 => Ok(mode),
        _ => Err("expected octal digits with 6 for the owner, such as 0640 or 0660".to_owned()),
    }
}

/// Parses the value of `--file-group`, which is a name or a number.
///
/// # Errors
/// A group name that this machine does not know.
pub fn parse_group(text: &str) -> std::result::Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match nix::unistd::Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err("there is no group of that name".to_owned()),
        Err(e) => Err(format!("cannot look the group up: {e}")),
    }
}

impl Access {
    /// Sets the group and the mode of a file that was just created and, with `with_folder`, of the
    /// half-hour folder that it is in. Removes the file after a failure.
    ///
    /// # Errors
    /// An error if this process is neither root nor a member of the group.
    pub fn give_part(&self, part: &PartFile, with_folder: bool) -> Result<()> {
        if *self == Self::default() {
            return Ok(());
        }
        let path = part.path();
        let given = match (with_folder, path.parent()) {
            (true, Some(folder)) => self.give_folder(folder),
            _ => Ok(()),
        };
        given
            .and_then(|()| self.give(part.file(), &path))
            .inspect_err(|_| {
                // The file is still empty.
                let _ = fs::remove_file(&path);
            })
    }

    /// Sets the group and the mode of an open file.
    ///
    /// # Errors
    /// The errors of [`Access::give_part`].
    pub fn give(&self, file: &File, path: &Path) -> Result<()> {
        if let Some(group) = self.group {
            fchown(file, None, Some(group)).map_err(|e| refused(path, e))?;
        }
        if let Some(mode) = self.mode {
            file.set_permissions(Permissions::from_mode(mode))
                .context(|| format!("set the mode of {}", path.display()))?;
        }
        Ok(())
    }

    /// Sets the group and the mode of the file at `path`. A failure is ignored.
    pub fn give_beside(&self, path: &Path) {
        if *self != Self::default()
            && let Ok(file) = File::open(path)
        {
            let _ = self.give(&file, path);
        }
    }

    fn give_folder(&self, folder: &Path) -> Result<()> {
        if let Some(group) = self.group {
            chown(folder, None, Some(group)).map_err(|e| refused(folder, e))?;
        }
        if let Some(mode) = self.mode {
            let mode = mode | (mode & 0o444) >> 2;
            fs::set_permissions(folder, Permissions::from_mode(mode))
                .context(|| format!("set the mode of {}", folder.display()))?;
        }
        Ok(())
    }
}

fn refused(path: &Path, error: std::io::Error) -> Error {
    Error::io(
        format!("give {} to the group of --file-group", path.display()),
        error,
    )
    .advise("a process that is not root can give its files only to a group that it is a member of")
}

#[cfg(test)]
mod tests {
    use hpcap::QueueName;
    use hpcap::Timestamp;

    use super::*;

    #[test]
    fn mode_keeps_owner_access() {
        assert_eq!(parse_mode("0640"), Ok(0o640));
        assert_eq!(parse_mode("600"), Ok(0o600));
        for text in ["", "rw", "0440", "0777", "8", "10640"] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn groups_are_names_or_numbers() {
        assert_eq!(parse_group("root"), Ok(0));
        assert_eq!(parse_group("17"), Ok(17));
        assert!(parse_group("no-such-group").is_err());
    }

    #[test]
    fn folder_can_be_entered_by_readers() {
        let dir = tempfile::tempdir().unwrap();
        let start = Timestamp::new(5, 0);
        let part = PartFile::create(dir.path(), QueueName::new(0, 0), start).unwrap();
        let access = Access {
            mode: Some(0o640),
            group: None,
        };
        access.give_part(&part, true).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&part.path()), 0o640);
        assert_eq!(mode(part.path().parent().unwrap()), 0o750);
    }
}
