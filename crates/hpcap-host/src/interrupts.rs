//! Interrupts: which CPUs they may interrupt, and how often they did.

use crate::{CpuSet, PciDevice, Tree};

/// One interrupt line or message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupt {
    /// Its number.
    pub number: u32,
    /// The names of its users, such as `eth0-TxRx-0`.
    pub name: String,
    /// The CPUs that it may interrupt.
    pub cpus: CpuSet,
    /// How often it has interrupted each CPU, in the order of the online CPUs.
    pub counts: Vec<u64>,
}

impl Interrupt {
    /// Returns the numbered interrupts of the machine. Interrupts that only the processor makes,
    /// such as its timer, have no number.
    #[must_use]
    pub fn all(tree: &Tree) -> Vec<Self> {
        let Some(text) = tree.text("/proc/interrupts") else {
            return Vec::new();
        };
        let mut lines = text.lines();
        let cpus = lines
            .next()
            .map_or(0, |head| head.split_whitespace().count());
        lines
            .filter_map(|line| parse_line(line, cpus))
            .map(|(number, name, counts)| Self {
                number,
                name,
                cpus: affinity(tree, number),
                counts,
            })
            .collect()
    }

    /// Returns those of `all` that belong to `device` or to an interface called `interface`.
    #[must_use]
    pub fn of_interface(all: &[Self], device: Option<&PciDevice>, interface: &str) -> Vec<Self> {
        all.iter()
            .filter(|interrupt| {
                let of_device = device.is_some_and(|d| d.interrupts.contains(&interrupt.number));
                of_device || interrupt.is_called_after(interface)
            })
            .cloned()
            .collect()
    }

    /// How often it has interrupted any CPU.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Whether a driver named it after `interface`: `eth0`, `eth0-rx-1`, but not `eth01`.
    fn is_called_after(&self, interface: &str) -> bool {
        self.name.split([',', ' ']).any(|name| {
            name.trim()
                .strip_prefix(interface)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ':', '@']))
        })
    }
}

/// Returns the CPUs that an interrupt reaches, or those that it may reach when the kernel does not
/// say.
fn affinity(tree: &Tree, number: u32) -> CpuSet {
    ["effective_affinity_list", "smp_affinity_list"]
        .iter()
        .find_map(|file| tree.value::<CpuSet>(format!("/proc/irq/{number}/{file}")))
        .unwrap_or_default()
}

/// Parses a line such as ` 36:  0  12  PCI-MSIX-0000:01:00.0  1-edge  eth0-TxRx-0`.
fn parse_line(line: &str, cpus: usize) -> Option<(u32, String, Vec<u64>)> {
    let (number, rest) = line.split_once(':')?;
    let number = number.trim().parse().ok()?;
    let mut fields = rest.split_whitespace();
    let counts: Vec<u64> = fields
        .by_ref()
        .take(cpus)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // The chip and the kind of the interrupt stand before the names of its users.
    let name: Vec<&str> = fields.skip(2).collect();
    Some((number, name.join(" "), counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Interrupt {
        Interrupt {
            number: 1,
            name: name.into(),
            cpus: CpuSet::default(),
            counts: Vec::new(),
        }
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line = " 36:   0   12  PCI-MSIX-0000:01:00.0   1-edge      eth0-TxRx-0";
        let (number, name, counts) = parse_line(line, 2).unwrap();
        assert_eq!((number, name.as_str()), (36, "eth0-TxRx-0"));
        assert_eq!(counts, [0, 12]);
        for line in ["NMI:  0  0  Non-maskable interrupts", "", "ERR: 0", "x: y"] {
            assert_eq!(parse_line(line, 2), None, "{line}");
        }
    }

    #[test]
    fn interrupts_belong_to_whole_names() {
        for name in ["eth0", "eth0-TxRx-0", "eth0:lsc", "other, eth0-rx"] {
            assert!(named(name).is_called_after("eth0"), "{name}");
        }
        for name in ["eth01", "xeth0", "", "i915"] {
            assert!(!named(name).is_called_after("eth0"), "{name}");
        }
    }

    #[test]
    fn interrupts_of_this_machine_are_counted_for_each_cpu() {
        for interrupt in Interrupt::all(&Tree::machine()) {
            assert!(!interrupt.counts.is_empty(), "{interrupt:?}");
        }
    }
}
