//! The load of the machine: CPUs, memory, and the disk of the logs.

use std::path::Path;

use hpcap_host::Tree;
use nix::sys::statvfs::statvfs;

/// Ticks of a CPU since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct CpuTicks {
    busy: u64,
    all: u64,
}

/// The load of the machine at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MachineSample {
    /// Use of each CPU since the sample before, in percent.
    pub cpu_percent: Vec<f64>,
    /// Use of the disk of the logs, in percent; `None` if the folder cannot be examined.
    pub disk_percent: Option<f64>,
    /// Memory in KiB.
    pub memory_total: u64,
    /// Memory that no program and no cache uses, in KiB.
    pub memory_free: u64,
    /// Memory of the cache of files, in KiB.
    pub memory_cached: u64,
    /// Memory in KiB of the processes that produce and read the queues.
    pub memory_of_hpcap: u64,
}

/// Reads the load of the machine.
#[derive(Debug)]
pub struct Machine {
    tree: Tree,
    ticks: Vec<CpuTicks>,
}

impl Machine {
    /// Reads from the files of `tree`.
    #[must_use]
    pub fn new(tree: Tree) -> Self {
        let ticks = read_ticks(&tree);
        Self { tree, ticks }
    }

    /// Reads the load since the last call. `folder` is on the disk of the logs; `processes` are those
    /// of the queues.
    pub fn sample(&mut self, folder: &Path, processes: &[u32]) -> MachineSample {
        let ticks = read_ticks(&self.tree);
        let cpu_percent = ticks
            .iter()
            .zip(
                self.ticks
                    .iter()
                    .chain(std::iter::repeat(&CpuTicks::default())),
            )
            .map(|(now, before)| {
                let all = now.all.saturating_sub(before.all);
                let busy = now.busy.saturating_sub(before.busy).min(all);
                percent(busy, all)
            })
            .collect();
        self.ticks = ticks;
        let memory = self.tree.text("/proc/meminfo").unwrap_or_default();
        MachineSample {
            cpu_percent,
            disk_percent: disk_percent(folder),
            memory_total: field(&memory, "MemTotal:"),
            memory_free: field(&memory, "MemFree:"),
            memory_cached: field(&memory, "Cached:"),
            memory_of_hpcap: processes.iter().map(|pid| self.memory_of(*pid)).sum(),
        }
    }

    /// Memory of a process in KiB.
    fn memory_of(&self, pid: u32) -> u64 {
        let status = self.tree.text(format!("/proc/{pid}/status"));
        field(&status.unwrap_or_default(), "VmRSS:")
    }
}

impl MachineSample {
    /// Returns a line of the file `cpus`, with columns as those of the original's.
    #[must_use]
    pub fn line(&self, second: u64) -> String {
        use std::fmt::Write;
        let mut line = format!("{second} D:{:.0}", self.disk_percent.unwrap_or(0.0));
        for cpu in &self.cpu_percent {
            let _ = write!(line, " {cpu:.1}");
        }
        let used = self.memory_total.saturating_sub(self.memory_free);
        let _ = writeln!(
            line,
            " {} {used} {} {} {:.1}",
            self.memory_total,
            self.memory_free,
            self.memory_cached,
            percent(self.memory_of_hpcap, self.memory_total)
        );
        line
    }
}

fn percent(part: u64, all: u64) -> f64 {
    match all {
        0 => 0.0,
        all => 100.0 * part as f64 / all as f64,
    }
}

/// Returns how much of the disk under `folder` is used, as df(1) computes it; `None` if the folder
/// cannot be examined.
#[must_use]
pub fn disk_percent(folder: &Path) -> Option<f64> {
    let disk = statvfs(folder).ok()?;
    let used = disk.blocks().checked_sub(disk.blocks_free())?;
    Some(percent(used, used + disk.blocks_available()))
}

/// Returns the number after `name` at the start of a line.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Reads the ticks of each CPU. Time in which the machine waits for a disk is not busy.
fn read_ticks(tree: &Tree) -> Vec<CpuTicks> {
    let text = tree.text("/proc/stat").unwrap_or_default();
    text.lines()
        .take_while(|line| line.starts_with("cpu"))
        .skip(1)
        .map(|line| {
            let columns: Vec<u64> = line
                .split_whitespace()
                .skip(1)
                // The columns after the eighth are parts of the first two.
                .take(8)
                .map(|column| column.parse().unwrap_or(0))
                .collect();
            let all = columns.iter().sum();
            let idle: u64 = columns.iter().skip(3).take(2).sum();
            CpuTicks {
                busy: all - idle,
                all,
            }
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn write(folder: &Path, stat: &str) {
        std::fs::create_dir_all(folder.join("proc/7")).unwrap();
        std::fs::write(folder.join("proc/stat"), stat).unwrap();
        let memory = "MemTotal: 1000 kB\nMemFree: 300 kB\nBuffers: 1 kB\nCached: 200 kB\n";
        std::fs::write(folder.join("proc/meminfo"), memory).unwrap();
        std::fs::write(folder.join("proc/7/status"), "Name: x\nVmRSS:\t  50 kB\n").unwrap();
    }

    #[test]
    fn line_has_the_columns_of_the_original() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            "cpu 0 0 0 0\ncpu0 10 0 10 80 0 0 0 0 5 0\ncpu1 0 0 0 100 0 0 0 0 0 0\nintr 1\n",
        );
        let mut machine = Machine::new(Tree::at(dir.path()));
        write(
            dir.path(),
            "cpu 0 0 0 0\ncpu0 60 0 10 120 10 0 0 0 5 0\ncpu1 0 0 0 200 0 0 0 0 0 0\nintr 1\n",
        );
        let mut sample = machine.sample(dir.path(), &[7, 8]);
        sample.disk_percent = Some(42.4);
        let line = sample.line(1_795_155_462);
        assert_eq!(line, "1795155462 D:42 50.0 0.0 1000 700 300 200 5.0\n");
    }

    #[test]
    fn machine_without_files_has_no_load() {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = Machine::new(Tree::at(dir.path()));
        let sample = machine.sample(&dir.path().join("missing"), &[]);
        assert_eq!(sample, MachineSample::default());
    }
}
