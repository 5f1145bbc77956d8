//! A sequence of numbers: which are missing, out of order, or repeated.

use std::collections::BTreeMap;

/// Largest number of ranges of missing numbers that are kept, to recognise numbers that come late.
const HOLES_MAX: usize = 1 << 16;

/// Follows numbers that should come one after the other.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The lowest number seen, and the number after the highest one.
    range: Option<(u64, u64)>,
    /// Numbers between the lowest and the highest that were not seen yet.
    pub(super) missing: u64,
    /// Number of ranges of missing numbers that were found.
    pub(super) holes: u64,
    /// Numbers that came after a higher one.
    pub(super) reordered: u64,
    /// Numbers that had come before.
    pub(super) repeated: u64,
    /// Start and end of the ranges of missing numbers that are kept.
    open: BTreeMap<u64, u64>,
}

impl Sequence {
    /// Notes the number `n`.
    #[inline]
    pub(super) fn see(&mut self, n: u64) {
        match &mut self.range {
            Some((_, next)) if *next == n => *next = n.wrapping_add(1),
            _ => self.unexpected(n),
        }
    }

    /// Returns the lowest and the highest number.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        self.range
            .map(|(first, next)| (first, next.wrapping_sub(1)))
    }

    #[cold]
    fn unexpected(&mut self, n: u64) {
        let Some((first, next)) = self.range else {
            self.range = Some((n, n.wrapping_add(1)));
            return;
        };
        if n > next {
            self.missing += n - next;
            self.holes += 1;
            self.open.insert(next, n);
            if self.open.len() > HOLES_MAX {
                self.open.pop_first();
            }
            self.range = Some((first, n.wrapping_add(1)));
        } else if n < first {
            // Numbers before the first are not known to exist until one of them comes.
            self.missing += first - n - 1;
            self.reordered += 1;
            if n + 1 < first {
                self.open.insert(n + 1, first);
            }
            self.range = Some((n, next));
        } else if self.fill(n) {
            self.missing -= 1;
            self.reordered += 1;
        } else {
            self.repeated += 1;
        }
    }

    /// Removes `n` from the range that it is missing from. Returns whether there was one.
    fn fill(&mut self, n: u64) -> bool {
        let Some((&start, &end)) = self.open.range(..=n).next_back() else {
            return false;
        };
        if n >= end {
            return false;
        }
        self.open.remove(&start);
        if start < n {
            self.open.insert(start, n);
        }
        if n + 1 < end {
            self.open.insert(n + 1, end);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &[u64]) -> Sequence {
        let mut sequence = Sequence::default();
        for n in numbers {
            sequence.see(*n);
        }
        sequence
    }

    #[test]
    fn complete_sequence_has_no_findings() {
        let s = of(&[5, 6, 7, 8]);
        assert_eq!(s.range(), Some((5, 8)));
        assert_eq!((s.missing, s.holes, s.reordered, s.repeated), (0, 0, 0, 0));
    }

    #[test]
    fn late_number_fills_its_hole_once() {
        let s = of(&[0, 4, 2, 2, 5]);
        assert_eq!((s.missing, s.holes, s.reordered, s.repeated), (2, 1, 1, 1));
    }

    proptest! {
        #[test]
        fn any_numbers_agree_with_a_set(numbers in proptest::collection::vec(0u64..60, 1..80)) {
            let s = of(&numbers);
            let seen: BTreeSet<u64> = numbers.iter().copied().collect();
            let (first, last) = (*seen.first().unwrap(), *seen.last().unwrap());
            prop_assert_eq!(s.range(), Some((first, last)));
            prop_assert_eq!(s.missing, last - first + 1 - seen.len() as u64);
            prop_assert_eq!(s.repeated, (numbers.len() - seen.len()) as u64);
            let mut highest = numbers[0];
            let mut known = BTreeSet::from([numbers[0]]);
            let mut late = 0;
            for n in &numbers[1..] {
                late += u64::from(*n < highest && known.insert(*n));
                known.insert(*n);
                highest = highest.max(*n);
            }
            prop_assert_eq!(s.reordered, late);
        }
    }
}
