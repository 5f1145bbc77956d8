//! The libraries that are linked into the programs, and their licences.
//!
//! A package of the programs is a copy of these libraries, too, so that it has to name them, with their licences and
//! copyrights. [`list`] makes the file that does, which is committed: a test compares its first part with what cargo
//! links, so that no library comes in unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The list, in the repository.
pub const FILE: &str = "LICENSES/libraries.txt";

/// The licences that a package may contain, the preferred one first. Apache-2.0 asks for nothing but its own text, which
/// is there anyhow. CDDL-1.0 covers each file by itself, so that programs with other licences may contain such files.
pub const ACCEPTED: [&str; 6] = [
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Zlib",
    "CDDL-1.0",
];

/// The line between the list of libraries and the texts of their licences.
const TEXTS: &str = "The texts";

/// A library that is linked into a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Library {
    /// Name of the crate.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The licences under which hpcap uses it: all of them apply.
    pub licences: Vec<&'static str>,
}

/// Returns the libraries that cargo links into the programs of the repository `root`, without those of the repository.
///
/// # Errors
/// When cargo fails, or a library has none of the licences of [`ACCEPTED`].
pub fn linked(root: &Path) -> io::Result<Vec<Library>> {
    // Macros run while the programs are built; nothing of them is linked.
    let mut arguments = String::from(
        "tree --edges normal,no-proc-macro --prefix none --no-dedupe --locked \
         --target x86_64-unknown-linux-gnu --format {p}|{l}",
    );
    for package in packages(root)? {
        let _ = write!(arguments, " --package {package}");
    }
    let listed = cargo(root, &arguments)?;
    let mut libraries = BTreeSet::new();
    for line in listed.lines() {
        let Some((package, licence)) = line.split_once('|') else {
            continue;
        };
        // A crate of the repository has its folder behind its version.
        let [name, version] = package.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let licences = choose(licence).ok_or_else(|| {
            io::Error::other(format!(
                "the library {name} has the licence {licence:?}, and none of it is accepted ({})\n  \
                 Use another library, or accept the licence in xtask/src/licences.rs",
                ACCEPTED.join(", ")
            ))
        })?;
        libraries.insert(Library {
            name: name.to_owned(),
            version: version.trim_start_matches('v').to_owned(),
            licences,
        });
    }
    Ok(libraries.into_iter().collect())
}

/// Chooses from an expression such as `MIT OR Apache-2.0` the licences under which hpcap uses a library.
fn choose(expression: &str) -> Option<Vec<&'static str>> {
    // Before SPDX had expressions, a slash was an alternative.
    let expression = expression.replace('/', " OR ");
    let accepted = |alternative: &str| -> Option<Vec<usize>> {
        alternative
            .split(" AND ")
            .map(|id| ACCEPTED.iter().position(|known| *known == id.trim()))
            .collect()
    };
    let best = expression.split(" OR ").filter_map(accepted).min()?;
    Some(best.into_iter().map(|rank| ACCEPTED[rank]).collect())
}

/// Returns the packages of the workspace whose programs `make install` installs.
fn packages(root: &Path) -> io::Result<BTreeSet<String>> {
    let programs = crate::programs();
    let metadata = metadata(root, "--no-deps")?;
    let is_installed = |target: &&serde_json::Value| {
        let is_program = target["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"));
        is_program && programs.iter().any(|p| target["name"] == p.get_name())
    };
    let mut found = BTreeSet::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let targets = package["targets"].as_array();
        if targets.is_some_and(|targets| targets.iter().any(|target| is_installed(&target))) {
            found.extend(package["name"].as_str().map(str::to_owned));
        }
    }
    Ok(found)
}

fn metadata(root: &Path, option: &str) -> io::Result<serde_json::Value> {
    let listed = cargo(
        root,
        &format!("metadata --format-version 1 --locked {option}"),
    )?;
    serde_json::from_str(&listed).map_err(io::Error::other)
}

fn cargo(root: &Path, arguments: &str) -> io::Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(program)
        .args(arguments.split(' '))
        .current_dir(root)
        .output()
        .map_err(|e| io::Error::new(e.kind(), format!("cannot run cargo: {e}")))?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        return Err(io::Error::other(format!("cargo {arguments}: {why}")));
    }
    String::from_utf8(done.stdout).map_err(io::Error::other)
}

/// Returns the licence of a package with the programs, as an SPDX expression: that of hpcap, and those of the libraries.
#[must_use]
pub fn expression(libraries: &[Library]) -> String {
    let used = |id: &&&str| libraries.iter().any(|l| l.licences.contains(id));
    let mut all = vec!["(MIT OR Apache-2.0)"];
    all.extend(ACCEPTED.iter().filter(used));
    all.join(" AND ")
}

