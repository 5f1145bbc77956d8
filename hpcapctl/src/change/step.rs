//! One step of a change.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use hpcap_host::Tree;
use serde::{Deserialize, Serialize};

use super::file::{remove, sync_folder, temporary, write_atomically};
use super::modules;
use super::service;
use super::setting::{InForce, Setting};

/// The folder below which the system is: `/`, or an image.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// The system below `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where the file with the absolute path `path` is.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Whether this is the running system.
    #[must_use]
    pub fn is_running_system(&self) -> bool {
        self.0 == Path::new("/")
    }
}

/// A step. Paths are absolute, below the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Create a folder with mode 0755.
    CreateFolder {
        /// The folder, whose parent exists.
        path: String,
    },
    /// Write a file, and replace one that is there.
    WriteFile {
        /// The file.
        path: String,
        /// Its content.
        content: String,
        /// Its mode.
        mode: u32,
    },
    /// Create a symbolic link.
    CreateLink {
        /// The link.
        path: String,
        /// The target of the link.
        target: String,
    },
    /// Build the kernel modules with DKMS, and install them.
    BuildModules {
        /// Version of the modules.
        version: String,
        /// The kernel.
        release: String,
    },
    /// Start a unit of the running system; undoing stops it.
    StartUnit {
        /// The unit.
        unit: String,
    },
    /// Stop a unit of the running system; undoing starts it.
    StopUnit {
        /// The unit.
        unit: String,
    },
    /// Change a setting of the running system.
    Setting(Setting),
}

/// The state before a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// There was nothing.
    Absent,
    /// The result of the step: undoing leaves it.
    Same,
    /// There was another file.
    File {
        /// Its content.
        content: String,
        /// Its mode.
        mode: u32,
    },
    /// The setting with another value.
    Setting(Setting),
}

/// The result of undoing a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// The step is undone.
    Yes,
    /// There was nothing to undo.
    AlreadyGone,
    /// Another program or user has changed the result of the step, so it stays; the text describes the change.
    Foreign(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateFolder { path } => write!(f, "create folder {path}"),
            Self::WriteFile { path, .. } => write!(f, "write {path}"),
            Self::CreateLink { path, target } => write!(f, "link {path} to {target}"),
            Self::BuildModules { version, release } => {
                write!(
                    f,
                    "build the modules of hpcap {version} for Linux {release}"
                )
            }
            Self::StartUnit { unit } => write!(f, "start {unit}"),
            Self::StopUnit { unit } => write!(f, "stop {unit}"),
            Self::Setting(setting) => setting.fmt(f),
        }
    }
}

impl Step {
    /// Returns what is there before the step.
    ///
    /// # Errors
    /// An error when something is in the way that the step must not replace.
    pub fn prepare(&self, root: &Root) -> Result<Before> {
        let in_the_way = |path: &Path, what: &str| {
            let why = format!("{} is {what}", path.display());
            Error::new(Kind::Busy, self.to_string(), why).advise("move it away, and try again")
        };
        match self {
            Self::CreateFolder { path } => {
                let path = root.path(path);
                match fs::metadata(&path) {
                    Err(_) => Ok(Before::Absent),
                    Ok(found) if found.is_dir() => Ok(Before::Same),
                    Ok(_) => Err(in_the_way(&path, "no folder")),
                }
            }
            Self::WriteFile {
                path,
                content,
                mode,
            } => {
                let path = root.path(path);
                let Ok(found) = fs::symlink_metadata(&path) else {
                    return Ok(Before::Absent);
                };
                if !found.is_file() {
                    return Err(in_the_way(&path, "no file"));
                }
                let old = fs::read_to_string(&path).context(|| self.to_string())?;
                let old_mode = found.permissions().mode() & 0o7777;
                Ok(match old == *content && old_mode == *mode {
                    true => Before::Same,
                    false => Before::File {
                        content: old,
                        mode: old_mode,
                    },
                })
            }
            Self::CreateLink { path, target } => {
                let path = root.path(path);
                match fs::read_link(&path) {
                    Ok(found) if found == Path::new(target) => Ok(Before::Same),
                    Ok(_) => Err(in_the_way(&path, "another link")),
                    Err(_) if fs::symlink_metadata(&path).is_ok() => {
                        Err(in_the_way(&path, "no link"))
                    }
                    Err(_) => Ok(Before::Absent),
                }
            }
            Self::BuildModules { release, .. } => {
                let tree = Tree::at(root.path("/"));
                Ok(match modules::are_installed(&tree, release) {
                    true => Before::Same,
                    false => Before::Absent,
                })
            }
            Self::StartUnit { unit } => Ok(match service::is_active(unit) {
                true => Before::Same,
                false => Before::Absent,
            }),
            Self::StopUnit { unit } => Ok(match service::is_active(unit) {
                true => Before::Absent,
                false => Before::Same,
            }),
            Self::Setting(setting) => Ok(match setting.in_force(root)? {
                InForce::Itself => Before::Same,
                InForce::Other(before) => Before::Setting(before),
                InForce::Unknown => Before::Absent,
            }),
        }
    }

