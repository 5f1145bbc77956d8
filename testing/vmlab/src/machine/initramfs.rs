//! The first file system: the program `lab`, the libraries that it needs, and the modules that give
//! access to the host.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::MachineError;
use super::cpio::Archive;
use super::elf;
use crate::guest::{SETUP, Setup};
use crate::kernel::modules::Tree;

/// Modules that the guest needs for the host's file system and the serial port.
const MODULES: [&str; 5] = [
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "virtio_console",
];

/// Folder of the modules in the archive.
const FOLDER: &str = "/modules";

/// Creates the archive for a guest with these settings. `first` is the program that the kernel
/// starts.
pub(super) fn make(first: &Path, tree: &Tree, mut setup: Setup) -> Result<Vec<u8>, MachineError> {
    let host = |e: io::Error| MachineError::host(format!("the first file system: {e}"));
    let mut archive = Archive::default();
    for folder in ["/dev", "/proc", "/sys", "/host", "/ram", "/base", FOLDER] {
        archive.folder(folder);
    }
    archive.device("/dev/console", (5, 1));
    let program = std::fs::read(first).and_then(elf::without_sections);
    archive.file("/init", &program.map_err(host)?);
    for library in libraries(first)? {
        archive
            .copy(&library, &library.to_string_lossy())
            .map_err(host)?;
    }
    for file in tree.closure(&MODULES)? {
        let name = file.file_name().unwrap_or_default();
        let place = Path::new(FOLDER).join(name);
        archive
            .copy(&file, &place.to_string_lossy())
            .map_err(host)?;
        setup.modules.push(place);
    }
    let setup = serde_json::to_vec(&setup).map_err(|e| host(e.into()))?;
    archive.file(SETUP, &setup);
    Ok(archive.finish())
}

/// Returns the loader and the shared libraries of a program, as the loader itself finds them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, MachineError> {
    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
    let output = Command::new(LOADER).arg("--list").arg(program).output();
    let output = output.map_err(|e| MachineError::Missing(format!("{LOADER}: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(MachineError::host(format!("{}: {said}", program.display())));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut found = vec![PathBuf::from(LOADER)];
    found.extend(text.lines().filter_map(library));
    Ok(found)
}

/// Parses a line such as `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5947a03000)`. The
/// line of the kernel's own library has no path, and the line of the loader no arrow.
fn library(line: &str) -> Option<PathBuf> {
    let path = line.split_once(" => ")?.1.split(" (").next()?.trim();
    path.starts_with('/').then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_match_the_loaders_list() {
        assert_eq!(
            library("\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5947a03000)"),
            Some("/lib/x86_64-linux-gnu/libc.so.6".into())
        );
        assert_eq!(library("\tlinux-vdso.so.1 (0x00007f594845d000)"), None);
        assert_eq!(
            library("\t/lib64/ld-linux-x86-64.so.2 (0x00007f594845f000)"),
            None
        );
        let own = libraries(&std::env::current_exe().unwrap()).unwrap();
        assert!(
            own.iter().any(|path| path.ends_with("libc.so.6")),
            "{own:?}"
        );
    }
}
