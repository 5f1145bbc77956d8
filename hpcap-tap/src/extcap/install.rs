//! Puts the program into the extcap folder of Wireshark.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use hpcap::error::Context;
use hpcap::visible::visible_path;
use hpcap::{Error, Kind, Result};

/// Name of the link in the folder.
const LINK: &str = "hpcap-tap";

/// What `hpcap-tap install-extcap` asks for.
#[derive(Debug, Clone, Args)]
pub struct InstallOptions {
    /// The extcap folder [default: the one that tshark names, a personal one if there is one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Remove the program from the folder
    #[arg(long)]
    pub remove: bool,
}

/// Makes or removes the link to this program. Returns what was done.
///
/// # Errors
/// Returns an error when no folder is found, when it cannot be written, and when a file of another
/// origin has the name of the link.
pub fn run(options: &InstallOptions) -> Result<String> {
    let folder = match &options.dir {
        Some(folder) => folder.clone(),
        None => find_folder()?,
    };
    let link = folder.join(LINK);
    let program = std::env::current_exe().context(|| "find the path of this program")?;
    refuse_others(&link)?;
    remove_file(&link)?;
    if options.remove {
        return Ok(format!("{} is removed\n", visible_path(&link)));
    }
    std::fs::create_dir_all(&folder)
        .context(|| format!("create {}", folder.display()))
        .map_err(advise_rights)?;
    std::os::unix::fs::symlink(&program, &link)
        .context(|| format!("create {}", link.display()))
        .map_err(advise_rights)?;
    Ok(format!(
        "{} is a link to {}\nWireshark lists the queues of this machine after its next start; `tshark -D` lists them, too\n",
        visible_path(&link),
        visible_path(&program)
    ))
}

/// Refuses to replace anything but a symbolic link.
fn refuse_others(link: &Path) -> Result<()> {
    match link.symlink_metadata() {
        Ok(found) if !found.is_symlink() => Err(Error::new(
            Kind::Io,
            format!("replace {}", link.display()),
            "it is no symbolic link, so that hpcap-tap has not made it",
        )
        .advise("move it away first")),
        _ => Ok(()),
    }
}

fn remove_file(link: &Path) -> Result<()> {
    match std::fs::remove_file(link) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other
            .context(|| format!("remove {}", link.display()))
            .map_err(advise_rights),
    }
}

fn advise_rights(error: Error) -> Error {
    match error.kind() {
        Kind::Permission => error.or_advise(
            "become root to install it for all users, or name a folder of your own: --dir DIR",
        ),
        _ => error,
    }
}

/// Asks tshark or Wireshark for their extcap folders.
fn find_folder() -> Result<PathBuf> {
    let mut folders = Vec::new();
    for program in ["tshark", "wireshark"] {
        if let Ok(answer) = Command::new(program).args(["-G", "folders"]).output() {
            folders = parse_folders(&String::from_utf8_lossy(&answer.stdout));
        }
        if !folders.is_empty() {
            break;
        }
    }
    // The personal folder comes first.
    folders.into_iter().next().ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            "find the extcap folder of Wireshark",
            "neither tshark nor wireshark names one",
        )
        .advise(
            "install Wireshark, or name the folder, which Help, About, Folders shows: --dir DIR",
        )
    })
}

/// Returns the extcap folders in the answer of `tshark -G folders`, personal ones first.
fn parse_folders(answer: &str) -> Vec<PathBuf> {
    let mut folders: Vec<(bool, PathBuf)> = answer
        .lines()
        .filter_map(|line| {
            let (name, path) = line.split_once(':')?;
            let name = name.to_lowercase();
            let path = path.trim();
            (name.contains("extcap") && path.starts_with('/'))
                .then(|| (!name.contains("personal"), PathBuf::from(path)))
        })
        .collect();
    folders.sort_by_key(|(is_shared, _)| *is_shared);
    folders.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn personal_folder_comes_first() {
        let answer = "Temp:\t/tmp\nGlobal Extcap path:\t/usr/lib/wireshark/extcap\n\
                      Personal Extcap path:\t/opt/user/lib/wireshark/extcap\n";
        assert_eq!(
            parse_folders(answer),
            [
                PathBuf::from("/opt/user/lib/wireshark/extcap"),
                PathBuf::from("/usr/lib/wireshark/extcap")
            ]
        );
        assert!(parse_folders("Temp:\t/tmp\n").is_empty());
    }

    #[test]
    fn link_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let options = |remove| InstallOptions {
            dir: Some(dir.path().join("new")),
            remove,
        };
        let link = dir.path().join("new").join(LINK);
        for _ in 0..2 {
            run(&options(false)).unwrap();
            assert!(link.is_symlink());
        }
        for _ in 0..2 {
            run(&options(true)).unwrap();
            assert!(!link.is_symlink());
        }
    }

    #[test]
    fn file_of_others_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(LINK);
        std::fs::write(&file, "mine").unwrap();
        for remove in [false, true] {
            let dir = Some(dir.path().to_owned());
            assert!(run(&InstallOptions { dir, remove }).is_err());
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    }
}
