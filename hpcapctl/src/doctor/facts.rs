//! The facts that the checks judge.

use std::thread::sleep;
use std::time::Duration;

use hpcap::report::{QueueStatus, Survey};
use hpcap::units::Rate;
use hpcap::{Ledger, Queue, Reason, Result};
use hpcap_host::interface::{Offloads, Pause, RingLengths};
use hpcap_host::kernel::{self, Iommu};
use hpcap_host::process::{self, Thread};
use hpcap_host::{Clock, CpuSet, Cpus, HugePool, Interface, Interrupt, NumaNode, PciDevice, Tree};

/// Time between the two readings of the ledgers that show whether frames are being lost now.
const BETWEEN_READINGS: Duration = Duration::from_millis(500);

/// The facts of a machine that captures or is to capture.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The files of the machine.
    pub tree: Tree,
    /// Its CPUs.
    pub cpus: Cpus,
    /// Its NUMA nodes.
    pub nodes: Vec<NumaNode>,
    /// Its clock.
    pub clock: Clock,
    /// All of its interrupts.
    pub interrupts: Vec<Interrupt>,
    /// All of its PCI devices.
    pub devices: Vec<PciDevice>,
    /// Names of the processes that run.
    pub processes: Vec<String>,
    /// Hugepages of the whole machine, one pool for each size.
    pub pools: Vec<HugePool>,
    /// What the IOMMU does.
    pub iommu: Iommu,
    /// Release of the kernel.
    pub release: Option<String>,
    /// The interfaces to check.
    pub interfaces: Vec<InterfaceFacts>,
    /// The queues that are served.
    pub queues: Vec<QueueFacts>,
    /// Why other queues could not be opened.
    pub unseen_queues: Vec<String>,
}

/// An interface, as its driver describes it.
#[derive(Debug, Clone)]
pub struct InterfaceFacts {
    /// Its name.
    pub name: String,
    /// Whether it is set up.
    pub up: bool,
    /// Whether the link is there.
    pub running: bool,
    /// Its speed in bits per second.
    pub bits_per_second: Option<u64>,
    /// Longest payload of a frame in bytes.
    pub mtu: u32,
    /// Number of frames that arrived damaged or too long.
    pub rx_errors: u64,
    /// Offloads that change received frames.
    pub offloads: Offloads,
    /// Use of pause frames.
    pub pause: Option<Pause>,
    /// Lengths of the rings of descriptors.
    pub rings: Option<RingLengths>,
    /// The PCI device behind it.
    pub device: Option<PciDevice>,
}

/// A queue that is served.
#[derive(Debug, Clone)]
pub struct QueueFacts {
    /// Name of the queue.
    pub name: String,
    /// Specification of its source.
    pub source: String,
    /// The interface that its frames come from.
    pub interface: String,
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
    /// Size of the memory pages under the ring.
    pub page_bytes: u64,
    /// What became of the frames since the queue started.
    pub ledger: Ledger,
    /// Frames lost while the doctor watched, by reason.
    pub losing: Vec<(Reason, u64)>,
    /// The thread that fills the ring; `None` if it cannot be found.
    pub poll_thread: Option<Thread>,
    /// The listener that is farthest behind.
    pub slowest: Option<SlowListener>,
}

/// A listener that is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowListener {
    /// Its number on the queue.
    pub id: u64,
    /// Its program.
    pub program: String,
    /// Whether the queue waits for it.
    pub lossless: bool,
    /// Bytes that it has not read yet.
    pub lag_bytes: u64,
}

impl Facts {
    /// Gathers the facts of this machine. Checks the interfaces called `names`, or those that
    /// capture or have hardware if `names` is empty.
    ///
    /// # Errors
    /// [`hpcap::Kind::NotFound`] for a name that no interface has.
    pub fn gather(names: &[String]) -> Result<Self> {
        let tree = Tree::machine();
        let survey = Survey::take(None);
        let queues = watch_queues(&tree, &survey.queues);
        let interfaces = match names {
            [] => Interface::all()?
                .into_iter()
                .filter(|i| i.is_hardware() || queues.iter().any(|q| q.interface == i.name))
                .collect(),
            names => names
                .iter()
                .map(|name| Interface::required(name))
                .collect::<Result<Vec<_>>>()?,
        };
        let interfaces = interfaces
            .iter()
            .filter(|interface| !interface.is_any())
            .map(|interface| InterfaceFacts::read(&tree, interface))
            .collect();
        let unseen = survey.unseen.iter().map(ToString::to_string).collect();
        Ok(Self::of(tree, interfaces, queues, unseen))
    }

    /// Adds to `interfaces` and `queues` what the files in `tree` say.
    #[must_use]
    pub fn of(
        tree: Tree,
        interfaces: Vec<InterfaceFacts>,
        queues: Vec<QueueFacts>,
        unseen_queues: Vec<String>,
    ) -> Self {
        Self {
            cpus: Cpus::read(&tree),
            nodes: NumaNode::all(&tree),
            clock: Clock::read(&tree),
            interrupts: Interrupt::all(&tree),
            devices: PciDevice::all(&tree),
            processes: process::running(&tree),
            pools: HugePool::of_machine(&tree),
            iommu: Iommu::read(&tree),
            release: kernel::release(&tree),
            interfaces,
            queues,
            unseen_queues,
            tree,
        }
    }

