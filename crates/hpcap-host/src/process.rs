//! Processes and threads that run: their names, and the CPUs that they may run on.

use hpcap_base::error::{Context, Result};
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;

use crate::{CpuSet, Tree};

/// Makes the calling thread, and those that it starts from now on, run on `cpu` only.
///
/// # Errors
/// Returns an error when there is no such CPU, or when this process may not use it.
pub fn run_on_cpu(cpu: usize) -> Result<()> {
    let mut set = nix::sched::CpuSet::new();
    let done = set
        .set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    done.context(|| format!("run on CPU {cpu}")).map_err(|e| {
        e.advise(
            "`taskset -p $$` shows which CPUs this process may use, `lscpu -e` which there are",
        )
    })
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

/// Returns field 39 of a `stat` file: the CPU that the thread ran on last.
fn last_cpu(stat: &str) -> Option<u32> {
    // The name in field 2 is in parentheses and may contain spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(39 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
