//! Addresses of modules in memory, for a debugger.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::utsname::uname;

/// Prints a gdb command for each module of the workspace when the module is loaded, until standard
/// output is closed.
///
/// # Errors
/// Fails with errors of the file system and of standard output.
pub fn follow() -> io::Result<()> {
    let release = uname()?.release().to_owned();
    let ours = Path::new("/lib/modules").join(release).join("hpcap");
    let mut known = HashSet::new();
    loop {
        for entry in fs::read_dir(&ours)? {
            let file = entry?.path();
            let Some(name) = file
                .file_stem()
                .map(|name| name.to_string_lossy().replace('-', "_"))
            else {
                continue;
            };
            let sections = Path::new("/sys/module").join(&name).join("sections");
            // A module that is loaded again has other addresses.
            let Ok(places) = places(&sections) else {
                continue;
            };
            let command = command(&file.canonicalize()?, &places);
            if known.insert(command.clone()) {
                let mut out = io::stdout();
                out.write_all(command.as_bytes())?;
                out.flush()?;
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the sections of a module and their addresses.
fn places(sections: &Path) -> io::Result<Vec<(String, String)>> {
    let mut places = Vec::new();
    for entry in fs::read_dir(sections)? {
        let entry = entry?;
        let address = fs::read_to_string(entry.path())?.trim().to_owned();
        places.push((entry.file_name().to_string_lossy().into_owned(), address));
    }
    places.sort();
    Ok(places)
}

/// Returns the gdb command that adds the symbols of a module.
fn command(file: &Path, places: &[(String, String)]) -> String {
    let mut line = format!("add-symbol-file {}", file.display());
    for (section, address) in places {
        // gdb needs only the sections with code and data.
        if [
            ".text",
            ".data",
            ".bss",
            ".rodata",
            ".init.text",
            ".exit.text",
        ]
        .contains(&section.as_str())
        {
            let _ = write!(line, " -s {section} {address}");
        }
    }
    line.push('\n');
    line
}
