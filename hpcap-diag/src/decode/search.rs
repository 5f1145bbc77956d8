//! Finds the file of a module, of the right build.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use hpcap::compress::Decompressor;
use lzma_rust2::XzReader;

use super::places::Place;
use super::symbols::{Module, Unfit};

/// Largest number of folders that are looked through.
const FOLDERS_MAX: usize = 20_000;
/// First bytes of a file that xz has compressed.
const XZ: [u8; 6] = *b"\xfd7zXZ\0";
/// Most memory that xz may ask for; no compression of modules needs more.
const XZ_MEMORY_KIB_MAX: u32 = 128 << 10;
/// Largest module that is read, without its compression.
const MODULE_BYTES_MAX: u64 = 256 << 20;

/// Finds the module of `place` in `folders`, or else where the kernel `release` has its modules. The error says
/// where it was searched, and why each file does not fit.
///
/// # Errors
/// A text for people, of one line.
pub(super) fn module(
    place: &Place,
    folders: &[PathBuf],
    release: Option<&str>,
) -> Result<Module, String> {
    let folders = match folders.is_empty() {
        true => folders_of(release),
        false => folders.to_vec(),
    };
    let mut unfit = Vec::new();
    for path in folders
        .iter()
        .flat_map(|folder| files_of(folder, &place.module))
    {
        let loaded = match read(&path) {
            Ok(bytes) if bytes.len() as u64 <= MODULE_BYTES_MAX => Module::load(&bytes),
            Ok(_) => Err(Unfit::Unreadable("it is too large for a module".into())),
            Err(e) => Err(Unfit::Unreadable(e.to_string())),
        };
        match loaded.and_then(|module| module.check(place).map(|()| module)) {
            Ok(module) => return Ok(module),
            Err(why) => unfit.push(format!("{}: {why}", path.display())),
        }
    }
    if unfit.is_empty() {
        let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        let wanted = match &place.build_id {
            Some(id) => format!(" with the build id {id}"),
            None => String::new(),
        };
        return Err(format!(
            "there is no {}.ko{wanted} below {}; --symbols DIR names a folder that has it",
            place.module,
            folders.join(", ")
        ));
    }
    Err(unfit.join("; "))
}

/// Reads the file of a module, which may be compressed with xz, Zstandard or gzip: at most one byte more than a module
/// may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut head = [0; XZ.len()];
    let is_xz = file.read_exact(&mut head).is_ok() && head == XZ;
    file.rewind()?;
    let content: Box<dyn Read> = match is_xz {
        true => Box::new(XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB_MAX)),
        false => Box::new(Decompressor::new(file)?),
    };
    let mut bytes = Vec::new();
    content.take(MODULE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The folders in which a kernel has modules, and their debug information.
fn folders_of(release: Option<&str>) -> Vec<PathBuf> {
    let release = match release {
        Some(release) if !release.contains('/') => release.to_owned(),
        _ => fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| "unknown".into(), |release| release.trim().to_owned()),
    };
    ["/usr/lib/debug/lib/modules", "/lib/modules"]
        .into_iter()
        .map(|folder| Path::new(folder).join(&release))
        .collect()
}

/// Returns the files of `module` at or below `folder`, without following links to folders.
fn files_of(folder: &Path, module: &str) -> Vec<PathBuf> {
    let names = ["ko.debug", "ko", "ko.xz", "ko.zst", "ko.gz"];
    let names = names.map(|ending| format!("{module}.{ending}"));
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        looked += 1;
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name();
            if is_folder && looked + folders.len() < FOLDERS_MAX {
                folders.push(entry.path());
            } else if names.iter().any(|known| name == known.as_str()) && entry.path().is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
