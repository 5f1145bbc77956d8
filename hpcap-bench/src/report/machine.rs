//! The machine on which the figures were measured.

use std::fmt;
use std::fs;

use hpcap::Timestamp;
use serde::{Deserialize, Serialize};

/// Properties of the machine that the figures depend on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Time of the measurement (UTC), to the minute.
    pub date: String,
    /// Model of the processor.
    pub processor: String,
    /// Number of processors that this program may use.
    pub cpus: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Version of hpcap.
    pub hpcap: String,
    /// Whether this program was compiled with optimisation.
    pub optimised: bool,
}

impl Machine {
    /// Describes this machine, with the current time.
    #[must_use]
    pub fn here() -> Self {
        let line = |path: &str, key: &str| -> Option<String> {
            let text = fs::read_to_string(path).ok()?;
            let (_, rest) = text.lines().find_map(|l| {
                let (name, rest) = l.split_once(':')?;
                (name.trim() == key).then_some((name, rest))
            })?;
            Some(rest.trim().to_owned())
        };
        let memory = line("/proc/meminfo", "MemTotal")
            .and_then(|m| m.split(' ').next()?.parse::<u64>().ok())
            .map_or(0, |kib| kib * 1024);
        let mut date = Timestamp::now().to_string();
        date.truncate("2026-01-01T00:00".len());
        Self {
            date,
            processor: line("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map(|s| s.trim().to_owned())
                .unwrap_or_default(),
            memory_bytes: memory,
            hpcap: env!("CARGO_PKG_VERSION").into(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hpcap {} on {} ({} CPUs, {}), Linux {}, {} UTC",
            self.hpcap,
            self.processor,
            self.cpus,
            hpcap::units::Bytes(self.memory_bytes),
            self.kernel,
            self.date
        )?;
        if !self.optimised {
            f.write_str(
                "\n\n**Not optimised: these figures mean nothing. Build with --release.**",
            )?;
        }
        Ok(())
    }
}
