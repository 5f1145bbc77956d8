//! A finished profile: threads, their functions, and stacks for a flame graph.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::kernel::{KERNEL, KernelSymbols};
use super::sampling::Event;
use super::tally::{Counted, Group, Place, Tally};
use super::targets::Targets;
use super::user::{UserPlace, UserSymbols};
use hpcap_host::Tree;

/// What was sampled, and how.
#[derive(Debug, Clone, Serialize)]
pub struct Profile {
    /// What made the samples.
    pub event: Event,
    /// Samples a second of a CPU.
    pub frequency_hz: u64,
    /// How long it took.
    pub seconds: f64,
    /// All samples.
    pub samples: u64,
    /// Samples that did not fit into a ring.
    pub lost: u64,
    /// How often the kernel paused the event.
    pub throttled: u64,
    /// Samples of other programs.
    pub elsewhere: u64,
    /// Samples of CPUs without anything to do.
    pub idle: u64,
    /// Time of a CPU that hpcap-diag itself used meanwhile.
    pub own_cpu_seconds: f64,
    /// What this profile cannot see, in sentences.
    pub missing: Vec<String>,
    /// The threads, the busiest first.
    pub threads: Vec<ThreadShare>,
    /// Stacks and their samples, for a flame graph.
    #[serde(skip)]
    pub stacks: BTreeMap<Vec<String>, u64>,
}

/// A thread, or the softirqs of a CPU.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadShare {
    /// In words.
    pub thread: String,
    /// Its process; `None` for softirqs.
    pub pid: Option<u32>,
    /// Its number; `None` for softirqs.
    pub tid: Option<u32>,
    /// Its samples.
    pub samples: u64,
    /// Part of the time of a CPU, between 0 and 1.
    pub cpu_share: f64,
    /// Where it was, most samples first.
    pub functions: Vec<FunctionShare>,
}

/// A function of a thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FunctionShare {
    /// Samples in it.
    pub samples: u64,
    /// Its name.
    pub function: String,
    /// The function into which the compiler has put it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inlined_into: Option<String>,
    /// The program, the library or the module of the kernel.
    pub module: String,
}

/// How the samples were taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// What made them.
    pub event: Event,
    /// Samples a second of a CPU.
    pub frequency_hz: u64,
    /// How long it took.
    pub seconds: f64,
    /// Samples that did not fit into a ring.
    pub lost: u64,
    /// How often the kernel paused the event.
    pub throttled: u64,
    /// Time of a CPU that hpcap-diag itself used.
    pub own_cpu_seconds: f64,
    /// What cannot be seen.
    pub missing: Vec<String>,
}

/// Gives names to all places of `tally`.
#[must_use]
pub fn finish(
    tree: &Tree,
    tally: &Tally<'_>,
    targets: &Targets,
    kernel: &KernelSymbols,
    user: &UserSymbols,
    taken: Taken,
) -> Profile {
    let mut names = Names {
        kernel,
        user: HashMap::new(),
    };
    for pid in targets.pids() {
        let addresses = addresses_of(tally, pid);
        names.user.insert(pid, user.places(tree, pid, &addresses));
    }
    let mut profile = Profile {
        event: taken.event,
        frequency_hz: taken.frequency_hz,
        seconds: taken.seconds,
        samples: tally.samples(),
        lost: taken.lost,
        throttled: taken.throttled,
        elsewhere: tally.elsewhere,
        idle: tally.idle,
        own_cpu_seconds: taken.own_cpu_seconds,
        missing: taken.missing,
        threads: Vec::new(),
        stacks: BTreeMap::new(),
    };
    for (group, counted) in &tally.groups {
        profile.add(group, counted, targets, &names);
    }
    let busiest = |share: &ThreadShare| (std::cmp::Reverse(share.samples), share.thread.clone());
    profile.threads.sort_by_key(busiest);
    profile
}

fn addresses_of(tally: &Tally<'_>, pid: u32) -> Vec<u64> {
    let of_pid = |group: &Group| matches!(group, Group::Thread { pid: of, .. } if *of == pid);
    let groups = tally.groups.iter().filter(|(group, _)| of_pid(group));
    let places = groups.flat_map(|(_, counted)| counted.places.keys());
    let mut addresses: Vec<u64> = places.filter_map(|place| place.user).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Names of addresses.
struct Names<'a> {
    kernel: &'a KernelSymbols,
    user: HashMap<u32, HashMap<u64, UserPlace>>,
}

