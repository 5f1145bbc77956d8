//! What the streams are: CPUs, NUMA nodes or queues; their words, and how many there are.

use std::collections::BTreeSet;

use hpcap_host::{CpuSet, Interface, NumaNode, Tree};
use hpcap_source::af_packet::Direction;
use hpcap_source::af_packet::streams::Rule;

/// The parts of the machine, or of the interface, that each have a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The CPUs of the machine.
    Cpu,
    /// The NUMA nodes of the machine.
    Node,
    /// The queues of the interface.
    Queue,
}

/// All streams that there could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Number of streams.
    pub count: u32,
    /// CPUs, nodes or queues that are online. A queue always is.
    pub online: BTreeSet<u32>,
    /// What decides which stream a frame belongs to.
    pub rule: Rule,
}

/// The word of options: `cpu` in `--cpu-list`.
const fn option_word(subject: Subject) -> &'static str {
    match subject {
        Subject::Cpu => "cpu",
        Subject::Node => "numa",
        Subject::Queue => "queue",
    }
}

impl Subject {
    /// The word in options and in the names of lists: `cpu`, `numa`, `queue`.
    #[must_use]
    pub fn word(self) -> &'static str {
        option_word(self)
    }

    /// A single CPU, node or queue in words: `cpu`, `numa node`, `queue`.
    #[must_use]
    pub fn one(self) -> &'static str {
        match self {
            Self::Node => "numa node",
            other => option_word(other),
        }
    }

    /// Number `number` in the summary: `cpu0`, `numa node 0`, `queue 0`.
    #[must_use]
    pub fn label(self, number: u32) -> String {
        match self {
            Self::Cpu => format!("cpu{number}"),
            other => format!("{} {number}", other.one()),
        }
    }

    /// The CPUs that handle the frames of number `number`; `None` where any CPU may.
    #[must_use]
    pub fn cpus_of(self, number: u32) -> Option<CpuSet> {
        match self {
            Self::Cpu => Some(std::iter::once(number).collect()),
            Self::Node => {
                let nodes = NumaNode::all(&Tree::machine());
                Some(nodes.into_iter().find(|node| node.number == number)?.cpus)
            }
            Self::Queue => None,
        }
    }

    /// Finds out how many CPUs, nodes or queues there are; `None` if the machine does not say. Queues are those of
    /// `interface` in `direction`.
    #[must_use]
    pub fn roster(
        self,
        tree: &Tree,
        interface: &Interface,
        direction: Direction,
    ) -> Option<Roster> {
        match self {
            Self::Cpu => cpus(tree),
            Self::Node => nodes(tree),
            Self::Queue => queues(tree, interface, direction),
        }
    }
}

const CPUS: &str = "/sys/devices/system/cpu";

/// The CPUs that are online.
pub(crate) fn online_cpus(tree: &Tree) -> Option<CpuSet> {
    tree.value(format!("{CPUS}/online"))
}

fn count(numbers: &[u32]) -> Option<u32> {
    Some(numbers.iter().max()? + 1)
}

fn cpus(tree: &Tree) -> Option<Roster> {
    // A CPU that is offline has a folder, too. It may come online during the capture, and its frames
    // must not go to the stream of another CPU.
    let count = count(&tree.numbers(CPUS, "cpu"))?;
    Some(Roster {
        count,
        online: online_cpus(tree)?.iter().collect(),
        rule: Rule::Cpu,
    })
}

fn nodes(tree: &Tree) -> Option<Roster> {
    let all = NumaNode::all(tree);
    let numbers: Vec<u32> = all.iter().map(|node| node.number).collect();
    let online = online_cpus(tree)?;
    Some(Roster {
        count: count(&numbers)?,
        online: all
            .iter()
            .filter(|node| !node.cpus.intersection(&online).is_empty())
            .map(|node| node.number)
            .collect(),
        rule: Rule::Node {
            nodes: nodes_of_cpus(&all),
        },
    })
}

/// The node of each CPU, by the number of the CPU.
pub(crate) fn nodes_of_cpus(all: &[NumaNode]) -> Vec<u32> {
    let mut nodes = Vec::new();
    for node in all {
        for cpu in node.cpus.iter() {
            let at = cpu as usize;
            if nodes.len() <= at {
                nodes.resize(at + 1, 0);
            }
            nodes[at] = node.number;
        }
    }
    nodes
}

fn queues(tree: &Tree, interface: &Interface, direction: Direction) -> Option<Roster> {
    let folder = format!("/sys/class/net/{}", interface.name);
    // The files may be those of another network namespace, with an interface of the same name.
    if tree.value::<u32>(format!("{folder}/ifindex"))? != interface.index {
        return None;
    }
    let folder = format!("{folder}/queues");
    let of = |prefix: &str| count(&tree.numbers(&folder, prefix));
    let count = match direction {
        Direction::In => of("rx-"),
        Direction::Out => of("tx-"),
        Direction::Both => of("rx-").max(of("tx-")),
    }?;
    Some(Roster {
        count,
        online: (0..count).collect(),
        rule: Rule::Queue,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tree = Tree::at(dir.path());
        (dir, tree)
    }

    #[test]
    fn cpu_that_is_offline_has_a_stream() {
        let (_dir, tree) = machine(&[
            ("sys/devices/system/cpu/online", "0-1,3\n"),
            ("sys/devices/system/cpu/cpu0/x", ""),
            ("sys/devices/system/cpu/cpu1/x", ""),
            ("sys/devices/system/cpu/cpu2/x", ""),
            ("sys/devices/system/cpu/cpu3/x", ""),
            ("sys/devices/system/cpu/cpuidle/x", ""),
        ]);
        let roster = Subject::Cpu
            .roster(&tree, &Interface::any(), Direction::Both)
            .unwrap();
        assert_eq!((roster.count, roster.online), (4, [0, 1, 3].into()));
    }

    #[test]
    fn node_has_the_frames_of_its_cpus() {
        let (_dir, tree) = machine(&[
            ("sys/devices/system/cpu/online", "0-3\n"),
            ("sys/devices/system/node/node0/cpulist", "0,2\n"),
            ("sys/devices/system/node/node1/cpulist", "1,3\n"),
            ("sys/devices/system/node/node2/cpulist", "\n"),
        ]);
        let roster = Subject::Node
            .roster(&tree, &Interface::any(), Direction::Both)
            .unwrap();
        assert_eq!((roster.count, roster.online), (3, [0, 1].into()));
        let nodes = vec![0, 1, 0, 1];
        assert_eq!(roster.rule, Rule::Node { nodes });
    }

    #[test]
    fn queues_follow_the_direction() {
        let (_dir, tree) = machine(&[
            ("sys/class/net/eth0/ifindex", "7"),
            ("sys/class/net/eth0/queues/rx-0/x", ""),
            ("sys/class/net/eth0/queues/rx-1/x", ""),
            ("sys/class/net/eth0/queues/tx-0/x", ""),
        ]);
        let mut interface = Interface::any();
        (interface.name, interface.index) = ("eth0".to_owned(), 7);
        let count = |direction| {
            let roster = Subject::Queue.roster(&tree, &interface, direction);
            roster.unwrap().count
        };
        assert_eq!(
            [Direction::In, Direction::Out, Direction::Both].map(count),
            [2, 1, 2]
        );
        assert_eq!(
            Subject::Queue.roster(&tree, &Interface::any(), Direction::In),
            None
        );
    }
}
