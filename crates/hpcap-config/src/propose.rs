//! A configuration for a machine: rings that fit its memory, and poll threads with a core of their
//! own.
//!
//! ```
//! use hpcap_config::Machine;
//! use hpcap_config::machine::{Cpu, Node, Port};
//! use hpcap_config::propose::{Wishes, propose};
//!
//! # fn main() -> hpcap::Result<()> {
//! let mut machine = Machine::default();
//! for number in 0..4 {
//!     machine.cpus.insert(number, Cpu { core: [number].into(), ..Cpu::default() });
//! }
//! machine.nodes.insert(0, Node { memory_bytes: 16 << 30, ..Node::default() });
//! machine.ports.push(Port {
//!     name: Some("eth0".into()),
//!     pci: "0000:03:00.0".parse().ok(),
//!     ..Port::default()
//! });
//! let proposal = propose(&machine, &Wishes { queues: 2, ..Wishes::default() })?;
//! let interface = &proposal.config.interfaces[0];
//! assert_eq!((interface.queues, interface.cpus.len()), (2, 2));
//! assert!(interface.ring_bytes < 16 << 30);
//!
//! // A machine without a port needs a wish that names an interface.
//! assert!(propose(&Machine::default(), &Wishes::default()).is_err());
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hpcap::free_space::FreeSpace;
use hpcap::units::Bytes;
use hpcap::{Error, Kind, Result};
use hpcap_host::pages::Pages;

use crate::machine::{Machine, Port};
use crate::model::{Config, Engine, Interface, Monitor, PciAddress, Recorder};

/// What the user wants; everything else follows from the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Names, PCI or MAC addresses of the interfaces; empty stands for every port on the PCI bus.
    pub interfaces: Vec<String>,
    /// The engine that captures; `None` decides by the driver of each port.
    pub engine: Option<Engine>,
    /// Queues of each interface.
    pub queues: u16,
    /// Whether duplicates are removed.
    pub dedup: bool,
    /// Bytes kept of each frame; 0 keeps whole frames.
    pub caplen: u32,
    /// Pages under the rings.
    pub pages: Pages,
    /// Size of each ring; `None` decides by the memory.
    pub ring_bytes: Option<u64>,
    /// Folder below which each queue is recorded.
    pub record: Option<PathBuf>,
    /// Whether counters are logged.
    pub monitor: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            engine: None,
            queues: 1,
            dedup: false,
            caplen: 0,
            pages: Pages::Auto,
            ring_bytes: None,
            record: None,
            monitor: true,
        }
    }
}

/// A configuration, and what its reader should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The configuration.
    pub config: Config,
    /// Decisions that the user may want to change.
    pub notes: Vec<String>,
}

/// Proposes a configuration for `machine`.
///
/// # Errors
/// Returns [`Kind::NotFound`] for an interface that the machine does not have, and when there is no
/// port to capture from.
pub fn propose(machine: &Machine, wishes: &Wishes) -> Result<Proposal> {
    let mut notes = Vec::new();
    let ports = choose_ports(machine, wishes)?;
    let mut config = Config::default();
    for port in ports {
        config.interfaces.push(interface_of(port, wishes));
    }
    assign_numbers(&mut config, machine);
    assign_cpus(&mut config, machine, &mut notes);
    assign_rings(&mut config, machine, wishes, &mut notes);
    if let Some(folder) = &wishes.record {
        for i in 0..config.interfaces.len() {
            for queue in config.queues_of(i) {
                config.recorders.push(Recorder {
                    queue: Some(queue),
                    destination: Some(folder.join(queue.to_string().replace(':', "_"))),
                    rotate_time: Some(std::time::Duration::from_secs(3600)),
                    keep_free: Some(FreeSpace::Percent(5)),
                    ..Recorder::default()
                });
            }
        }
    }
    config.monitor = Monitor {
        enabled: wishes.monitor,
        ..Monitor::default()
    };
    Ok(Proposal { config, notes })
}

/// The ports that are offered for capture: those on the PCI bus.
pub fn candidates(machine: &Machine) -> impl Iterator<Item = &Port> {
    machine.ports.iter().filter(|port| port.pci.is_some())
}

fn choose_ports<'m>(machine: &'m Machine, wishes: &Wishes) -> Result<Vec<&'m Port>> {
    let names: Vec<&str> = machine
        .ports
        .iter()
        .filter_map(|p| p.name.as_deref())
        .collect();
    let there = format!("there are {}", names.join(", "));
    if wishes.interfaces.is_empty() {
        let all: Vec<&Port> = candidates(machine).collect();
        return match all.is_empty() {
            false => Ok(all),
            true => Err(Error::new(
                Kind::NotFound,
                "find a port to capture from",
                "no Ethernet port is on the PCI bus",
            )
            .advise(format!("name an interface: --interface NAME; {there}"))),
        };
    }
    let mut chosen: Vec<&Port> = Vec::new();
    for wanted in &wishes.interfaces {
        let is_named = |port: &&Port| {
            port.name.as_ref() == Some(wanted)
                || (port.pci.is_some() && port.pci == wanted.parse().ok())
                || (port.mac.is_some() && port.mac == wanted.parse().ok())
        };
        let Some(port) = machine.ports.iter().find(is_named) else {
            let tried = format!("find the interface {wanted:?}");
            return Err(Error::new(Kind::NotFound, tried, "there is none").advise(there));
        };
        if !chosen.contains(&port) {
            chosen.push(port);
        }
    }
    Ok(chosen)
}