    /// The NICs that hpcap's own driver can capture from.
    pub fn supported_nics(&self) -> impl Iterator<Item = &PciDevice> {
        self.devices.iter().filter(|device| device.is_supported())
    }

    /// The queues whose poll thread stays on one CPU, with that CPU.
    pub fn pinned_queues(&self) -> impl Iterator<Item = (&QueueFacts, u32)> {
        self.queues
            .iter()
            .filter_map(|queue| Some((queue, queue.pinned_cpu()?)))
    }

    /// The CPUs on which a poll thread stays.
    #[must_use]
    pub fn poll_cpus(&self) -> CpuSet {
        self.pinned_queues().map(|(_, cpu)| cpu).collect()
    }

    /// Proposes a CPU for a poll thread: the last one of the NIC's node that is first in its core.
    #[must_use]
    pub fn proposed_cpu(&self) -> u32 {
        let node = self.interfaces.iter().find_map(|i| i.device.as_ref()?.node);
        let cpus = self.cpus.all.iter().rev();
        let fits = |node: Option<u32>| {
            cpus.clone()
                .find(|cpu| {
                    let first = cpu.core.iter().next() == Some(cpu.number);
                    first && (node.is_none() || cpu.node == node)
                })
                .map(|cpu| cpu.number)
        };
        fits(node).or_else(|| fits(None)).unwrap_or(0)
    }
}

impl InterfaceFacts {
    /// Reads what the driver of `interface` says, and finds its device in `tree`.
    #[must_use]
    pub fn read(tree: &Tree, interface: &Interface) -> Self {
        Self {
            name: interface.name.clone(),
            up: interface.is_up(),
            running: interface.is_running(),
            bits_per_second: interface.link_speed().and_then(|rate| match rate {
                Rate::BitsPerSecond(bits) => Some(bits),
                _ => None,
            }),
            mtu: interface.mtu,
            rx_errors: interface.counters.rx_errors,
            offloads: interface.offloads(),
            pause: interface.pause(),
            rings: interface.ring_lengths(),
            device: PciDevice::of_interface(tree, &interface.name),
        }
    }
}

impl QueueFacts {
    /// Whether the kernel module serves the queue.
    #[must_use]
    pub fn is_of_module(&self, tree: &Tree) -> bool {
        tree.has(self.sysfs())
    }

    /// The folder in which the module has the settings of the queue.
    #[must_use]
    pub fn sysfs(&self) -> String {
        let numbers = self.name.trim_start_matches("hpcap");
        let (adapter, queue) = numbers.split_once(':').unwrap_or((numbers, "0"));
        format!("/sys/class/hpcap/hpcap_{adapter}_{queue}")
    }

    /// The only CPU on which the poll thread may run.
    #[must_use]
    pub fn pinned_cpu(&self) -> Option<u32> {
        let allowed = &self.poll_thread.as_ref()?.allowed;
        (allowed.len() == 1).then(|| allowed.iter().next())?
    }

    fn of(tree: &Tree, queue: &Queue, before: &Ledger) -> Self {
        let status = QueueStatus::of(queue);
        let losing = Reason::ledger()
            .iter()
            .filter(|reason| reason.is_loss())
            .map(|reason| (*reason, (status.ledger[*reason] - before[*reason]).frames))
            .filter(|(_, frames)| *frames > 0)
            .collect();
        let slowest = status.listeners.iter().max_by_key(|l| l.lag_bytes);
        let threads = Thread::of_process(tree, status.pid);
        let module_thread = status.pid;
        let daemon_thread = format!("poll {}", status.queue);
        Self {
            name: status.queue.clone(),
            source: status.source.clone(),
            interface: status.interface.clone(),
            ring_bytes: status.ring_bytes,
            page_bytes: status.page_bytes,
            ledger: status.ledger,
            losing,
            poll_thread: threads
                .iter()
                .find(|thread| thread.name == daemon_thread)
                .or_else(|| {
                    // The module reports its poll thread itself, which is a process of one thread.
                    let only = threads.len() == 1 && threads[0].number == module_thread;
                    only.then(|| &threads[0])
                })
                .cloned(),
            slowest: slowest.map(|listener| SlowListener {
                id: listener.id,
                program: listener.program.clone(),
                lossless: listener.contract == "lossless",
                lag_bytes: listener.lag_bytes,
            }),
        }
    }
}

/// Reads the queues twice, to see which of them lose frames now.
fn watch_queues(tree: &Tree, queues: &[Queue]) -> Vec<QueueFacts> {
    let before: Vec<Ledger> = queues.iter().map(|queue| queue.ledger().ledger).collect();
    if !queues.is_empty() {
        sleep(BETWEEN_READINGS);
    }
    queues
        .iter()
        .zip(&before)
        .map(|(queue, before)| QueueFacts::of(tree, queue, before))
        .collect()
}
