//! Which CPU handles the frames of a queue: that of the queue's interrupt, unless the kernel passes the frames
//! on to another one (RPS, RFS).

use std::fmt;

use hpcap_host::{CpuSet, Interrupt, PciDevice, Tree};

use crate::members::{parse_list, parse_mask, to_list};

/// What the machine does with the frames of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Name of the queue's interrupt and the CPUs that it may interrupt.
    interrupt: Option<(String, CpuSet)>,
    /// CPUs to which the kernel passes frames of the queue on, as a list; empty = none.
    rps: String,
    /// Flows of the queue whose frames follow their programs; 0 = none.
    rfs_flows: u64,
}

impl Place {
    /// Reads what the machine does with the frames of `queue`.
    pub(super) fn of(tree: &Tree, interface: &str, queue: u32) -> Self {
        let device = PciDevice::of_interface(tree, interface);
        let all = Interrupt::all(tree);
        let interrupts = Interrupt::of_interface(&all, device.as_ref(), interface);
        let numbered = |name: &str| {
            let start = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            name[start..].parse() == Ok(queue)
        };
        let folder = format!("/sys/class/net/{interface}/queues/rx-{queue}");
        let mask = tree.text(format!("{folder}/rps_cpus")).unwrap_or_default();
        Self {
            interrupt: interrupts
                .into_iter()
                .filter(|interrupt| !interrupt.name.to_ascii_lowercase().contains("output"))
                .find(|interrupt| numbered(&interrupt.name))
                .map(|interrupt| (interrupt.name, interrupt.cpus)),
            rps: parse_mask(&mask).map_or_else(String::new, |cpus| to_list(&cpus)),
            rfs_flows: tree.value(format!("{folder}/rps_flow_cnt")).unwrap_or(0),
        }
    }
}

impl Place {
    /// Whether the queue's interrupt may reach `cpu`, or no interrupt is known.
    pub(super) fn is_expected(&self, cpu: u32) -> bool {
        let known = self.interrupt.as_ref();
        known.is_none_or(|(_, cpus)| cpus.contains(cpu))
    }

    /// Whether the kernel passes frames of the queue on to `cpu` (RPS).
    pub(super) fn passes_on_to(&self, cpu: u32) -> bool {
        parse_list(&self.rps).is_some_and(|cpus| cpus.contains(&cpu))
    }

    /// Whether frames follow the programs that read them (RFS).
    pub(super) fn follows_programs(&self) -> bool {
        self.rfs_flows != 0
    }

    /// The place of a queue whose interrupt `name` reaches `cpu`.
    #[cfg(test)]
    pub(super) fn by_interrupt(name: &str, cpu: u32) -> Self {
        Self {
            interrupt: Some((name.to_owned(), std::iter::once(cpu).collect())),
            rps: String::new(),
            rfs_flows: 0,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interrupt {
            Some((name, cpus)) => {
                let word = if cpus.len() == 1 { "" } else { "one of " };
                writeln!(f, "cpu    {word}{cpus}, by interrupt {name}")?;
            }
            None => writeln!(
                f,
                "cpu    not known: no interrupt is named after this queue"
            )?,
        }
        if !self.rps.is_empty() {
            writeln!(
                f,
                "rps    the kernel passes its frames on to the CPUs {}",
                self.rps
            )?;
        }
        if self.rfs_flows != 0 {
            writeln!(
                f,
                "rfs    frames follow the program that reads their flow, if it is known"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupt_and_rps_say_the_cpu() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            (
                "proc/interrupts",
                "      CPU0 CPU1\n 44:  1  2  PCI-MSIX-0000:01:00.0  0-edge  eth0-TxRx-0\n 45:  1  2  PCI-MSIX-0000:01:00.0  1-edge  eth0-TxRx-1\n",
            ),
            ("proc/irq/44/smp_affinity_list", "0\n"),
            ("proc/irq/45/smp_affinity_list", "1\n"),
            (
                "sys/class/net/eth0/queues/rx-1/rps_cpus",
                "00000000,00000006\n",
            ),
            ("sys/class/net/eth0/queues/rx-1/rps_flow_cnt", "0\n"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let place = Place::of(&Tree::at(dir.path()), "eth0", 1);
        let expected = "cpu    1, by interrupt eth0-TxRx-1\n\
                        rps    the kernel passes its frames on to the CPUs 1-2\n";
        assert_eq!(place.to_string(), expected);
        let unknown = Place::of(&Tree::at(dir.path()), "eth0", 7);
        assert!(unknown.to_string().starts_with("cpu    not known"));
    }
}
