//! Memory of the machine and of its NUMA nodes.

use serde::Serialize;

use crate::Tree;

/// Bytes of memory from which new pages can be taken (`MemAvailable`); `None` when unknown.
#[must_use]
pub fn available_memory() -> Option<u64> {
    MemoryFacts::of_machine(&Tree::machine())?.available_bytes
}

/// Memory of the machine or of one NUMA node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryFacts {
    /// All memory in bytes.
    pub total_bytes: u64,
    /// Memory in bytes that nothing uses.
    pub free_bytes: u64,
    /// Memory in bytes from which new pages can be taken; `None` for a node, which does not report
    /// it.
    pub available_bytes: Option<u64>,
}

impl MemoryFacts {
    /// Reads the memory of the whole machine; `None` when unknown.
    #[must_use]
    pub fn of_machine(tree: &Tree) -> Option<Self> {
        Self::parse(&tree.text("/proc/meminfo")?)
    }

    /// Reads the memory of NUMA node `node`; `None` when unknown.
    #[must_use]
    pub fn of_node(tree: &Tree, node: u32) -> Option<Self> {
        let text = tree.text(format!("/sys/devices/system/node/node{node}/meminfo"))?;
        Self::parse(&text)
    }

    /// Parses lines such as `MemTotal: 16 kB`, which a node begins with `Node 0`.
    fn parse(text: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| {
                let at = line.find(name)?;
                line[at..].strip_prefix(name)?.strip_prefix(':')
            })?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            kib.checked_mul(1024)
        };
        Some(Self {
            total_bytes: bytes("MemTotal")?,
            free_bytes: bytes("MemFree")?,
            available_bytes: bytes("MemAvailable"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_node_is_read() {
        let text = "Node 0 MemTotal:       4096 kB\nNode 0 MemFree:        1024 kB\n";
        let expected = MemoryFacts {
            total_bytes: 4 << 20,
            free_bytes: 1 << 20,
            available_bytes: None,
        };
        assert_eq!(MemoryFacts::parse(text), Some(expected));
    }

    #[test]
    fn garbage_is_unknown_memory() {
        for text in [
            "",
            "MemTotal:",
            "MemTotal: x kB",
            "MemTotal: 99999999999999999999 kB",
        ] {
            assert_eq!(MemoryFacts::parse(text), None, "{text:?}");
        }
        let much = format!("MemTotal: {} kB\nMemFree: 1 kB", u64::MAX);
        assert_eq!(MemoryFacts::parse(&much), None);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(available_memory().unwrap() > 0);
    }
}
