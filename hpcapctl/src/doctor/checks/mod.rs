//! The table of checks, one file for each theme.

mod clock;
mod cpu;
mod kernel;
mod memory;
mod nic;
mod queues;

use super::{Facts, Finding, Outcome};

/// The subject of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// CPUs and interrupts.
    Cpu,
    /// Memory pages and NUMA nodes.
    Memory,
    /// Network interfaces and their devices.
    Nic,
    /// The kernel and its modules.
    Kernel,
    /// The clock that gives frames their times.
    Clock,
    /// Queues that are served.
    Queues,
}

/// A check of the machine.
#[derive(Debug)]
pub struct Check {
    /// Its name, which is also the heading of its entry in `docs/tuning.md`.
    pub name: &'static str,
    /// Its subject.
    pub theme: Theme,
    /// Why it matters for a capture.
    pub why: &'static str,
    judge: fn(&Facts) -> Vec<Outcome>,
}

impl Check {
    /// Judges `facts`; empty if the check does not concern this machine.
    #[must_use]
    pub fn findings(&self, facts: &Facts) -> Vec<Finding> {
        (self.judge)(facts)
            .into_iter()
            .map(|outcome| Finding::new(self.name, self.why, outcome))
            .collect()
    }
}

/// Every check, in the order of `docs/tuning.md`.
pub const CHECKS: &[Check] = &[
    Check {
        name: "nic",
        theme: Theme::Nic,
        why: "the driver of an Intel 82599, X540, X550 or 82576 captures at line rate; the userspace engine captures from any interface",
        judge: nic::supported,
    },
    Check {
        name: "link",
        theme: Theme::Nic,
        why: "without a link there are no frames",
        judge: nic::link,
    },
    Check {
        name: "pcie-link",
        theme: Theme::Nic,
        why: "frames that do not fit through the slot are lost in the NIC",
        judge: nic::pcie_link,
    },
    Check {
        name: "numa-node",
        theme: Theme::Nic,
        why: "memory of another node is slower, and each frame crosses between the sockets",
        judge: nic::numa_node,
    },
    Check {
        name: "pause",
        theme: Theme::Nic,
        why: "a NIC that sends pause frames slows down the network that it should only watch",
        judge: nic::pause,
    },
    Check {
        name: "offloads",
        theme: Theme::Nic,
        why: "merged frames are not the frames that were on the wire",
        judge: nic::offloads,
    },
    Check {
        name: "ring-length",
        theme: Theme::Nic,
        why: "descriptors hold the frames that arrive while the poll thread does something else",
        judge: nic::ring_length,
    },
    Check {
        name: "mtu",
        theme: Theme::Nic,
        why: "many NICs drop frames that are longer than the MTU, and count them as damaged",
        judge: nic::mtu,
    },
    Check {
        name: "isolated-cores",
        theme: Theme::Cpu,
        why: "a poll thread that shares its CPU is interrupted for milliseconds, and 4096 descriptors last 275 microseconds at line rate",
        judge: cpu::isolated_cores,
    },
    Check {
        name: "smt",
        theme: Theme::Cpu,
        why: "work on the other thread of a core takes up to half of the core from the poll thread",
        judge: cpu::smt,
    },
    Check {
        name: "interrupts",
        theme: Theme::Cpu,
        why: "an interrupt stops the poll thread on its CPU",
        judge: cpu::interrupts,
    },
    Check {
        name: "irqbalance",
        theme: Theme::Cpu,
        why: "irqbalance moves interrupts to CPUs of poll threads",
        judge: cpu::irqbalance,
    },
    Check {
        name: "governor",
        theme: Theme::Cpu,
        why: "a CPU that clocks down is too slow when a burst comes",
        judge: cpu::governor,
    },
    Check {
        name: "idle-states",
        theme: Theme::Cpu,
        why: "a CPU in a deep idle state wakes up too late for a burst",
        judge: cpu::idle_states,
    },
    Check {
        name: "hugepages",
        theme: Theme::Memory,
        why: "a ring in hugepages needs fewer entries of the TLB, and is written to disk faster",
        judge: memory::hugepages,
    },
    Check {
        name: "numa-balancing",
        theme: Theme::Memory,
        why: "the kernel unmaps pages to see who uses them, and each such page costs a fault",
        judge: memory::numa_balancing,
    },
    Check {
        name: "kernel-series",
        theme: Theme::Kernel,
        why: "hpcap's modules are tested on these series only; others may build and then panic",
        judge: kernel::series,
    },
    Check {
        name: "headers",
        theme: Theme::Kernel,
        why: "the modules are built on this machine, against the headers of its kernel",
        judge: kernel::headers,
    },
    Check {
        name: "modules",
        theme: Theme::Kernel,
        why: "the port captures only while hpcap's driver has it",
        judge: kernel::modules,
    },
    Check {
        name: "secure-boot",
        theme: Theme::Kernel,
        why: "with Secure Boot the kernel loads only modules that are signed",
        judge: kernel::secure_boot,
    },
    Check {
        name: "iommu",
        theme: Theme::Kernel,
        why: "an IOMMU that translates each access of the NIC costs bandwidth with small frames",
        judge: kernel::iommu,
    },
    Check {
        name: "clock-source",
        theme: Theme::Clock,
        why: "reading another counter than the TSC takes a microsecond, which is the time of 15 frames",
        judge: clock::source,
    },
    Check {
        name: "clock-synchronised",
        theme: Theme::Clock,
        why: "times of frames are compared with those of other machines",
        judge: clock::synchronised,
    },
    Check {
        name: "queues",
        theme: Theme::Queues,
        why: "programs read frames from a queue that a module or hpcapd serves",
        judge: queues::served,
    },
    Check {
        name: "poll-thread",
        theme: Theme::Queues,
        why: "a poll thread that moves between CPUs loses its caches and may meet another one",
        judge: queues::poll_thread,
    },
    Check {
        name: "losses",
        theme: Theme::Queues,
        why: "these frames are missing from every recording",
        judge: queues::losses,
    },
    Check {
        name: "listeners",
        theme: Theme::Queues,
        why: "when the lag of a lossless listener reaches the size of the ring, frames are lost for everybody",
        judge: queues::listeners,
    },
];
