//! The kernel: release, command line, modules, what is needed to build modules, and protection.
//!
//! ```
//! use hpcap_host::kernel::{CommandLine, series};
//! use hpcap_host::{StoredFiles, Tree};
//!
//! assert_eq!(series("6.12.9+deb13-amd64"), Some("6.12"));
//!
//! let mut files = StoredFiles::default();
//! files.add_file("/proc/cmdline", b"quiet isolcpus=2-3 hugepagesz=1G\n".to_vec());
//! let line = CommandLine::read(&Tree::stored(files));
//! assert_eq!(line.value("isolcpus"), Some("2-3"));
//! assert_eq!(line.value("quiet"), Some(""));
//! assert_eq!(line.value("nohz_full"), None);
//! ```

use crate::Tree;

/// Returns the release of the running kernel, such as `6.1.0-30-amd64`.
#[must_use]
pub fn release(tree: &Tree) -> Option<String> {
    tree.text("/proc/sys/kernel/osrelease")
}

/// Returns the series of a release: `6.1` of `6.1.0-30-amd64`.
#[must_use]
pub fn series(release: &str) -> Option<&str> {
    let (major, rest) = release.split_once('.')?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let is_number = !major.is_empty() && major.bytes().all(|b| b.is_ascii_digit()) && end > 0;
    is_number.then(|| &release[..major.len() + 1 + end])
}

/// Returns whether the files to build modules for `release` are installed.
#[must_use]
pub fn has_headers(tree: &Tree, release: &str) -> bool {
    tree.has(format!("/lib/modules/{release}/build/Makefile"))
}

/// The kernel's command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine(String);

impl CommandLine {
    /// Reads the command line with which the running kernel was started.
    #[must_use]
    pub fn read(tree: &Tree) -> Self {
        Self(tree.text("/proc/cmdline").unwrap_or_default())
    }

    /// Returns the last value of the parameter `name`; the empty text for one without a value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.split_whitespace().rev().find_map(|word| {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            (key == name).then_some(value)
        })
    }
}

/// What the IOMMU does with memory accesses of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iommu {
    /// There is no IOMMU, or it is off: devices access memory directly.
    Off,
    /// Devices access memory directly, unless they belong to a virtual machine.
    PassThrough,
    /// Each access of a device is translated.
    Translates,
}

impl Iommu {
    /// Reads what the IOMMU does. If it translates the accesses of one device, it counts as
    /// translating.
    #[must_use]
    pub fn read(tree: &Tree) -> Self {
        const GROUPS: &str = "/sys/kernel/iommu_groups";
        let groups = tree.names(GROUPS);
        if groups.is_empty() {
            return Self::Off;
        }
        let translates = groups.iter().any(|group| {
            tree.text(format!("{GROUPS}/{group}/type"))
                .is_some_and(|kind| kind.starts_with("DMA"))
        });
        match translates {
            true => Self::Translates,
            false => Self::PassThrough,
        }
    }
}

/// Returns whether the firmware starts only signed programs; `None` if it cannot be known. A
/// machine without EFI has no Secure Boot.
#[must_use]
pub fn secure_boot(tree: &Tree) -> Option<bool> {
    const VARIABLE: &str =
        "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    if !tree.has("/sys/firmware/efi") {
        return Some(false);
    }
    // Four bytes of attributes precede the value.
    match tree.bytes(VARIABLE)?.as_slice() {
        [_, _, _, _, value] => Some(*value == 1),
        _ => None,
    }
}

/// A module that is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name, such as `hpcap_ixgbe`.
    pub name: String,
    /// Its version; `None` for a module that declares none.
    pub version: Option<String>,
}

/// The modules of hpcap.
const OF_HPCAP: [&str; 5] = [
    "hpcap",
    "hpcap_ixgbe",
    "hpcap_ixgbevf",
    "hpcap_igb",
    "hpcap_netdev",
];

impl Module {
    /// Returns the modules of hpcap that are loaded.
    #[must_use]
    pub fn of_hpcap(tree: &Tree) -> Vec<Self> {
        OF_HPCAP
            .iter()
            .filter_map(|name| Self::loaded(tree, name))
            .collect()
    }

    /// Returns the module called `name` if it is loaded.
    #[must_use]
    pub fn loaded(tree: &Tree, name: &str) -> Option<Self> {
        let folder = format!("/sys/module/{name}");
        // Code inside the kernel has a folder for its parameters, but is not a loaded module.
        tree.has(format!("{folder}/initstate")).then(|| Self {
            name: name.to_owned(),
            version: tree.text(format!("{folder}/version")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_is_the_start_of_a_release() {
        assert_eq!(series("6.1.0-30-amd64"), Some("6.1"));
        assert_eq!(series("6.12"), Some("6.12"));
        for release in ["", "6", "x.y", "6.", ".1"] {
            assert_eq!(series(release), None, "{release:?}");
        }
    }

    #[test]
    fn last_value_of_a_parameter_counts() {
        let line = CommandLine("quiet isolcpus=1 iommu=pt isolcpus=2-3 ".into());
        assert_eq!(line.value("isolcpus"), Some("2-3"));
        assert_eq!(line.value("quiet"), Some(""));
        assert_eq!(line.value("isol"), None);
    }

    #[test]
    fn this_machine_has_a_release() {
        assert!(release(&Tree::machine()).is_some());
    }
}
