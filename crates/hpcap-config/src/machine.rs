//! The facts of a machine that a configuration is checked against, read from `/sys` and `/proc`.
//!
//! A check and a proposal take a [`Machine`] and nothing else, so both also work for a machine whose files were collected,
//! and for one that a test invents.
//!
//! ```
//! use hpcap_config::Machine;
//! use hpcap_host::{StoredFiles, Tree};
//!
//! let mut files = StoredFiles::default();
//! files.add_file("/sys/devices/system/cpu/online", b"0-3\n".to_vec());
//! files.add_file("/proc/meminfo", b"MemTotal:       16384000 kB\n".to_vec());
//! let machine = Machine::read_from(&Tree::stored(files));
//! assert_eq!(machine.cpus.len(), 4);
//! assert!(machine.ports.is_empty());
//! ```

use std::collections::{BTreeMap, BTreeSet};

use hpcap_host::{HugePool, MemoryFacts, Tree};

use crate::model::{Interface, MacAddress, PciAddress};

/// A CPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpu {
    /// Its NUMA node.
    pub node: u32,
    /// The CPUs of the same core, itself included.
    pub core: BTreeSet<u32>,
    /// Whether the scheduler puts no threads on it by itself (`isolcpus`).
    pub isolated: bool,
}

/// The hugepages of one size on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HugePages {
    /// All of them.
    pub all: u64,
    /// Number of pages that nothing uses.
    pub free: u64,
}

/// A NUMA node; a machine without NUMA has one node, 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Its memory in bytes.
    pub memory_bytes: u64,
    /// Its hugepages, by their size in bytes.
    pub huge_pages: BTreeMap<u64, HugePages>,
}

/// A network interface, or a port that no driver serves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Port {
    /// Name of the interface; `None` without a driver.
    pub name: Option<String>,
    /// Address on the PCI bus; `None` for virtual interfaces.
    pub pci: Option<PciAddress>,
    /// MAC address.
    pub mac: Option<MacAddress>,
    /// NUMA node of the NIC; `None` when it is near to all of them.
    pub node: Option<u32>,
    /// Name of the driver.
    pub driver: Option<String>,
}

/// The facts of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// The CPUs that are online.
    pub cpus: BTreeMap<u32, Cpu>,
    /// The NUMA nodes.
    pub nodes: BTreeMap<u32, Node>,
    /// The ports.
    pub ports: Vec<Port>,
}

impl Machine {
    /// Reads the facts of this machine.
    #[must_use]
    pub fn read() -> Self {
        Self::read_from(&Tree::machine())
    }

    /// Reads the facts from the files of `tree`. A fact that cannot be read is absent.
    #[must_use]
    pub fn read_from(tree: &Tree) -> Self {
        let nodes = read_nodes(tree);
        Self {
            cpus: read_cpus(tree, &nodes),
            nodes: nodes.into_iter().map(|(n, (node, _))| (n, node)).collect(),
            ports: read_ports(tree),
        }
    }

    /// The port that `interface` names.
    #[must_use]
    pub fn port_of(&self, interface: &Interface) -> Option<&Port> {
        self.ports.iter().find(|port| {
            (interface.name.is_some() && interface.name == port.name)
                || (interface.pci.is_some() && interface.pci == port.pci)
                || (interface.mac.is_some() && interface.mac == port.mac)
        })
    }

    /// The node of the memory of `interface`: the configured one, or that of its NIC.
    #[must_use]
    pub fn node_of(&self, interface: &Interface) -> u32 {
        let nic = || self.port_of(interface).and_then(|port| port.node);
        let first = || self.nodes.keys().next().copied();
        interface.node.or_else(nic).or_else(first).unwrap_or(0)
    }
}

/// Parses a list of the kernel, such as `0-3,8`. Parts that are no ranges are left out.
fn parse_list(text: &str) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse::<u32>()) {
            // The kernel has at most 8192 CPUs.
            numbers.extend(first..=last.min(8191));
        }
    }
    numbers
}

/// Reads the nodes, and the CPUs of each.
fn read_nodes(tree: &Tree) -> BTreeMap<u32, (Node, BTreeSet<u32>)> {
    const NODES: &str = "/sys/devices/system/node";
    let pages_of = |pools: Vec<HugePool>| {
        let pages = |pool: HugePool| {
            let (all, free) = (pool.total, pool.available());
            (pool.page_bytes, HugePages { all, free })
        };
        pools.into_iter().map(pages).collect()
    };
    let total = |memory: Option<MemoryFacts>| memory.map_or(0, |facts| facts.total_bytes);
    let mut nodes = BTreeMap::new();
    for number in tree.numbers(NODES, "node") {
        let node = Node {
            memory_bytes: total(MemoryFacts::of_node(tree, number)),
            huge_pages: pages_of(HugePool::of_node(tree, number)),
        };
        let cpus = tree.text(format!("{NODES}/node{number}/cpulist"));
        nodes.insert(number, (node, parse_list(&cpus.unwrap_or_default())));
    }
    if nodes.is_empty() {
        let node = Node {
            memory_bytes: total(MemoryFacts::of_machine(tree)),
            huge_pages: pages_of(HugePool::of_machine(tree)),
        };
        nodes.insert(0, (node, BTreeSet::new()));
    }
    nodes
}