    /// Returns the unit that systemd starts at boot because of this step.
    #[must_use]
    pub fn enabled_unit(&self) -> Option<&str> {
        let Self::CreateLink { path, .. } = self else {
            return None;
        };
        let (folder, unit) = path.rsplit_once('/')?;
        folder.ends_with(".wants").then_some(unit)
    }

    /// Applies the step. To apply it twice is the same as once.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn apply(&self, root: &Root) -> Result<()> {
        let tried = || self.to_string();
        match self {
            Self::CreateFolder { path } => {
                let path = root.path(path);
                match fs::DirBuilder::new().mode(0o755).create(&path) {
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    other => other.and_then(|()| sync_folder(&path)),
                }
                .context(tried)
            }
            Self::WriteFile {
                path,
                content,
                mode,
            } => write_atomically(&root.path(path), content.as_bytes(), *mode).context(tried),
            Self::CreateLink { path, target } => {
                let path = root.path(path);
                match symlink(target, &path) {
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    other => other.and_then(|()| sync_folder(&path)),
                }
                .context(tried)
            }
            Self::BuildModules { version, release } => modules::build(version, release),
            Self::StartUnit { unit } => service::start(unit),
            Self::StopUnit { unit } => service::stop(unit),
            Self::Setting(setting) => setting.apply(root),
        }
    }

    /// Undoes the step, whether it was applied or not, unless another program or user has changed the result since.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn undo(&self, root: &Root, before: &Before) -> Result<Undone> {
        let tried = || format!("undo: {self}");
        match self {
            Self::WriteFile {
                path,
                content,
                mode,
            } => {
                let path = root.path(path);
                let _ = fs::remove_file(temporary(&path));
                undo_file(&path, (content, *mode), before).context(tried)
            }
            _ if *before == Before::Same => Ok(Undone::AlreadyGone),
            Self::CreateFolder { path } => {
                let path = root.path(path);
                match fs::remove_dir(&path) {
                    Ok(()) => sync_folder(&path).context(tried).map(|()| Undone::Yes),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Undone::AlreadyGone),
                    Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(Undone::Foreign(
                        format!("{} has files of others", path.display()),
                    )),
                    Err(e) => Err(e).context(tried),
                }
            }
            Self::CreateLink { path, target } => {
                let path = root.path(path);
                match fs::read_link(&path) {
                    Ok(found) if found == Path::new(target) => {
                        remove(&path).context(tried).map(|()| Undone::Yes)
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Undone::AlreadyGone),
                    _ => Ok(Undone::Foreign(format!("{} was replaced", path.display()))),
                }
            }
            Self::BuildModules { version, release } => {
                match modules::are_installed(&Tree::at(root.path("/")), release) {
                    true => modules::remove(version, release).map(|()| Undone::Yes),
                    false => Ok(Undone::AlreadyGone),
                }
            }
            Self::StartUnit { unit } => service::stop(unit).map(|()| Undone::Yes),
            Self::StopUnit { unit } => service::start(unit).map(|()| Undone::Yes),
            Self::Setting(setting) => match before {
                Before::Setting(before) => setting.undo(root, before),
                _ => Ok(Undone::Foreign(format!(
                    "nobody knows what was there before: {setting}"
                ))),
            },
        }
    }
}

/// Puts back what was at `path` before, unless the file has neither the old nor the `new` content.
fn undo_file(path: &Path, new: (&str, u32), before: &Before) -> io::Result<Undone> {
    let now = match fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    match (before, now) {
        (Before::Absent, None) | (Before::Same | Before::Setting(_), _) => Ok(Undone::AlreadyGone),
        (Before::File { content, .. }, Some(now)) if now == *content && now != new.0 => {
            Ok(Undone::AlreadyGone)
        }
        (_, Some(now)) if now != new.0 => Ok(Undone::Foreign(format!(
            "{} was changed since",
            path.display()
        ))),
        (Before::Absent, Some(_)) => remove(path).map(|()| Undone::Yes),
        (Before::File { content, mode }, _) => {
            write_atomically(path, content.as_bytes(), *mode).map(|()| Undone::Yes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_below_wants_enable_units() {
        let unit = |path: &str| {
            let step = Step::CreateLink {
                path: path.to_owned(),
                target: "/usr/lib/systemd/system/x".to_owned(),
            };
            step.enabled_unit().map(str::to_owned)
        };
        let wanted = "/etc/systemd/system/hpcap.target.wants/hpcapdd-queue@hpcap0.service";
        assert_eq!(
            unit(wanted).as_deref(),
            Some("hpcapdd-queue@hpcap0.service")
        );
        assert_eq!(unit("/etc/systemd/system/hpcap.service"), None);
        let folder = Step::CreateFolder {
            path: "/etc/systemd/system/hpcap.target.wants".to_owned(),
        };
        assert_eq!(folder.enabled_unit(), None);
    }
}
