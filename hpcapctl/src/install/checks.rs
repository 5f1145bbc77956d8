//! What must be there before anything is changed. All problems are reported at once.

use std::fs;
use std::path::Path;

use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;
use nix::unistd::geteuid;

use super::plan::Wishes;
use crate::change::step::Root;
use crate::monitors;

/// Folders of units, by rising precedence for an administrator.
const UNIT_FOLDERS: [&str; 3] = [
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/local/lib/systemd/system",
];

/// Where the installed units are, as an absolute path below the root.
#[derive(Debug)]
pub(super) struct Units {
    pub(super) folder: &'static str,
}

/// Checks the system below `root`. `installed` are interfaces that are captured already, and `problems` what was found
/// before.
///
/// # Errors
/// One error that has every problem, each with what to do.
pub(super) fn check(
    root: &Path,
    interfaces: &[String],
    installed: &[String],
    wishes: Wishes,
    mut problems: Vec<String>,
) -> Result<Units> {
    let at = Root::new(root);
    let mut kind = Kind::NotFound;
    if let Err(e) = check_privileges(root) {
        kind = e.kind();
        problems.push(e.to_string());
    }
    let mut needed = vec!["hpcap.target", "hpcapd@.service", "hpcap-port@.service"];
    needed.extend(wishes.record.then_some("hpcapdd-queue@.service"));
    needed.extend(wishes.monitor.then_some(monitors::UNIT));
    let has_all = |folder: &&&str| {
        needed
            .iter()
            .all(|unit| at.path(folder).join(unit).exists())
    };
    let folder = UNIT_FOLDERS.iter().rev().find(has_all).copied();
    if folder.is_none() {
        problems.push(format!(
            "the units {} are not installed: install the package hpcap, or run `make install`",
            needed.join(", ")
        ));
    }
    let users = fs::read_to_string(at.path("/etc/passwd")).unwrap_or_default();
    if !users.lines().any(|line| line.starts_with("hpcap:")) {
        problems.push(
            "there is no user hpcap, as whom the services run: run systemd-sysusers after installing hpcap"
                .to_owned(),
        );
    }
    for (number, name) in interfaces.iter().enumerate() {
        if interfaces[..number].contains(name) {
            problems.push(format!("the interface {name} is named twice"));
        } else if !is_interface_name(name) {
            problems.push(format!("{name:?} is not the name of an interface"));
        } else if at.is_running_system()
            && !installed.contains(name)
            && let Err(e) = Interface::required(name)
        {
            problems.push(e.to_string());
        }
    }
    match folder {
        Some(folder) if problems.is_empty() => Ok(Units { folder }),
        _ => {
            let count = problems.len();
            let why = format!("there are {count} problems:\n  {}", problems.join("\n  "));
            Err(Error::new(kind, "install", why).advise("nothing was changed"))
        }
    }
}

/// Checks that this process may change the system.
///
/// # Errors
/// [`Kind::Permission`].
pub(super) fn check_privileges(root: &Path) -> Result<()> {
    if geteuid().is_root() || !Root::new(root).is_running_system() {
        return Ok(());
    }
    let why = "only root may configure this machine";
    Err(Error::new(Kind::Permission, "change the system", why)
        .advise("use sudo, or --dry-run first"))
}

/// Whether the kernel accepts `name` for an interface, and a unit's name can have it unescaped.
fn is_interface_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:".contains(c);
    (1..16).contains(&name.len()) && name.chars().all(allowed) && name != "." && name != ".."
}
