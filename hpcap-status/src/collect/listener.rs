//! The listeners of queues: how far behind they are, how fast they read, and who they are.

use std::collections::BTreeMap;
use std::time::Duration;

use hpcap::QueueName;
use hpcap::report::ListenerStatus;
use hpcap_host::Tree;
use hpcap_host::process::is_stopped;
use nix::unistd::{Uid, User};

use super::losses::part;
use super::meter::Meter;
use super::report::ListenerReport;

/// Longest command line that is kept, in characters.
const COMMAND_CHARS: usize = 400;

/// The facts of a listener that are not in its slot.
#[derive(Debug, Default)]
struct Known {
    read: Meter,
    disk: Meter,
    command: Option<String>,
    seen: bool,
}

/// Describes listeners, and remembers what it read of their processes.
#[derive(Debug)]
pub(super) struct Listeners {
    tree: Tree,
    known: BTreeMap<(QueueName, u64), Known>,
    users: BTreeMap<u32, String>,
}

impl Listeners {
    /// Reads facts of processes from `tree`.
    pub(super) fn new(tree: Tree) -> Self {
        Self {
            tree,
            known: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    /// Describes a listener of `queue`, whose ring has `ring_bytes` and whose producer has published
    /// `published_bytes`.
    pub(super) fn describe(
        &mut self,
        now: Duration,
        queue: QueueName,
        (ring_bytes, published_bytes): (u64, u64),
        status: &ListenerStatus,
    ) -> ListenerReport {
        let tree = &self.tree;
        let known = self
            .known
            .entry((queue, status.id))
            .or_insert_with(|| Known {
                command: command_line(tree, status.pid),
                ..Known::default()
            });
        known.seen = true;
        let read = published_bytes.saturating_sub(status.lag_bytes);
        let user = self.users.entry(status.uid).or_insert_with(|| {
            let user = User::from_uid(Uid::from_raw(status.uid)).ok().flatten();
            user.map_or_else(|| status.uid.to_string(), |user| user.name)
        });
        ListenerReport {
            id: status.id,
            program: status.program.clone(),
            pid: status.pid,
            user: user.clone(),
            contract: status.contract.to_owned(),
            max_stall_seconds: status.max_stall_seconds,
            state: status.state.to_owned(),
            holds_ring: status.contract == "lossless"
                && !matches!(status.state, "demoted" | "killed" | "finished"),
            stopped: was_stopped(tree, status.pid),
            lag_bytes: status.lag_bytes,
            ring_share: part(status.lag_bytes as f64, ring_bytes as f64),
            read_bytes_per_second: known.read.read(now, || Some(read)),
            disk_bytes_per_second: known.disk.read(now, || written_bytes(tree, status.pid)),
            command: known.command.clone(),
        }
    }

    /// Forgets the listeners that were not described since the last call.
    pub(super) fn forget_gone(&mut self) {
        self.known
            .retain(|_, known| std::mem::take(&mut known.seen));
    }
}

/// Returns the bytes that process `pid` has written to disks; `None` if this user may not know.
fn written_bytes(tree: &Tree, pid: u32) -> Option<u64> {
    let text = tree.text(format!("/proc/{pid}/io"))?;
    let line = text.lines().find_map(|l| l.strip_prefix("write_bytes:"))?;
    line.trim().parse().ok()
}

/// Returns whether process `pid` was stopped.
fn was_stopped(tree: &Tree, pid: u32) -> bool {
    tree.text(format!("/proc/{pid}/stat"))
        .is_some_and(|stat| is_stopped(&stat))
}

/// Returns the command line of process `pid`, with spaces between the words.
fn command_line(tree: &Tree, pid: u32) -> Option<String> {
    let text = tree.text(format!("/proc/{pid}/cmdline"))?;
    let words: String = text.trim_end_matches('\0').replace('\0', " ");
    let short: String = words.chars().take(COMMAND_CHARS).collect();
    (!short.is_empty()).then_some(short)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn process_is_described_by_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        assert_eq!(
            (written_bytes(&tree, 7), command_line(&tree, 7)),
            (None, None)
        );
        let folder = dir.path().join("proc/7");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("io"), "rchar: 9\nwrite_bytes: 4096\n").unwrap();
        fs::write(folder.join("cmdline"), b"hpcapdd\0hpcap0\0/data\0").unwrap();
        assert_eq!(written_bytes(&tree, 7), Some(4096));
        assert_eq!(command_line(&tree, 7).unwrap(), "hpcapdd hpcap0 /data");
        assert!(!was_stopped(&tree, 7));
        for (state, expected) in [("S", false), ("T", true), ("t", true)] {
            fs::write(folder.join("stat"), format!("7 (a) T b) {state} 1 7")).unwrap();
            assert_eq!(was_stopped(&tree, 7), expected, "{state}");
        }
    }
}
