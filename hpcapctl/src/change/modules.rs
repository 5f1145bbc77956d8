//! Modules of the kernel that DKMS builds.

use std::process::Command;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use hpcap_host::Tree;

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
    let arguments = [action, &format!("hpcap/{version}"), "-k", release];
    let tried = || format!("run dkms {}", arguments.join(" "));
    let done = Command::new("dkms")
        .args(arguments)
        .output()
        .context(tried)?;
    if done.status.success() {
        return Ok(());
    }
    let text = [done.stdout, done.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let last: Vec<&str> = text.trim().lines().rev().take(5).collect();
    let why: Vec<&str> = last.into_iter().rev().collect();
    Err(
        Error::new(Kind::Io, tried(), why.join("\n  ")).advise(format!(
            "/var/lib/dkms/hpcap/{version}/build/make.log says more"
        )),
    )
}
