//! Counting samples by thread and place, in bounded memory.

use std::collections::HashMap;

use hpcap_host::Tree;
use perf_event::data::Sample;

use super::kernel::KernelSymbols;
use super::targets::Targets;

/// Largest number of different places that are counted one by one.
const PLACES_MAX: usize = 100_000;
/// Largest number of threads that are told apart.
const GROUPS_MAX: usize = 4096;
/// The kernel marks the parts of a chain of calls by addresses from here on: `PERF_CONTEXT_MAX`.
const MARKS: u64 = (-4095_i64).cast_unsigned();
const MARK_KERNEL: u64 = (-128_i64).cast_unsigned();
const MARK_USER: u64 = (-512_i64).cast_unsigned();

/// Whose time a sample is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// A thread of a process that is profiled.
    Thread {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
    },
    /// Softirqs on a CPU, in whatever thread they ran.
    Softirq {
        /// The CPU.
        cpu: u32,
        /// The function of the kind of softirq, such as `net_rx_action`; empty if it is unknown.
        kind: String,
    },
}

/// Where a thread was: in its own code, and in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Place {
    /// The address in the program; `None` for softirqs and threads of the kernel.
    pub user: Option<u64>,
    /// The functions of the kernel, from the outermost to the innermost.
    pub kernel: Box<[u64]>,
}

impl Place {
    /// Reads a chain of calls, whose innermost function comes first.
    fn of_chain(chain: &[u64]) -> Self {
        let (mut mark, mut kernel, mut user) = (0, Vec::new(), None);
        for address in chain {
            match *address {
                address if address >= MARKS => mark = address,
                address if mark == MARK_KERNEL => kernel.push(address),
                // The further ones need frame pointers, which optimised programs do not have.
                address if mark == MARK_USER => user = user.or(Some(address)),
                _ => {}
            }
        }
        kernel.reverse();
        Self {
            user,
            kernel: kernel.into(),
        }
    }
}

/// Samples of a group.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// What the thread is called, when it was seen first.
    pub name: Option<String>,
    /// All samples.
    pub samples: u64,
    /// Samples by place.
    pub places: HashMap<Place, u64>,
    /// Samples at further places, for which there was no room.
    pub unplaced: u64,
}

/// Samples, counted.
#[derive(Debug)]
pub struct Tally<'a> {
    tree: &'a Tree,
    kernel: &'a KernelSymbols,
    targets: &'a Targets,
    places: usize,
    /// By whose time it was.
    pub groups: HashMap<Group, Counted>,
    /// Samples of other programs.
    pub elsewhere: u64,
    /// Samples of CPUs without anything to do, which only counters of the processor make.
    pub idle: u64,
}

impl<'a> Tally<'a> {
    /// Nothing yet.
    #[must_use]
    pub fn new(tree: &'a Tree, kernel: &'a KernelSymbols, targets: &'a Targets) -> Self {
        Self {
            tree,
            kernel,
            targets,
            places: 0,
            groups: HashMap::new(),
            elsewhere: 0,
            idle: 0,
        }
    }

    /// Counts a sample.
    pub fn add(&mut self, sample: &Sample<'_>) {
        let (Some(pid), Some(tid)) = (sample.pid(), sample.tid()) else {
            return;
        };
        let place = Place::of_chain(sample.callchain().unwrap_or_default());
        self.count(pid, tid, sample.cpu().unwrap_or(0), place);
    }

    fn count(&mut self, pid: u32, tid: u32, cpu: u32, mut place: Place) {
        let in_softirq = place
            .kernel
            .iter()
            .position(|address| self.kernel.runs_softirqs(*address));
        let group = if let Some(at) = in_softirq {
            // What was interrupted has nothing to do with it.
            let inner = place.kernel.get(at + 1);
            let kind = inner.and_then(|address| self.kernel.function(*address));
            let kind = kind
                .map(|function| function.name.to_owned())
                .unwrap_or_default();
            place.kernel = place.kernel[at..].into();
            place.user = None;
            Group::Softirq { cpu, kind }
        } else if self.targets.name(pid).is_some() {
            Group::Thread { pid, tid }
        } else {
            match pid {
                0 => self.idle += 1,
                _ => self.elsewhere += 1,
            }
            return;
        };
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&group) {
            self.elsewhere += 1;
            return;
        }
        let is_thread = matches!(group, Group::Thread { .. });
        let counted = self.groups.entry(group).or_default();
        if counted.samples == 0 && is_thread {
            counted.name = self.tree.text(format!("/proc/{pid}/task/{tid}/comm"));
        }
        counted.samples += 1;
        if let Some(samples) = counted.places.get_mut(&place) {
            *samples += 1;
        } else if self.places < PLACES_MAX {
            self.places += 1;
            counted.places.insert(place, 1);
        } else {
            counted.unplaced += 1;
        }
    }

    /// All samples that were counted.
    #[must_use]
    pub fn samples(&self) -> u64 {
        let of_groups: u64 = self.groups.values().map(|counted| counted.samples).sum();
        of_groups + self.elsewhere + self.idle
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn chain_has_kernel_and_user_parts() {
        let chain = [MARK_KERNEL, 30, 20, 10, MARK_USER, 5, 99, 98];
        let place = Place::of_chain(&chain);
        assert_eq!(place.user, Some(5));
        assert_eq!(*place.kernel, [10, 20, 30]);
        // Before any mark, and in a guest, an address means nothing.
        assert_eq!(
            Place::of_chain(&[7, (-2048_i64).cast_unsigned(), 8]),
            Place::default()
        );
    }

    #[test]
    fn every_sample_is_counted_beyond_all_limits() {
        let tree = Tree::machine();
        let kernel = KernelSymbols::default();
        let targets = Targets::of_pids(&tree, &[std::process::id()]).unwrap();
        let mut tally = Tally::new(&tree, &kernel, &targets);
        let pid = std::process::id();
        let all = PLACES_MAX as u64 + 10;
        for address in 0..all {
            let user = Some(address);
            tally.count(
                pid,
                pid,
                0,
                Place {
                    user,
                    ..Place::default()
                },
            );
        }
        tally.count(0, 0, 0, Place::default());
        tally.count(pid + 1, pid + 1, 0, Place::default());
        let group = Group::Thread { pid, tid: pid };
        let counted = &tally.groups[&group];
        assert_eq!((counted.samples, counted.unplaced), (all, 10));
        assert_eq!(counted.places.len(), PLACES_MAX);
        assert_eq!(
            (tally.idle, tally.elsewhere, tally.samples()),
            (1, 1, all + 2)
        );
    }
}