fn interface_of(port: &Port, wishes: &Wishes) -> Interface {
    let by_driver = match port.driver.as_deref() {
        Some("ixgbe" | "hpcap_ixgbe") => Engine::Ixgbe,
        Some("ixgbevf" | "hpcap_ixgbevf") => Engine::Ixgbevf,
        Some("hpcap_igb") => Engine::Igb,
        _ => Engine::Userspace,
    };
    let engine = wishes.engine.unwrap_or(by_driver);
    // A kernel engine renames the port, so its place on the bus names it.
    let by_pci = engine.drives_ports() || port.name.is_none();
    let mut interface = Interface {
        engine,
        queues: wishes.queues.min(engine.most_queues()),
        caplen: wishes.caplen,
        pages: wishes.pages,
        ..Interface::default()
    };
    interface.dedup.enabled = wishes.dedup;
    match by_pci && port.pci.is_some() {
        true => interface.pci = port.pci,
        false => interface.name.clone_from(&port.name),
    }
    interface
}

/// Numbers the interfaces. The kernel modules number the ports of their drivers by their order on the
/// bus, those of ixgbe before those of igb, whether they capture or not; other interfaces get the
/// first numbers that are free.
fn assign_numbers(config: &mut Config, machine: &Machine) {
    let driven = |port: &Port| -> Option<(Engine, PciAddress)> {
        let engine = match port.driver.as_deref()? {
            "ixgbe" | "hpcap_ixgbe" => Engine::Ixgbe,
            "hpcap_igb" => Engine::Igb,
            _ => return None,
        };
        Some((engine, port.pci?))
    };
    let mut driven: Vec<_> = machine.ports.iter().filter_map(driven).collect();
    driven.sort_unstable_by_key(|(engine, pci)| (*engine == Engine::Igb, *pci));
    let rank = |i: &Interface| {
        let port = (i.engine, i.pci?);
        let rank = driven.iter().position(|other| *other == port)?;
        u16::try_from(rank).ok()
    };
    for interface in &mut config.interfaces {
        if interface.number_in_name().is_none() {
            interface.number = rank(interface);
        }
    }
    let given = |i: &Interface| i.number.or_else(|| i.number_in_name());
    let taken: BTreeSet<u16> = config.interfaces.iter().filter_map(given).collect();
    let mut free = (0..=u16::MAX).filter(|n| !taken.contains(n));
    for interface in &mut config.interfaces {
        if given(interface).is_none() {
            interface.number = free.next();
        }
    }
}

/// Gives each poll thread a core of its own on the node of its NIC. The first core of the machine
/// stays with the system.
fn assign_cpus(config: &mut Config, machine: &Machine, notes: &mut Vec<String>) {
    let first_core = machine.cpus.values().next().map(|cpu| cpu.core.clone());
    let mut taken: BTreeSet<u32> = first_core.unwrap_or_default();
    for interface in &mut config.interfaces {
        let node = machine.node_of(interface);
        let mut free: Vec<(bool, u32)> = machine
            .cpus
            .iter()
            .filter(|(_, cpu)| cpu.node == node && cpu.core.is_disjoint(&taken))
            .filter(|(number, cpu)| cpu.core.first() == Some(number))
            .map(|(number, cpu)| (!cpu.isolated, *number))
            .collect();
        // Isolated CPUs come first.
        free.sort_unstable();
        let queues = usize::from(interface.queues);
        if free.len() < queues {
            notes.push(format!(
                "{}: NUMA node {node} has {} free cores for {queues} poll threads, so they are not \
                 pinned",
                interface.label(),
                free.len()
            ));
            continue;
        }
        interface.cpus = free[..queues].iter().map(|(_, cpu)| *cpu).collect();
        for cpu in &interface.cpus {
            if let Some(facts) = machine.cpus.get(cpu) {
                taken.extend(&facts.core);
            }
        }
    }
}

/// Sizes the rings by the hugepages of each node, or else by its memory.
fn assign_rings(config: &mut Config, machine: &Machine, wishes: &Wishes, notes: &mut Vec<String>) {
    let mut queues: BTreeMap<u32, u64> = BTreeMap::new();
    for interface in &config.interfaces {
        *queues.entry(machine.node_of(interface)).or_default() += u64::from(interface.queues);
    }
    for interface in &mut config.interfaces {
        if let Some(bytes) = wishes.ring_bytes {
            interface.ring_bytes = bytes;
            continue;
        }
        let number = machine.node_of(interface);
        let (Some(node), Some(sharing)) = (machine.nodes.get(&number), queues.get(&number)) else {
            continue;
        };
        let pool = |page: u64| {
            let free = node.huge_pages.get(&page).map_or(0, |pages| pages.free);
            (free / (*sharing).max(1)).saturating_mul(page).min(4 << 30)
        };
        let (giant, huge) = (pool(1 << 30), pool(2 << 20));
        let allowed = |pages| wishes.pages == pages || wishes.pages == Pages::Auto;
        (interface.pages, interface.ring_bytes) = if allowed(Pages::Huge1G) && giant > 0 {
            (Pages::Huge1G, giant)
        } else if allowed(Pages::Huge2M) && huge >= 64 << 20 {
            (Pages::Huge2M, huge)
        } else {
            if matches!(wishes.pages, Pages::Huge1G | Pages::Huge2M) {
                notes.push(format!(
                    "{}: NUMA node {number} has too few free hugepages of this size; `hpcapctl \
                     config check` names the command that reserves them",
                    interface.label()
                ));
            }
            let share = node.memory_bytes / 8 / (*sharing).max(1);
            let bytes = share.clamp(16 << 20, 1 << 30) >> 20 << 20;
            match wishes.pages {
                Pages::Huge1G => (Pages::Huge1G, 1 << 30),
                Pages::Huge2M => (Pages::Huge2M, bytes >> 21 << 21),
                other => (other, bytes),
            }
        };
        notes.push(format!(
            "{}: rings of {} on NUMA node {number}",
            interface.label(),
            Bytes(interface.ring_bytes)
        ));
    }
}
