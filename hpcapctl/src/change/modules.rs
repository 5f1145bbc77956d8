//! Modules of the kernel: building them with DKMS, and loading them.

use hpcap::{Error, Kind, Result};
use hpcap_host::Tree;

use super::tool::run_tool;

/// The module that all others of hpcap need.
const CORE: &str = "hpcap";

/// The folder below which DKMS looks for sources.
const SOURCES: &str = "/usr/src";

/// Returns the newest version of hpcap's modules whose sources DKMS has.
#[must_use]
pub fn version(tree: &Tree) -> Option<String> {
    let folders = tree.names(SOURCES);
    let versions = folders
        .iter()
        .filter_map(|name| name.strip_prefix("hpcap-"))
        .filter(|version| tree.has(format!("{SOURCES}/hpcap-{version}/dkms.conf")));
    let numbers = |version: &&str| -> Vec<u32> {
        version
            .split(['.', '-', '~'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    versions.max_by_key(numbers).map(str::to_owned)
}

/// Whether the kernel `release` can load hpcap's modules.
#[must_use]
pub fn are_installed(tree: &Tree, release: &str) -> bool {
    let folder = format!("/lib/modules/{release}");
    // `extra` is where docs/driver.md tells to put modules that were built by hand.
    ["updates/dkms", "updates", "extra"].iter().any(|place| {
        let place = format!("{folder}/{place}");
        let names = tree.names(&place);
        // The file may be compressed: hpcap.ko.xz.
        ["hpcap.ko", "hpcap_ixgbe.ko"]
            .iter()
            .all(|module| names.iter().any(|name| name.starts_with(module)))
    })
}

/// Builds the modules for a kernel, and installs them.
///
/// # Errors
/// DKMS fails, or does not build for this kernel.
pub(super) fn build(version: &str, release: &str) -> Result<()> {
    dkms("install", version, release)
}

/// Removes the modules of a kernel.
///
/// # Errors
/// DKMS fails.
pub(super) fn remove(version: &str, release: &str) -> Result<()> {
    dkms("uninstall", version, release)
}

fn dkms(action: &str, version: &str, release: &str) -> Result<()> {
    let module = format!("hpcap/{version}");
    run_tool("dkms", &[action, &module, "-k", release])
        .map(drop)
        .map_err(|e| {
            e.advise(format!(
                "/var/lib/dkms/hpcap/{version}/build/make.log says more"
            ))
        })
}

/// Loads a module with what it needs.
///
/// # Errors
/// [`Kind::NotFound`] without the module for this kernel; [`Kind::Permission`] if Secure Boot refuses it.
pub(crate) fn load(name: &str, parameters: &[String]) -> Result<()> {
    let mut arguments = vec!["--", name];
    arguments.extend(parameters.iter().map(String::as_str));
    modprobe(&arguments)
}

/// Unloads a module of hpcap, and the core if no other module needs it. `modprobe -r` would also unload the plain driver,
/// which is a soft dependency, and take the other ports from it.
///
/// # Errors
/// [`Kind::Busy`] while something uses the module.
pub(crate) fn unload(name: &str) -> Result<()> {
    run_module_tool("rmmod", &[name])?;
    if name != CORE {
        // Queues that somebody still reads, and other modules, keep the core loaded.
        let _ = run_tool("rmmod", &[CORE]);
    }
    Ok(())
}

fn modprobe(arguments: &[&str]) -> Result<()> {
    run_module_tool("modprobe", arguments)
}

fn run_module_tool(tool: &str, arguments: &[&str]) -> Result<()> {
    let Err(e) = run_tool(tool, arguments) else {
        return Ok(());
    };
    let why = e.why_and_advice();
    let (kind, advice) = match why {
        _ if why.contains("not found") => (
            Kind::NotFound,
            "there is no module for this kernel (`dkms status hpcap` shows for which there is one; docs/driver.md says \
             how to build it); the userspace engine captures without it",
        ),
        _ if why.contains("in use") => (Kind::Busy, "`lsmod` shows what uses it"),
        _ if why.contains("Key was rejected") => (
            Kind::Permission,
            "Secure Boot is on: sign the modules (docs/driver.md#secure-boot)",
        ),
        _ => (e.kind(), "`journalctl -k` says more"),
    };
    let tried = format!("run {tool} {}", arguments.join(" "));
    Err(Error::new(kind, tried, why).advise(advice))
}
