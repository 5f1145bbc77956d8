//! The versions of all parts: programs on the disk, modules that are loaded, modules on the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hpcap::{Result, abi};
use hpcap_cli::PROGRAMS;
use serde_json::json;

use super::super::open::{Part, regular_file};
use super::super::program;
use super::Collection;
use crate::record::VERSIONS;

/// Where programs are installed, beside the folder of this one.
const FOLDERS: [&str; 2] = ["/usr/local/bin", "/usr/bin"];
/// Longest time in which a program says its version.
const PROGRAM_TIME: Duration = Duration::from_secs(3);
/// Largest number of bytes of a version.
const VERSION_BYTES: usize = 4096;
/// Largest number of bytes of a module on the disk in which its description is searched.
const MODULE_BYTES: usize = 4 << 20;
/// Folders below `/lib/modules/RELEASE` where modules of hpcap are.
const MODULE_FOLDERS: [&str; 4] = ["updates", "updates/dkms", "extra", "weak-updates"];

/// Reads all versions.
pub(super) fn read(collection: &mut Collection<'_>) -> Result<()> {
    let mut programs = BTreeMap::new();
    if collection.options.tree.is_machine() {
        for path in programs_on_disk() {
            let name = path.display().to_string();
            let version = collection.reader.read(PROGRAM_TIME, move || {
                let mut command = Command::new(&path);
                program::output(command.arg("--version"), VERSION_BYTES, PROGRAM_TIME)
            });
            match version {
                Ok(said) => {
                    let text = String::from_utf8_lossy(&said.bytes);
                    let line = text.lines().next().unwrap_or_default().to_owned();
                    programs.insert(name, line);
                }
                Err(why) => collection.note(&format!("version of {name}"), why),
            }
        }
    }
    let modules = modules_on_disk(collection);
    let versions = json!({
        "hpcap-diag": hpcap_cli::VERSION,
        "abi": abi::HPCAP_ABI_VERSION,
        "programs": programs,
        "modules_on_disk": modules,
    });
    collection.add_json(VERSIONS, &versions)
}

fn programs_on_disk() -> Vec<PathBuf> {
    let own = std::env::current_exe().ok();
    let own = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let mut folders: Vec<PathBuf> = own.into_iter().collect();
    folders.extend(FOLDERS.map(PathBuf::from));
    folders.dedup();
    folders
        .iter()
        .flat_map(|folder| PROGRAMS.map(|name| folder.join(name)))
        .filter(|path| path.is_file())
        .collect()
}

/// The descriptions in the modules of hpcap on the disk, as `modinfo` shows them.
fn modules_on_disk(collection: &mut Collection<'_>) -> BTreeMap<String, Vec<String>> {
    let tree = collection.options.tree.clone();
    let release = hpcap_host::kernel::release(&tree).unwrap_or_default();
    let mut found = BTreeMap::new();
    for folder in MODULE_FOLDERS {
        let folder = format!("/lib/modules/{release}/{folder}");
        for name in tree.names(&folder) {
            if !name.starts_with("hpcap") || !name.ends_with(".ko") {
                continue;
            }
            let place = tree.path(format!("{folder}/{name}"));
            let content = collection.reader.read(PROGRAM_TIME, move || {
                regular_file(&place, MODULE_BYTES, Part::Start)
            });
            match content {
                Ok(content) => {
                    found.insert(format!("{folder}/{name}"), description(&content.bytes));
                }
                Err(why) => collection.note(&format!("{folder}/{name}"), why),
            }
        }
    }
    found
}

/// The lines of the section `.modinfo`, which are texts of the form `key=value` that end with a zero byte.
fn description(module: &[u8]) -> Vec<String> {
    const KEYS: [&str; 7] = [
        "depends=",
        "description=",
        "license=",
        "name=",
        "srcversion=",
        "vermagic=",
        "version=",
    ];
    let mut lines: Vec<String> = module
        .split(|byte| *byte == 0)
        .filter(|text| text.len() < 256)
        .filter_map(|text| std::str::from_utf8(text).ok())
        .filter(|text| KEYS.iter().any(|key| text.starts_with(key)))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_describes_itself() {
        let module =
            b"\x7fELF\0\x01\0version=0.1.0\0version=0.1.0\0vermagic=6.1.0 SMP\0xversion=2\0";
        assert_eq!(description(module), ["vermagic=6.1.0 SMP", "version=0.1.0"]);
    }
}
