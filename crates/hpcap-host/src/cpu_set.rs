//! Sets of CPUs, as the kernel writes them: `0-3,8`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Largest accepted number of a CPU; the kernel allows 8,192 CPUs at most.
const CPU_MAX: u32 = 65_535;

/// A set of CPUs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuSet(BTreeSet<u32>);

impl CpuSet {
    /// Returns whether `cpu` is in the set.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// Returns whether the set has no CPU.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of CPUs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// The CPUs that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }

    /// The CPUs that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).copied().collect())
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

/// A text that is not a list of CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotCpus;

impl FromStr for CpuSet {
    type Err = NotCpus;

    /// Parses a list of numbers and ranges. `(null)`, which the kernel writes for a list that it
    /// does not have, is empty, like the empty text.
    fn from_str(text: &str) -> Result<Self, NotCpus> {
        let mut cpus = BTreeSet::new();
        let text = text.trim();
        if text.is_empty() || text == "(null)" {
            return Ok(Self(cpus));
        }
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<u32>().map_err(|_| NotCpus);
            let (first, last) = (number(first)?, number(last)?);
            if first > last || last > CPU_MAX {
                return Err(NotCpus);
            }
            cpus.extend(first..=last);
        }
        Ok(Self(cpus))
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied().peekable();
        let mut separator = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while let Some(next) = rest.next_if_eq(&(last + 1)) {
                last = next;
            }
            match last == first {
                true => write!(f, "{separator}{first}")?,
                false => write!(f, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn list_is_read_as_it_is_written(cpus in proptest::collection::btree_set(0..200_u32, 0..20)) {
            let set: CpuSet = cpus.into_iter().collect();
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }

        #[test]
        fn any_text_is_a_list_or_refused(text in ".{0,40}") {
            let _ = text.parse::<CpuSet>();
        }
    }

    #[test]
    fn list_of_the_kernel_is_read() {
        let set: CpuSet = "0-2,8".parse().unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 1, 2, 8]);
        assert!("(null)".parse::<CpuSet>().unwrap().is_empty());
    }

    #[test]
    fn huge_list_takes_no_memory() {
        for text in ["0-4294967295", "5-1", "1-", "x", "1,,2"] {
            assert_eq!(text.parse::<CpuSet>(), Err(NotCpus), "{text}");
        }
    }
}
