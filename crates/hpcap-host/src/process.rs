//! Processes and threads that run: their names, and the CPUs that they may run on.
//!
//! ```
//! use hpcap_host::Tree;
//! use hpcap_host::process::Thread;
//!
//! let threads = Thread::of_process(&Tree::machine(), std::process::id());
//! assert!(threads.iter().any(|thread| thread.number == std::process::id()));
//! for thread in &threads {
//!     println!("{} may run on the CPUs {}", thread.name, thread.allowed);
//! }
//! assert!(Thread::of_process(&Tree::machine(), 0).is_empty());
//! ```

use std::iter::once;
use std::time::Duration;

use hpcap_base::error::{Context, Result};
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;

use crate::{CpuSet, Tree};

/// Ticks of a second in the files of `/proc` on every machine that hpcap runs on.
const TICKS: u32 = 100;

/// Makes the calling thread, and those that it starts from now on, run on `cpu` only.
///
/// # Errors
/// Returns an error when there is no such CPU, or when this process may not use it.
pub fn run_on_cpu(cpu: usize) -> Result<()> {
    let set = u32::try_from(cpu).map_or_else(|_| CpuSet::default(), |cpu| once(cpu).collect());
    run_on(&set)
        .context(|| format!("run on CPU {cpu}"))
        .map_err(|e| {
            e.advise(
                "`taskset -p $$` shows which CPUs this process may use, `lscpu -e` which there are",
            )
        })
}

/// Makes the calling thread, and those that it starts from now on, run on `cpus` only.
///
/// # Errors
/// Returns an error when none of the CPUs is there, or when this process may use none of them.
pub fn run_on_cpus(cpus: &CpuSet) -> Result<()> {
    run_on(cpus).context(|| format!("run on the CPUs {cpus}"))
}

fn run_on(cpus: &CpuSet) -> nix::Result<()> {
    let mut set = nix::sched::CpuSet::new();
    for cpu in cpus.iter() {
        set.set(cpu as usize)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Returns the names of the processes that run, as in `ps -o comm`.
#[must_use]
pub fn running(tree: &Tree) -> Vec<String> {
    let mut names: Vec<String> = tree
        .numbers("/proc", "")
        .into_iter()
        .filter_map(|pid| tree.text(format!("/proc/{pid}/comm")))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A thread of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Its number; that of the first thread is the number of the process.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// The CPUs that it may run on.
    pub allowed: CpuSet,
    /// The CPU that it ran on last.
    pub last_cpu: Option<u32>,
}

impl Thread {
    /// Returns the threads of process `pid`; empty if there is no such process.
    #[must_use]
    pub fn of_process(tree: &Tree, pid: u32) -> Vec<Self> {
        let folder = format!("/proc/{pid}/task");
        tree.numbers(&folder, "")
            .into_iter()
            .filter_map(|number| Self::read(tree, &format!("{folder}/{number}"), number))
            .collect()
    }

    /// Returns the poll thread of a queue that process `pid` produces. The module's thread is a process
    /// of its own, and that of `hpcapd` is called after its queue.
    #[must_use]
    pub fn polling(tree: &Tree, pid: u32, queue: &str) -> Option<Self> {
        let mut threads = Self::of_process(tree, pid);
        let name = format!("poll {queue}");
        if let Some(found) = threads.iter().position(|thread| thread.name == name) {
            return Some(threads.swap_remove(found));
        }
        let is_single = threads.len() == 1;
        threads.pop().filter(|only| is_single && only.number == pid)
    }

    /// Returns how long thread `number` of process `pid` has run on CPUs; `None` if there is no such
    /// thread.
    #[must_use]
    pub fn cpu_time(tree: &Tree, pid: u32, number: u32) -> Option<Duration> {
        let folder = format!("/proc/{pid}/task/{number}");
        // The file `schedstat` is exact, but some kernels do not have it, or leave it at 0.
        let exact = tree.text(format!("{folder}/schedstat"));
        let exact = exact.and_then(|text| text.split_whitespace().next()?.parse().ok());
        if let Some(nanoseconds) = exact.filter(|nanoseconds| *nanoseconds > 0) {
            return Some(Duration::from_nanos(nanoseconds));
        }
        cpu_time(&tree.text(format!("{folder}/stat"))?)
    }

    fn read(tree: &Tree, folder: &str, number: u32) -> Option<Self> {
        let status = tree.text(format!("{folder}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.strip_prefix(':')?.trim())
        };
        let stat = tree.text(format!("{folder}/stat"));
        Some(Self {
            number,
            name: field("Name")?.to_owned(),
            allowed: field("Cpus_allowed_list")?.parse().ok()?,
            last_cpu: stat.and_then(|stat| last_cpu(&stat)),
        })
    }
}

/// Returns whether `stat`, the text of the `stat` file of a process or thread, says that it was stopped: by a signal, by a
/// terminal, or by a debugger. A text without a state says nothing.
///
/// ```
/// use hpcap_host::process::is_stopped;
///
/// assert!(is_stopped("4711 (hpcapdd) T 1 4711 4711 0"));
/// assert!(!is_stopped("4711 (hpcapdd) S 1 4711 4711 0"));
/// ```
#[must_use]
pub fn is_stopped(stat: &str) -> bool {
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, after_name)| after_name.trim_start().chars().next());
    matches!(state, Some('T' | 't'))
}

/// Returns field 39 of a `stat` file: the CPU that the thread ran on last.
fn last_cpu(stat: &str) -> Option<u32> {
    // The name in field 2 is in parentheses and may contain spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(39 - 3)?.parse().ok()
}

/// Returns the sum of fields 14 and 15 of a `stat` file: the time on CPUs.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(14 - 3);
    let mut field = || fields.next()?.parse::<u64>().ok();
    let ticks = field()?.checked_add(field()?)?;
    Some(Duration::from_secs(ticks) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_adds_user_and_kernel() {
        let rest: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = format!("7 (a) {}", rest.join(" "));
        assert_eq!(cpu_time(&stat), Some(Duration::from_millis(290)));
        assert_eq!(cpu_time("7 (a) S 1"), None);
    }

    #[test]
    fn stopped_process_is_known_by_its_state() {
        for (state, expected) in [("S", false), ("R", false), ("T", true), ("t", true)] {
            assert_eq!(is_stopped(&format!("7 (a) T b) {state} 1 7")), expected);
        }
        assert!(!is_stopped("") && !is_stopped("7 (a)"));
    }

    #[test]
    fn this_test_is_a_process_with_threads() {
        let tree = Tree::machine();
        let threads = Thread::of_process(&tree, std::process::id());
        let first = threads
            .iter()
            .find(|t| t.number == std::process::id())
            .unwrap();
        assert!(!first.allowed.is_empty() && first.last_cpu.is_some());
        assert!(!running(&tree).is_empty());
    }

    #[test]
    fn name_with_parentheses_hides_no_field() {
        let rest: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = format!("7 (a ) b (c) {}", rest.join(" "));
        assert_eq!(last_cpu(&stat), Some(39));
        assert_eq!(last_cpu("7 (a) S 1"), None);
    }
}
