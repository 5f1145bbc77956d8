//! Facts of the machine: the modules that are loaded, hugepages, poll threads.

use std::time::Duration;

use hpcap_host::kernel::Module;
use hpcap_host::process::Thread;
use hpcap_host::{HugePool, NumaNode, Tree};

use super::meter::Meter;
use super::report::{Engine, ModuleReport, PollThread, Pool};

/// Returns the pools of hugepages that have pages, those of each node or, on a machine without nodes,
/// those of the machine.
pub(super) fn hugepages(tree: &Tree) -> Vec<Pool> {
    let nodes = NumaNode::all(tree);
    let mut pools: Vec<HugePool> = nodes
        .iter()
        .flat_map(|node| HugePool::of_node(tree, node.number))
        .collect();
    if pools.is_empty() {
        pools = HugePool::of_machine(tree);
    }
    pools
        .iter()
        .filter(|pool| pool.total > 0)
        .map(|pool| Pool {
            node: pool.node,
            page_bytes: pool.page_bytes,
            total: pool.total,
            free: pool.available(),
        })
        .collect()
}

/// Describes the modules that are loaded and the `producers` of queues, each with its name and version.
pub(super) fn engine(tree: &Tree, mut producers: Vec<String>) -> Engine {
    producers.sort_unstable();
    producers.dedup();
    let modules: Vec<ModuleReport> = Module::of_hpcap(tree)
        .into_iter()
        .map(|module| ModuleReport {
            name: module.name,
            version: module.version,
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mismatches = mismatches(&version, &modules, &producers);
    Engine {
        version,
        modules,
        producers,
        mismatches,
    }
}

/// Names every part whose version is not that of this program.
fn mismatches(version: &str, modules: &[ModuleReport], producers: &[String]) -> Vec<String> {
    let of_modules = modules.iter().filter_map(|module| {
        let found = module.version.as_deref()?;
        (found != version).then(|| format!("module {} has version {found}", module.name))
    });
    let of_producers = producers.iter().filter_map(|producer| {
        // The name of a producer is followed by its version, and perhaps by the commit.
        let found = producer.split_whitespace().nth(1)?;
        (found != version).then(|| format!("{producer} serves a queue"))
    });
    of_modules
        .chain(of_producers)
        .map(|part| format!("{part}, hpcap-status has {version}"))
        .collect()
}

/// Finds the poll thread of a queue, and measures its load.
#[derive(Debug, Default)]
pub(super) struct PollMeter {
    thread: Option<(u32, String)>,
    searched: Option<Duration>,
    meter: Meter,
}

/// Time after which a thread that was not found is searched again. A search reads the files of all
/// threads of the producer.
const SEARCH_PERIOD: Duration = Duration::from_secs(10);

impl PollMeter {
    /// Describes the thread that fills the ring of `queue`, whose producer is process `pid`.
    pub(super) fn read(
        &mut self,
        tree: &Tree,
        now: Duration,
        pid: u32,
        queue: &str,
    ) -> Option<PollThread> {
        let is_due = |at: Duration| now.saturating_sub(at) >= SEARCH_PERIOD;
        if self.searched.is_none_or(is_due) {
            self.searched = Some(now);
            let found = Thread::polling(tree, pid, queue);
            self.thread = found.map(|thread| (thread.number, thread.allowed.to_string()));
        }
        let (thread, cpus) = self.thread.clone()?;
        let nanoseconds = || {
            let time = Thread::cpu_time(tree, pid, thread)?;
            u64::try_from(time.as_nanos()).ok()
        };
        let rate = self.meter.read(now, nanoseconds);
        Some(PollThread {
            thread,
            cpus,
            load: rate.map(|ns| (ns / 1e9).clamp(0.0, 1.0)),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use testkit::machine::{TWO_NODES, unpack};

    use super::*;

    #[test]
    fn each_node_has_its_hugepages() {
        let dir = tempfile::tempdir().unwrap();
        unpack(TWO_NODES, dir.path());
        let pools = hugepages(&Tree::at(dir.path()));
        assert!(!pools.is_empty());
        assert!(
            pools
                .iter()
                .all(|pool| pool.node.is_some() && pool.total > 0)
        );
    }

    #[test]
    fn other_versions_are_named() {
        let module = |name: &str, version: &str| ModuleReport {
            name: name.into(),
            version: Some(version.into()),
        };
        let modules = [module("hpcap", "0.1.0"), module("hpcap_ixgbe", "0.0.9")];
        let producers = ["hpcapd 0.2.0 (abc)".to_owned(), "hpcapd 0.1.0 (def)".into()];
        let found = mismatches("0.1.0", &modules, &producers);
        assert_eq!(
            found,
            [
                "module hpcap_ixgbe has version 0.0.9, hpcap-status has 0.1.0",
                "hpcapd 0.2.0 (abc) serves a queue, hpcap-status has 0.1.0"
            ]
        );
    }

    #[test]
    fn poll_thread_of_the_module_is_found() {
        let dir = tempfile::tempdir().unwrap();
        unpack(TWO_NODES, dir.path());
        let tree = Tree::at(dir.path());
        let mut meter = PollMeter::default();
        let found = meter.read(&tree, Duration::ZERO, 900, "hpcap0").unwrap();
        assert_eq!((found.thread, found.cpus.as_str()), (900, "2"));
    }
}
