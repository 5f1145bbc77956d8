//! `hpcapctl hugepages reserve`: the size of a pool.

use std::fmt::Write;
use std::io;
use std::path::Path;

use hpcap::error::Context;
use hpcap::units::Bytes;
use hpcap::{Error, Kind, Result};
use hpcap_host::{HugePool, MemoryFacts, NumaNode, Tree};

/// A change of the number of hugepages in a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pool: HugePool,
    /// Number of pages that the pool is to have.
    wanted: u64,
}

impl Reservation {
    /// Plans that `bytes` of memory are free in hugepages of `page_bytes`, on NUMA node `node` or
    /// anywhere. Pages in use stay, and a part of a page counts as a page.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the machine has no such node or pages; [`Kind::Full`] if the memory is
    /// not free.
    pub fn plan(tree: &Tree, bytes: u64, page_bytes: u64, node: Option<u32>) -> Result<Self> {
        let nodes: Vec<u32> = NumaNode::all(tree).iter().map(|n| n.number).collect();
        if let Some(node) = node
            && !nodes.contains(&node)
        {
            let names: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            return Err(Error::usage(
                format!("node {node}"),
                format!("this machine has the nodes {}", names.join(", ")),
            ));
        }
        let Some(pool) = HugePool::read(tree, page_bytes, node) else {
            let sizes: Vec<_> = HugePool::of_machine(tree)
                .iter()
                .map(|pool| Bytes(pool.page_bytes).to_string())
                .collect();
            let allowed = match sizes.is_empty() {
                true => "this kernel has no hugepages".into(),
                false => format!("this kernel has pages of {}", sizes.join(", ")),
            };
            return Err(Error::usage(
                format!("pages of {}", Bytes(page_bytes)),
                allowed,
            ));
        };
        let in_use = pool.total.saturating_sub(pool.available());
        let wanted = in_use.saturating_add(bytes.div_ceil(page_bytes));
        let plan = Self { pool, wanted };
        plan.check_memory(tree)?;
        Ok(plan)
    }

    /// Refuses a plan for which there is not enough free memory: the kernel would push everything
    /// else out of memory before it gave up.
    fn check_memory(&self, tree: &Tree) -> Result<()> {
        let new_pages = self.wanted.saturating_sub(self.pool.total);
        let memory = match self.pool.node {
            Some(node) => MemoryFacts::of_node(tree, node),
            None => MemoryFacts::of_machine(tree),
        };
        let Some(memory) = memory.filter(|_| new_pages > 0) else {
            return Ok(());
        };
        // A node does not report what it could free, such as cached files.
        let limit = match memory.available_bytes {
            Some(available) => available,
            None => memory.total_bytes,
        };
        let needed = new_pages.saturating_mul(self.pool.page_bytes);
        if needed <= limit {
            return Ok(());
        }
        Err(Error::new(
            Kind::Full,
            self.tried(),
            format!(
                "{} more are needed, and {} can be had",
                Bytes(needed),
                Bytes(limit)
            ),
        )
        .advise("reserve less, or end programs that use memory"))
    }

    fn tried(&self) -> String {
        format!(
            "have {} hugepages of {}{}",
            self.wanted,
            Bytes(self.pool.page_bytes),
            self.place()
        )
    }

    fn place(&self) -> String {
        self.pool
            .node
            .map_or(String::new(), |node| format!(" on node {node}"))
    }

    /// The file that the kernel changes the pool by.
    fn file(&self) -> String {
        let folder = HugePool::folder(self.pool.page_bytes, self.pool.node);
        format!("{folder}/nr_hugepages")
    }

    /// Describes the plan, and how to make it permanent.
    #[must_use]
    pub fn describe(&self, tree: &Tree) -> String {
        let step = match self.wanted == self.pool.total {
            true => format!("would change nothing: the pool has {} pages\n", self.wanted),
            false => format!(
                "would write {} into {}, which has {}\n",
                self.wanted,
                self.file(),
                self.pool.total
            ),
        };
        step + &self.permanent(tree)
    }

    /// Changes the pool. `write` writes a number into a file of the kernel.
    ///
    /// # Errors
    /// [`Kind::Permission`] without root; [`Kind::Full`] if the kernel gives fewer pages, after the
    /// pool has its old size again.
    pub fn carry_out(
        &self,
        tree: &Tree,
        mut write: impl FnMut(&Path, String) -> io::Result<()>,
    ) -> Result<String> {
        let path = tree.path(self.file());
        if self.wanted != self.pool.total {
            write(&path, self.wanted.to_string())
                .context(|| self.tried())
                .map_err(|e| e.or_advise("become root"))?;
        }
        let now = HugePool::read(tree, self.pool.page_bytes, self.pool.node);
        let got = now.map_or(0, |pool| pool.total - pool.surplus.min(pool.total));
        if got < self.wanted {
            let undone = match write(&path, self.pool.total.to_string()) {
                Ok(()) => format!("the pool has its {} again", self.pool.total),
                Err(e) => format!(
                    "and the pool could not get its {} back: {e}",
                    self.pool.total
                ),
            };
            let error = Error::new(
                Kind::Full,
                self.tried(),
                format!(
                    "the kernel gave only {got}: no more of its free memory is contiguous; {undone}"
                ),
            );
            return Err(error.advise(format!(
                "reserve them at the start, with {} on the kernel's command line, or use a smaller size of pages",
                self.command_line()
            )));
        }
        let free = now.map_or(0, |pool| pool.available());
        let mut done = format!(
            "{} hugepages of {}{}, {free} of them free\n",
            got,
            Bytes(self.pool.page_bytes),
            self.place()
        );
        done += &self.permanent(tree);
        Ok(done)
    }

    /// The parameters of the kernel that reserve the pages at its start.
    fn command_line(&self) -> String {
        let bytes = self.pool.page_bytes;
        let size = match bytes.is_multiple_of(1 << 30) {
            true => format!("{}G", bytes >> 30),
            false if bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
            false => format!("{}K", bytes >> 10),
        };
        match self.pool.node {
            // The kernel has taken counts for nodes since Linux 5.16.
            Some(node) => format!("hugepagesz={size} hugepages={node}:{}", self.wanted),
            None => format!("hugepagesz={size} hugepages={}", self.wanted),
        }
    }

    /// Describes how to keep the pages after a restart.
    fn permanent(&self, tree: &Tree) -> String {
        let mut text =
            String::from("after a restart they are gone; to make them permanent, one of:\n");
        let _ = writeln!(
            text,
            "  on the kernel's command line: {}",
            self.command_line()
        );
        let default_kib = default_page_kib(tree);
        if self.pool.node.is_none() && default_kib == Some(self.pool.page_bytes / 1024) {
            let _ = writeln!(
                text,
                "  echo vm.nr_hugepages={} > /etc/sysctl.d/90-hpcap-hugepages.conf",
                self.wanted
            );
        } else {
            let _ = writeln!(
                text,
                "  echo 'w {} - - - - {}' > /etc/tmpfiles.d/hpcap-hugepages.conf",
                self.file(),
                self.wanted
            );
        }
        text
    }
}

/// The size of the pages that `vm.nr_hugepages` counts, in KiB.
fn default_page_kib(tree: &Tree) -> Option<u64> {
    let text = tree.text("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
