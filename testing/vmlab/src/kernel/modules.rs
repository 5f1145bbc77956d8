//! The modules that a kernel can load: those of the distribution and those of hpcap in one tree,
//! with the index that `modprobe` reads.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};

use super::Kernel;
use crate::machine::MachineError;

/// Time after which an unused tree is deleted.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// A folder like `/lib/modules/RELEASE`: links to the modules of the distribution and to those in
/// `ours`, and their index.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Path of the folder.
    pub folder: PathBuf,
}

impl Tree {
    /// Creates the tree below `cache`, or reuses the existing one if no module has changed.
    ///
    /// # Errors
    /// [`MachineError::Missing`] without `depmod`; [`MachineError::Host`] when the tree cannot be written.
    pub fn make(kernel: &Kernel, ours: &Path, cache: &Path) -> Result<Self, MachineError> {
        let host = |e: io::Error| MachineError::host(format!("{}: {e}", cache.display()));
        fs::create_dir_all(cache).map_err(host)?;
        let base = cache.join(format!(
            "{}-{:016x}",
            kernel.release,
            state_of(kernel, ours)
        ));
        let folder = base.join("lib/modules").join(&kernel.release);
        // The lock keeps two processes from writing the same tree.
        let lock = File::create(cache.join(".lock")).map_err(host)?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| host(e.into()))?;
        if base.is_dir() {
            touch(&base);
            return Ok(Self { folder });
        }
        forget_old(cache);
        let fresh = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(cache)
            .map_err(host)?;
        fill(kernel, ours, fresh.path())?;
        fs::rename(fresh.keep(), &base).map_err(host)?;
        Ok(Self { folder })
    }

    /// Returns the files of modules and of their dependencies, in the order of loading. Built-in
    /// modules have no file.
    ///
    /// # Errors
    /// [`MachineError::Missing`] for a module that is neither a file nor built in.
    pub fn closure(&self, names: &[&str]) -> Result<Vec<PathBuf>, MachineError> {
        let read = |file: &str| fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let (index, builtin) = (read("modules.dep"), read("modules.builtin"));
        let mut order = Vec::new();
        for wanted in names {
            match needs(&index, wanted) {
                Some(files) => {
                    for file in files {
                        let file = self.folder.join(file);
                        if !order.contains(&file) {
                            order.push(file);
                        }
                    }
                }
                None if builtin.lines().any(|line| name_of(line) == *wanted) => {}
                None => {
                    let release = self.folder.file_name().unwrap_or_default().display();
                    let message = format!("Linux {release} has no module {wanted}");
                    return Err(MachineError::Missing(message));
                }
            }
        }
        Ok(order)
    }
}

/// Looks a module up in `modules.dep`. Returns its dependencies in the order of loading, followed
/// by its own file.
fn needs<'a>(index: &'a str, wanted: &str) -> Option<Vec<&'a str>> {
    let lines = index.lines().filter_map(|line| line.split_once(':'));
    let (file, others) = lines
        .into_iter()
        .find(|(file, _)| name_of(file) == wanted)?;
    // The index lists dependencies in the order of unloading.
    let mut files: Vec<_> = others.split_whitespace().rev().collect();
    files.push(file);
    Some(files)
}

/// Returns the name of a module: `9p` for `kernel/fs/9p/9p.ko`. Dashes become underscores.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split_once(".ko")
        .map_or(name, |(name, _)| name)
        .replace('-', "_")
}

/// Returns a hash that changes when a module changes.
fn state_of(kernel: &Kernel, ours: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    kernel.folder.hash(&mut hasher);
    ours.hash(&mut hasher);
    fs::metadata(kernel.image())
        .and_then(|meta| meta.modified())
        .ok()
        .hash(&mut hasher);
    for (name, meta) in module_files(ours) {
        (name, meta.len(), meta.modified().ok()).hash(&mut hasher);
    }
    hasher.finish()
}

fn module_files(folder: &Path) -> Vec<(OsString, fs::Metadata)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.map(|entry| (entry.file_name(), entry));
    let modules = named.filter(|(name, _)| Path::new(name).extension().is_some_and(|e| e == "ko"));
    let mut files: Vec<_> = modules
        .filter_map(|(name, entry)| Some((name, entry.metadata().ok()?)))
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

fn touch(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        // The new time keeps the tree from being deleted as unused.
        let _ = folder.set_modified(SystemTime::now());
    }
}

/// Removes trees that no machine was started with for a long time. No machine runs that long.
fn forget_old(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if entry.path().is_dir() && age.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn fill(kernel: &Kernel, ours: &Path, base: &Path) -> Result<(), MachineError> {
    let folder = base.join("lib/modules").join(&kernel.release);
    let host = |e: io::Error| MachineError::host(format!("{}: {e}", folder.display()));
    fs::create_dir_all(folder.join("hpcap")).map_err(host)?;
    let modules = kernel.folder.join("modules");
    // The guest sees the host's files at the same paths, so absolute links work there, too.
    symlink(modules.join("kernel"), folder.join("kernel")).map_err(host)?;
    for (name, _) in module_files(ours) {
        let module = ours.join(&name);
        symlink(&module, folder.join("hpcap").join(&name)).map_err(host)?;
    }
    for name in [
        "modules.builtin",
        "modules.builtin.modinfo",
        "modules.order",
    ] {
        match fs::copy(modules.join(name), folder.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(host(e)),
            _ => {}
        }
    }
    let mut depmod = super::host_command("depmod");
    depmod.arg("-b").arg(base).arg(&kernel.release);
    run(&mut depmod)
}

fn run(depmod: &mut Command) -> Result<(), MachineError> {
    match depmod.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(MachineError::host(format!("depmod failed: {said}")))
        }
        Err(e) => Err(MachineError::Missing(format!(
            "depmod, of the package kmod: {e}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "\
kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/fscache/fscache.ko kernel/fs/netfs/netfs.ko
kernel/fs/overlayfs/overlay.ko:
kernel/drivers/net/x-y.ko.xz: kernel/z.ko
";

    #[test]
    fn dependencies_load_before_a_module() {
        let files = needs(INDEX, "9p").unwrap();
        let names: Vec<_> = files.into_iter().map(name_of).collect();
        assert_eq!(names, ["netfs", "fscache", "9pnet", "9p"]);
        assert_eq!(needs(INDEX, "overlay").unwrap().len(), 1);
        assert_eq!(needs(INDEX, "x_y").unwrap().len(), 2);
        assert_eq!(needs(INDEX, "z"), None);
    }
}
