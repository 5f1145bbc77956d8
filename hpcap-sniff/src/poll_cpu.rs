//! The CPU on which the poll thread of a queue runs.

use std::time::{Duration, Instant};

use hpcap::queue::QueueInfo;
use hpcap_host::Tree;
use hpcap_host::process::Thread;

/// Time after which the CPU is read again. A thread that is pinned stays where it is.
const PERIOD: Duration = Duration::from_secs(1);

/// Follows the poll thread, which has copied every frame of the queue into the ring.
#[derive(Debug)]
pub struct PollCpu {
    tree: Tree,
    pid: u32,
    queue: String,
    read: Instant,
    cpu: Option<u32>,
}

impl PollCpu {
    /// Reads the CPU of the poll thread of the queue `info`.
    #[must_use]
    pub fn of(info: &QueueInfo) -> Self {
        let mut found = Self {
            tree: Tree::machine(),
            pid: info.producer_pid,
            queue: info.name.to_string(),
            read: Instant::now(),
            cpu: None,
        };
        found.read();
        found
    }

    /// The CPU on which the thread ran when it was looked at last; `None` if it was not found.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.cpu
    }

    /// Reads the CPU again if that is due.
    pub fn refresh(&mut self) {
        if self.read.elapsed() >= PERIOD {
            self.read();
        }
    }

    fn read(&mut self) {
        self.read = Instant::now();
        let thread = Thread::polling(&self.tree, self.pid, &self.queue);
        self.cpu = thread.and_then(|thread| thread.last_cpu);
    }
}