/// Returns the first part of the list: the libraries and their licences.
#[must_use]
pub fn overview(libraries: &[Library]) -> String {
    let mut text = String::from(
        "The programs of hpcap contain these libraries, and Rust's standard library under Apache-2.0. A library that offers\n\
         several licences is used under the one that stands here. The source of each library is at\n\
         https://crates.io/crates/NAME/VERSION. `cargo xtask licences` writes this file.\n",
    );
    let mut by_licence: BTreeMap<String, Vec<&Library>> = BTreeMap::new();
    for library in libraries {
        let licences = library.licences.join(" and ");
        by_licence.entry(licences).or_default().push(library);
    }
    for (licences, libraries) in by_licence {
        let _ = writeln!(text, "\n{licences}:\n");
        for library in libraries {
            let _ = writeln!(text, "    {} {}", library.name, library.version);
        }
    }
    text
}

/// Returns the part of a list that [`overview`] makes.
#[must_use]
pub fn overview_of(list: &str) -> &str {
    let end = list.find(&format!("\n{TEXTS}\n"));
    &list[..end.unwrap_or(list.len())]
}

/// Returns the whole list, with the copyrights and the texts of the licences except Apache-2.0.
///
/// # Errors
/// When cargo fails, or a library has no text of its licence.
pub fn list(root: &Path) -> io::Result<String> {
    let libraries = linked(root)?;
    let folders = folders(root)?;
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for library in &libraries {
        let name = format!("{} {}", library.name, library.version);
        let folder = folders.get(&name).ok_or_else(|| {
            io::Error::other(format!("cargo does not say where the source of {name} is"))
        })?;
        for text in texts_in(folder, library)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    let mut all = overview(&libraries);
    let _ = writeln!(
        all,
        "\n{TEXTS}\n\nThat of Apache-2.0 is at https://www.apache.org/licenses/LICENSE-2.0."
    );
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|one, other| one.1.cmp(&other.1));
    for (text, names) in texts {
        let _ = write!(all, "\n---- {}\n\n{text}", names.join(", "));
    }
    Ok(all)
}

/// Returns the folders of the sources of all packages, by name and version.
fn folders(root: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let metadata = metadata(root, "--filter-platform x86_64-unknown-linux-gnu")?;
    let mut folders = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let folder = Path::new(text("manifest_path")).parent();
        let name = format!("{} {}", text("name"), text("version"));
        folders.extend(folder.map(|folder| (name, folder.to_owned())));
    }
    Ok(folders)
}

/// Returns the texts that have to go with a copy of the library.
fn texts_in(folder: &Path, library: &Library) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    let starting_with = |prefix: &str| -> Vec<&String> {
        let has_prefix = |name: &&String| name.to_uppercase().starts_with(prefix);
        names.iter().filter(has_prefix).collect()
    };
    // Apache-2.0 asks for the notice alone.
    let mut chosen = starting_with("NOTICE");
    if library.licences != ["Apache-2.0"] {
        // A file for one of several licences has its name: LICENSE-MIT.
        let own = library
            .licences
            .iter()
            .flat_map(|id| starting_with(&format!("LICENSE-{}", id.to_uppercase())))
            .collect::<Vec<_>>();
        let own = match own.is_empty() {
            true => starting_with("LICENSE"),
            false => own,
        };
        if own.is_empty() {
            let message = format!("{} has no text of its licence", folder.display());
            return Err(io::Error::other(message));
        }
        chosen.extend(own);
    }
    let read = |name: &String| -> io::Result<String> {
        let text = fs::read_to_string(folder.join(name))?;
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        Ok(format!("{}\n", lines.join("\n").trim_matches('\n')))
    };
    chosen.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferred_licence_is_chosen() {
        assert_eq!(choose("MIT OR Apache-2.0"), Some(vec!["Apache-2.0"]));
        assert_eq!(choose("MIT/Apache-2.0"), Some(vec!["Apache-2.0"]));
        assert_eq!(choose("Unlicense OR MIT"), Some(vec!["MIT"]));
    }

    #[test]
    fn all_licences_of_an_alternative_apply() {
        let both = Some(vec!["BSD-3-Clause", "BSD-2-Clause"]);
        assert_eq!(choose("BSD-3-Clause AND BSD-2-Clause"), both);
        assert_eq!(choose("MIT AND GPL-2.0-only"), None);
    }

    #[test]
    fn unlisted_licence_is_refused() {
        for licence in ["", "GPL-3.0-only", "AGPL-3.0-only OR Proprietary"] {
            assert_eq!(choose(licence), None, "{licence}");
        }
    }

    #[test]
    fn overview_is_found_in_the_list() {
        let library = Library {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            licences: vec!["MIT"],
        };
        let overview = overview(&[library]);
        assert!(overview.ends_with("\nMIT:\n\n    a 1.0.0\n"), "{overview}");
        let list = format!("{overview}\n{TEXTS}\n\nmore\n");
        assert_eq!(overview_of(&list), overview);
    }
}
