//! Kernels and their modules, where `scripts/kernels.sh` has put them.

pub mod modules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::MachineError;

/// What `scripts/kernels.sh` fetches.
const SERIES: [&str; 2] = ["6.1", "6.12"];

/// A kernel that can be booted.
///
/// Its folder has `release` (what `uname -r` says), `vmlinuz`, and `modules/`, which is what would
/// be in `/lib/modules/RELEASE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The folder.
    pub folder: PathBuf,
    /// What `uname -r` says.
    pub release: String,
}

impl Kernel {
    /// The kernel of a series, such as `6.1`, that was fetched, or that of a folder.
    ///
    /// # Errors
    /// [`MachineError::Missing`] when it is not there.
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
            MachineError::Missing(what) if SERIES.contains(&name) => MachineError::Missing(
                format!("{what}\n  Fetch it: scripts/kernels.sh fetch {name}"),
            ),
            MachineError::Missing(what) => MachineError::Missing(format!(
                "{what}\n  The series that can be fetched are {}; a kernel of your own is given by \
                 its folder, with a slash: ./{name}",
                SERIES.join(", ")
            )),
            other => other,
        })
    }

    /// The kernel of a folder.
    ///
    /// # Errors
    /// [`MachineError::Missing`] when it is not one.
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

    /// What boots.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }
}

/// The folder where cargo builds, by where this program is: in `debug` or `release` below it, or in
/// the `deps` of one of them.
///
/// # Errors
/// [`MachineError::Missing`] when this program was not started from there.
pub fn build_folder() -> Result<PathBuf, MachineError> {
    let programs = programs_folder()?;
    let missing =
        || MachineError::Missing(format!("{} is in no folder of cargo's", programs.display()));
    programs.parent().map(Path::to_path_buf).ok_or_else(missing)
}

/// The folder of the workspace's programs as they were built together with this one.
///
/// # Errors
/// [`MachineError::Missing`] when this program is nowhere.
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

/// A program of the host's, which for users other than root may be outside their `PATH`.
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
        for series in SERIES {
            let said = Kernel::among(none.path(), series).unwrap_err().to_string();
            let fetch = format!("scripts/kernels.sh fetch {series}");
            assert!(said.ends_with(&fetch), "{said}");
        }
    }

    #[test]
    fn unknown_series_lists_known_ones() {
        let none = tempfile::tempdir().unwrap();
        let said = Kernel::among(none.path(), "6.2").unwrap_err().to_string();
        let (what, advice) = said.split_once("\n  ").unwrap();
        assert!(what.contains("6.2 has no file `release`"), "{said}");
        assert_eq!(
            advice,
            "The series that can be fetched are 6.1, 6.12; a kernel of your own is given by its \
             folder, with a slash: ./6.2"
        );
        assert_eq!(
            Kernel::find("0.99")
                .unwrap_err()
                .to_string()
                .lines()
                .count(),
            2
        );
    }

    #[test]
    fn series_match_the_fetch_script() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kernels.sh");
        let script = fs::read_to_string(script).unwrap();
        let series = format!("\nreadonly SERIES=({})\n", SERIES.join(" "));
        assert!(script.contains(&series), "not in it: {series}");
    }
}