fn read_cpus(tree: &Tree, nodes: &BTreeMap<u32, (Node, BTreeSet<u32>)>) -> BTreeMap<u32, Cpu> {
    const CPUS: &str = "/sys/devices/system/cpu";
    let list = |name: &str| parse_list(&tree.text(format!("{CPUS}/{name}")).unwrap_or_default());
    let isolated = list("isolated");
    let read = |cpu: u32| {
        let mut core = list(&format!("cpu{cpu}/topology/thread_siblings_list"));
        core.insert(cpu);
        let node = nodes.iter().find(|(_, (_, cpus))| cpus.contains(&cpu));
        let facts = Cpu {
            node: node.map_or(0, |(number, _)| *number),
            core,
            isolated: isolated.contains(&cpu),
        };
        (cpu, facts)
    };
    list("online").into_iter().map(read).collect()
}

fn read_ports(tree: &Tree) -> Vec<Port> {
    const INTERFACES: &str = "/sys/class/net";
    const DEVICES: &str = "/sys/bus/pci/devices";
    let node_of = |folder: &str| {
        // -1 stands for a device that is near to all nodes.
        let node: Option<i64> = tree.value(format!("{folder}/numa_node"));
        node.and_then(|n| u32::try_from(n).ok())
    };
    let mut ports: Vec<Port> = Vec::new();
    for name in tree.names(INTERFACES) {
        let folder = format!("{INTERFACES}/{name}");
        let device = format!("{folder}/device");
        ports.push(Port {
            pci: tree.link_name(&device).and_then(|link| link.parse().ok()),
            mac: tree.value(format!("{folder}/address")),
            node: node_of(&device),
            driver: tree.link_name(format!("{device}/driver")),
            name: Some(name),
        });
    }
    for name in tree.names(DEVICES) {
        let folder = format!("{DEVICES}/{name}");
        let class = tree.text(format!("{folder}/class")).unwrap_or_default();
        let pci: Option<PciAddress> = name.parse().ok();
        // Class 0x0200 is an Ethernet controller.
        if class.starts_with("0x0200") && ports.iter().all(|port| port.pci != pci) {
            ports.push(Port {
                pci,
                node: node_of(&folder),
                driver: tree.link_name(format!("{folder}/driver")),
                ..Port::default()
            });
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn facts_come_from_sysfs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "sys/devices/system/cpu/online", "0-2,7\n");
        write(root, "sys/devices/system/cpu/isolated", "7\n");
        write(
            root,
            "sys/devices/system/cpu/cpu1/topology/thread_siblings_list",
            "1,7\n",
        );
        write(root, "sys/devices/system/node/node0/cpulist", "0-1\n");
        write(root, "sys/devices/system/node/node1/cpulist", "2-7\n");
        write(
            root,
            "sys/devices/system/node/node1/meminfo",
            "Node 1 MemTotal:       1048576 kB\nNode 1 MemFree: 1 kB\n",
        );
        let huge = "sys/devices/system/node/node1/hugepages/hugepages-2048kB";
        write(root, &format!("{huge}/nr_hugepages"), "8\n");
        write(root, &format!("{huge}/free_hugepages"), "3\n");
        write(root, "sys/bus/pci/devices/0000:03:00.0/class", "0x020000\n");
        write(root, "sys/bus/pci/devices/0000:03:00.0/numa_node", "1\n");
        write(root, "sys/bus/pci/devices/0000:04:00.0/class", "0x010802\n");
        write(root, "sys/class/net/lo/address", "00:00:00:00:00:00\n");

        let machine = Machine::read_from(&Tree::at(root));
        assert_eq!(
            machine.cpus.keys().copied().collect::<Vec<_>>(),
            [0, 1, 2, 7]
        );
        assert_eq!(machine.cpus[&1].core, BTreeSet::from([1, 7]));
        assert_eq!(
            (machine.cpus[&7].node, machine.cpus[&7].isolated),
            (1, true)
        );
        assert_eq!(machine.nodes[&1].memory_bytes, 1 << 30);
        assert_eq!(machine.nodes[&1].huge_pages[&(2 << 20)].free, 3);
        let nic = Interface {
            pci: "03:00.0".parse().ok(),
            ..Interface::default()
        };
        assert_eq!(machine.node_of(&nic), 1);
        assert_eq!(machine.ports.len(), 2, "{:?}", machine.ports);
    }

    #[test]
    fn facts_of_this_machine_are_sensible() {
        let machine = Machine::read();
        assert!(!machine.cpus.is_empty());
        assert!(machine.nodes.values().any(|node| node.memory_bytes > 0));
        assert!(
            machine
                .ports
                .iter()
                .any(|p| p.name.as_deref() == Some("lo"))
        );
    }

    #[test]
    fn hostile_list_is_bounded() {
        assert!(parse_list("0-4294967295").len() <= 8192);
        assert_eq!(parse_list("x,3-1,-,5"), BTreeSet::from([5]));
    }
}