impl Names<'_> {
    fn user(&self, pid: u32, address: u64) -> UserPlace {
        let known = self.user.get(&pid).and_then(|places| places.get(&address));
        known.cloned().unwrap_or_else(|| UserPlace {
            functions: vec!["(no symbol)".to_owned()],
            module: "?".to_owned(),
        })
    }

    fn kernel(&self, address: u64) -> (String, String) {
        match self.kernel.function(address) {
            Some(function) => (function.name.to_owned(), function.module.to_owned()),
            None if self.kernel.are_hidden() => ("(hidden)".to_owned(), KERNEL.to_owned()),
            None => (format!("{address:#x}"), KERNEL.to_owned()),
        }
    }

    /// The function of a place, without its samples.
    fn function(&self, pid: Option<u32>, place: &Place) -> FunctionShare {
        if let Some(address) = place.kernel.last() {
            let (function, module) = self.kernel(*address);
            return FunctionShare {
                samples: 0,
                function,
                inlined_into: None,
                module,
            };
        }
        let (Some(pid), Some(address)) = (pid, place.user) else {
            return other("(unknown)");
        };
        let mut found = self.user(pid, address);
        let innermost = found.functions.pop().unwrap_or_default();
        FunctionShare {
            samples: 0,
            function: innermost,
            inlined_into: found.functions.into_iter().next(),
            module: found.module,
        }
    }

    /// The functions of a place from the outermost to the innermost; those of the kernel end in `_[k]`.
    fn stack(&self, pid: Option<u32>, place: &Place) -> Vec<String> {
        let user = pid
            .zip(place.user)
            .map(|(pid, address)| self.user(pid, address).functions);
        let kernel = place
            .kernel
            .iter()
            .map(|address| self.kernel(*address).0 + "_[k]");
        user.into_iter().flatten().chain(kernel).collect()
    }
}

fn other(name: &str) -> FunctionShare {
    FunctionShare {
        samples: 0,
        function: name.to_owned(),
        inlined_into: None,
        module: "?".to_owned(),
    }
}

impl Profile {
    fn add(&mut self, group: &Group, counted: &Counted, targets: &Targets, names: &Names<'_>) {
        let (pid, tid, thread) = match group {
            Group::Softirq { cpu, kind } if kind.is_empty() => {
                (None, None, format!("softirqs on CPU {cpu}"))
            }
            Group::Softirq { cpu, kind } => (None, None, format!("softirq {kind} on CPU {cpu}")),
            Group::Thread { pid, tid } => (
                Some(*pid),
                Some(*tid),
                thread_name(*pid, *tid, counted, targets),
            ),
        };
        let mut functions: HashMap<FunctionShare, u64> = HashMap::new();
        for (place, samples) in &counted.places {
            *functions.entry(names.function(pid, place)).or_default() += samples;
            let mut stack = vec![thread.clone()];
            stack.extend(names.stack(pid, place));
            *self.stacks.entry(stack).or_default() += samples;
        }
        if counted.unplaced > 0 {
            let name = "(places for which there was no room)";
            functions.insert(other(name), counted.unplaced);
            let stack = vec![thread.clone(), name.to_owned()];
            *self.stacks.entry(stack).or_default() += counted.unplaced;
        }
        let with_samples = |(function, samples)| FunctionShare {
            samples,
            ..function
        };
        let mut functions: Vec<FunctionShare> = functions.into_iter().map(with_samples).collect();
        functions.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.cmp(b)));
        let of_one_cpu = self.seconds * self.frequency_hz as f64;
        self.threads.push(ThreadShare {
            thread,
            pid,
            tid,
            samples: counted.samples,
            cpu_share: (counted.samples as f64 / of_one_cpu.max(1.0)).min(1.0),
            functions,
        });
    }
}

/// `hpcapd 12, thread poll gen0 (14)`; `hpcap_0_0 77` for a process of one thread.
fn thread_name(pid: u32, tid: u32, counted: &Counted, targets: &Targets) -> String {
    let process = targets.name(pid).unwrap_or("?");
    match &counted.name {
        Some(name) if pid != tid => format!("{process} {pid}, thread {name} ({tid})"),
        None if pid != tid => format!("{process} {pid}, thread {tid}"),
        _ => format!("{process} {pid}"),
    }
}
