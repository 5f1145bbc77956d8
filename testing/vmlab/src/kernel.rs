//! Kernels and their modules, as `scripts/kernels.sh` stores them.

pub mod modules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::MachineError;

/// Whether `scripts/kernels.sh` may be able to fetch a kernel of this name: a series of Linux, such as `6.1`, or
/// `newest`.
fn is_series(name: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = name.split_once('.');
    name == "newest" || numbers.is_some_and(|(major, minor)| number(major) && number(minor))
}

/// A kernel that can be booted.
///
/// Its folder has `release` (what `uname -r` says), `vmlinuz`, and `modules/`, with the content of
/// `/lib/modules/RELEASE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Folder of the kernel.
    pub folder: PathBuf,
    /// Output of `uname -r`.
    pub release: String,
}

impl Kernel {
    /// Finds the kernel of a series that was fetched, such as `6.1`, or the kernel in a folder.
    ///
    /// # Errors
    /// [`MachineError::Missing`] if there is no such kernel.
    pub fn find(name: &str) -> Result<Self, MachineError> {
        if name.contains('/') {
            return Self::at(Path::new(name));
        }
        let kernels = std::env::var_os("HPCAP_KERNELS").map_or_else(
            || build_folder().map(|target| target.join("kernels")),
            |set| Ok(set.into()),
        );
        Self::among(&kernels?, name)
    }

    fn among(kernels: &Path, name: &str) -> Result<Self, MachineError> {
        Self::at(&kernels.join(name)).map_err(|e| match e {
            MachineError::Missing(what) if is_series(name) => MachineError::Missing(format!(
                "{what}\n  Fetch it: scripts/kernels.sh fetch {name}"
            )),
            MachineError::Missing(what) => MachineError::Missing(format!(
                "{what}\n  Kernels that can be fetched have the name of a series, such as 6.1, or `newest`; a \
                 kernel of your own is given by its folder, with a slash: ./{name}"
            )),
            other => other,
        })
    }

    /// Opens the kernel in a folder.
    ///
    /// # Errors
    /// [`MachineError::Missing`] if the folder has no kernel.
    pub fn at(folder: &Path) -> Result<Self, MachineError> {
        let missing =
            |what: &str| MachineError::Missing(format!("{} has no {what}", folder.display()));
        let release = fs::read_to_string(folder.join("release"));
        let release = release.map_err(|_| missing("file `release`: it is no kernel's folder"))?;
        for (what, path) in [
            ("vmlinuz", "vmlinuz"),
            ("modules", "modules/modules.builtin"),
        ] {
            if !folder.join(path).exists() {
                return Err(missing(what));
            }
        }
        let folder = fs::canonicalize(folder).map_err(|_| missing("readable path"))?;
        Ok(Self {
            folder,
            release: release.trim().to_owned(),
        })
    }

    /// Returns the path of the bootable image.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }
}

/// Returns cargo's target folder, derived from the path of this program: `debug` or `release` in
/// that folder, or `deps` below one of them.
///
/// # Errors
/// [`MachineError::Missing`] if this program is not in such a folder.
pub fn build_folder() -> Result<PathBuf, MachineError> {
    let programs = programs_folder()?;
    let missing =
        || MachineError::Missing(format!("{} is in no folder of cargo's", programs.display()));
    programs.parent().map(Path::to_path_buf).ok_or_else(missing)
}

/// Returns the folder of the workspace's programs that were built together with this one.
///
/// # Errors
/// [`MachineError::Missing`] if the path of this program is unknown.
pub fn programs_folder() -> Result<PathBuf, MachineError> {
    let here =
        std::env::current_exe().map_err(|e| MachineError::Missing(format!("this program: {e}")))?;
    let folder = here.parent().unwrap_or(Path::new("/"));
    let own = folder
        .file_name()
        .is_some_and(|name| name == "deps" || name == "examples");
    Ok(if own {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    }
    .to_path_buf())
}

/// Returns a command for a program of the host, which may be outside the `PATH` of users other than
/// root.
pub(crate) fn host_command(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let folders = std::env::split_paths(&path).chain(system);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    Command::new(found.unwrap_or_else(|| name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_kernel_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = || Kernel::at(folder.path()).unwrap_err().to_string();
        assert!(said().contains("`release`"), "{}", said());
        fs::write(folder.path().join("release"), "6.1.0-test\n").unwrap();
        assert!(said().contains("vmlinuz"), "{}", said());
        fs::write(folder.path().join("vmlinuz"), "").unwrap();
        assert!(said().contains("modules"), "{}", said());
        fs::create_dir(folder.path().join("modules")).unwrap();
        fs::write(folder.path().join("modules/modules.builtin"), "").unwrap();
        assert_eq!(Kernel::at(folder.path()).unwrap().release, "6.1.0-test");
    }

    #[test]
    fn missing_series_says_how_to_fetch_it() {
        let none = tempfile::tempdir().unwrap();
        for series in ["6.1", "6.12", "newest"] {
            let said = Kernel::among(none.path(), series).unwrap_err().to_string();
            let fetch = format!("scripts/kernels.sh fetch {series}");
            assert!(said.ends_with(&fetch), "{said}");
        }
    }

    #[test]
    fn unknown_name_gets_advice() {
        let none = tempfile::tempdir().unwrap();
        for name in ["6", "6.1.2", "6.", "debian"] {
            let said = Kernel::among(none.path(), name).unwrap_err().to_string();
            let (what, advice) = said.split_once("\n  ").unwrap();
            assert!(what.contains("has no file `release`"), "{said}");
            assert_eq!(
                advice,
                format!(
                    "Kernels that can be fetched have the name of a series, such as 6.1, or `newest`; a kernel of \
                     your own is given by its folder, with a slash: ./{name}"
                )
            );
        }
    }
}
