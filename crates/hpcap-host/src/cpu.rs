//! The CPUs: topology, isolation, frequency and idle states.

use crate::{CpuSet, Tree};

const FOLDER: &str = "/sys/devices/system/cpu";

/// One logical CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// Its number.
    pub number: u32,
    /// Its NUMA node; `None` on a machine without nodes.
    pub node: Option<u32>,
    /// The logical CPUs of the same core, itself included.
    pub core: CpuSet,
    /// The governor that chooses its frequency; `None` if the frequency cannot be chosen.
    pub governor: Option<String>,
}

/// An idle state of CPUs that is not disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleState {
    /// Its name, such as `C6`.
    pub name: String,
    /// Time that a CPU needs to leave the state, in microseconds.
    pub exit_latency_us: u64,
}

/// The CPUs of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpus {
    /// The CPUs that are online, by number.
    pub all: Vec<Cpu>,
    /// CPUs that the scheduler leaves alone (`isolcpus=`, cpuset partitions).
    pub isolated: CpuSet,
    /// CPUs without a periodic timer tick (`nohz_full=`).
    pub tickless: CpuSet,
    /// The driver that puts CPUs to sleep, such as `intel_idle`; `None` without one.
    pub idle_driver: Option<String>,
    /// The enabled idle states of the first CPU.
    pub idle_states: Vec<IdleState>,
}

impl Cpus {
    /// Reads the CPUs of the machine whose files are in `tree`.
    #[must_use]
    pub fn read(tree: &Tree) -> Self {
        let set = |name: &str| -> Option<CpuSet> { tree.value(format!("{FOLDER}/{name}")) };
        let online = set("online").unwrap_or_else(|| {
            // Old kernels without the file have all CPUs online.
            tree.numbers(FOLDER, "cpu").into_iter().collect()
        });
        let nodes = NumaNode::all(tree);
        let all: Vec<Cpu> = online
            .iter()
            .map(|number| Cpu::read(tree, number, &nodes))
            .collect();
        let idle_states = online.iter().next().map_or_else(Vec::new, |cpu| {
            read_idle_states(tree, &format!("{FOLDER}/cpu{cpu}/cpuidle"))
        });
        Self {
            all,
            isolated: set("isolated").unwrap_or_default(),
            tickless: set("nohz_full").unwrap_or_default(),
            idle_driver: tree
                .text(format!("{FOLDER}/cpuidle/current_driver"))
                .filter(|name| name != "none" && !name.is_empty()),
            idle_states,
        }
    }

    /// Finds the CPU called `number`.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Cpu> {
        self.all.iter().find(|cpu| cpu.number == number)
    }

    /// The CPUs of NUMA node `node`.
    #[must_use]
    pub fn of_node(&self, node: u32) -> CpuSet {
        self.all
            .iter()
            .filter(|cpu| cpu.node == Some(node))
            .map(|cpu| cpu.number)
            .collect()
    }
}

impl Cpu {
    fn read(tree: &Tree, number: u32, nodes: &[NumaNode]) -> Self {
        let folder = format!("{FOLDER}/cpu{number}");
        let siblings = tree
            .value(format!("{folder}/topology/core_cpus_list"))
            .or_else(|| tree.value(format!("{folder}/topology/thread_siblings_list")));
        Self {
            number,
            node: nodes
                .iter()
                .find(|node| node.cpus.contains(number))
                .map(|node| node.number),
            core: siblings.unwrap_or_else(|| std::iter::once(number).collect()),
            governor: tree.text(format!("{folder}/cpufreq/scaling_governor")),
        }
    }
}

fn read_idle_states(tree: &Tree, folder: &str) -> Vec<IdleState> {
    tree.numbers(folder, "state")
        .into_iter()
        .filter_map(|number| {
            let file = |name: &str| format!("{folder}/state{number}/{name}");
            let disabled = tree.value::<u64>(file("disable")).unwrap_or(0) != 0;
            let state = IdleState {
                name: tree.text(file("name"))?,
                exit_latency_us: tree.value(file("latency"))?,
            };
            (!disabled).then_some(state)
        })
        .collect()
}

/// A NUMA node: CPUs and memory that are close to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaNode {
    /// Its number.
    pub number: u32,
    /// Its CPUs.
    pub cpus: CpuSet,
}

impl NumaNode {
    /// Returns the nodes of the machine, by number; empty if the kernel knows no nodes.
    #[must_use]
    pub fn all(tree: &Tree) -> Vec<Self> {
        const NODES: &str = "/sys/devices/system/node";
        tree.numbers(NODES, "node")
            .into_iter()
            .map(|number| Self {
                number,
                cpus: tree
                    .value(format!("{NODES}/node{number}/cpulist"))
                    .unwrap_or_default(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_of_this_machine_are_in_their_own_cores() {
        let cpus = Cpus::read(&Tree::machine());
        assert!(!cpus.all.is_empty());
        for cpu in &cpus.all {
            assert!(cpu.core.contains(cpu.number), "{cpu:?}");
        }
    }
}
