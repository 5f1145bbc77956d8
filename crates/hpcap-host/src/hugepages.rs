//! The kernel's pools of hugepages: one for each size and NUMA node.

use serde::Serialize;

use crate::Tree;

/// The hugepages of one size, on one NUMA node or on the whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HugePool {
    /// Size of a page in bytes.
    pub page_bytes: u64,
    /// The NUMA node; `None` for the whole machine.
    pub node: Option<u32>,
    /// Number of pages in the pool.
    pub total: u64,
    /// Number of free pages.
    pub free: u64,
    /// Number of pages that exist beyond the pool's size, and go back to the kernel when they are
    /// free.
    pub surplus: u64,
    /// Number of free pages that are promised to a mapping; `None` for a node, which has no such
    /// count.
    pub reserved: Option<u64>,
}

impl HugePool {
    /// The folder of the pool in sysfs.
    #[must_use]
    pub fn folder(page_bytes: u64, node: Option<u32>) -> String {
        let kib = page_bytes / 1024;
        match node {
            None => format!("/sys/kernel/mm/hugepages/hugepages-{kib}kB"),
            Some(node) => {
                format!("/sys/devices/system/node/node{node}/hugepages/hugepages-{kib}kB")
            }
        }
    }

    /// Reads a pool; `None` if the kernel has no pages of this size there.
    #[must_use]
    pub fn read(tree: &Tree, page_bytes: u64, node: Option<u32>) -> Option<Self> {
        let folder = Self::folder(page_bytes, node);
        let count = |name: &str| tree.value::<u64>(format!("{folder}/{name}"));
        Some(Self {
            page_bytes,
            node,
            total: count("nr_hugepages")?,
            free: count("free_hugepages").unwrap_or(0),
            surplus: count("surplus_hugepages").unwrap_or(0),
            reserved: count("resv_hugepages"),
        })
    }

    /// Returns the pools of the whole machine, one for each size, smallest size first.
    #[must_use]
    pub fn of_machine(tree: &Tree) -> Vec<Self> {
        sizes(tree, "/sys/kernel/mm/hugepages")
            .into_iter()
            .filter_map(|page_bytes| Self::read(tree, page_bytes, None))
            .collect()
    }

    /// Returns the pools of NUMA node `node`, one for each size, smallest size first.
    #[must_use]
    pub fn of_node(tree: &Tree, node: u32) -> Vec<Self> {
        sizes(
            tree,
            &format!("/sys/devices/system/node/node{node}/hugepages"),
        )
        .into_iter()
        .filter_map(|page_bytes| Self::read(tree, page_bytes, Some(node)))
        .collect()
    }

    /// Free pages that are not promised to a mapping.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.free.saturating_sub(self.reserved.unwrap_or(0))
    }
}

/// Returns the sizes of pages that have a folder in `folder`, in bytes.
fn sizes(tree: &Tree, folder: &str) -> Vec<u64> {
    let mut sizes: Vec<u64> = tree
        .names(folder)
        .iter()
        .filter_map(|name| {
            let kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
            kib.parse::<u64>().ok()?.checked_mul(1024)
        })
        .filter(|bytes| *bytes > 0)
        .collect();
    sizes.sort_unstable();
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_of_this_machine_are_consistent() {
        for pool in HugePool::of_machine(&Tree::machine()) {
            assert!(pool.page_bytes.is_power_of_two(), "{pool:?}");
            assert!(pool.free <= pool.total, "{pool:?}");
        }
    }
}
