//! Which processes a profile is about.

use std::collections::BTreeMap;

use hpcap::{Error, Kind, Result};
use hpcap_host::Tree;
use hpcap_host::process::Thread;

/// How the names of hpcap's programs, and of the poll threads of its module, begin.
const OURS: [&str; 2] = ["hpcap", "rxtx"];
/// Programs of hpcap that only watch.
const WATCHERS: [&str; 3] = ["hpcap-diag", "hpcap-monitor", "hpcap-status"];

/// The processes of a profile: their numbers and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(BTreeMap<u32, String>);

impl Targets {
    /// Returns the processes that run and capture, store or read frames with hpcap.
    #[must_use]
    pub fn of_hpcap(tree: &Tree) -> Self {
        let named = tree.numbers("/proc", "").into_iter().filter_map(|pid| {
            let name = tree.text(format!("/proc/{pid}/comm"))?;
            let is_ours = OURS.iter().any(|start| name.starts_with(start));
            (is_ours && !WATCHERS.contains(&name.as_str())).then_some((pid, name))
        });
        Self(named.collect())
    }

    /// Returns the processes with the numbers `pids`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if one of them does not run.
    pub fn of_pids(tree: &Tree, pids: &[u32]) -> Result<Self> {
        let name_of = |pid: &u32| {
            let name = tree.text(format!("/proc/{pid}/comm"));
            let missing = || {
                let tried = format!("profile process {pid}");
                Error::new(Kind::NotFound, tried, "no process has this number")
                    .advise("`ps -e` shows the processes; without --pid, all programs of hpcap are profiled")
            };
            Ok((*pid, name.ok_or_else(missing)?))
        };
        Ok(Self(pids.iter().map(name_of).collect::<Result<_>>()?))
    }

    /// Whether there is no process.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers of the processes.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }

    /// The name of process `pid`, if the profile is about it.
    #[must_use]
    pub fn name(&self, pid: u32) -> Option<&str> {
        self.0.get(&pid).map(String::as_str)
    }

    /// The threads of all processes, with the numbers of the processes.
    #[must_use]
    pub fn threads(&self, tree: &Tree) -> Vec<(u32, Thread)> {
        let threads = |pid| {
            Thread::of_process(tree, pid)
                .into_iter()
                .map(move |t| (pid, t))
        };
        self.pids().flat_map(threads).collect()
    }

    /// The processes in words: `hpcapd 12, hpcapdd 34`.
    #[must_use]
    pub fn describe(&self) -> String {
        let words: Vec<String> = self
            .0
            .iter()
            .map(|(pid, name)| format!("{name} {pid}"))
            .collect();
        words.join(", ")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn programs_that_only_watch_are_no_targets() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "hpcapd",
            "hpcap-diag",
            "hpcap_0_0",
            "rxtxcpu",
            "bash",
            "hpcap-monitor",
        ];
        for (pid, name) in (1..).zip(names) {
            let folder = dir.path().join(format!("proc/{pid}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("comm"), format!("{name}\n")).unwrap();
        }
        let tree = Tree::at(dir.path());
        assert_eq!(
            Targets::of_hpcap(&tree).describe(),
            "hpcapd 1, hpcap_0_0 3, rxtxcpu 4"
        );
        assert_eq!(Targets::of_pids(&tree, &[5]).unwrap().describe(), "bash 5");
        let error = Targets::of_pids(&tree, &[5, 99]).unwrap_err();
        assert!(
            error.to_string().contains("no process has this number"),
            "{error}"
        );
    }
}
