//! The number of frames that all workers together may still capture.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is left of a limit; without a limit, there is always something left.
#[derive(Debug)]
pub(super) struct Budget {
    left: Option<AtomicU64>,
}

impl Budget {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            left: limit.map(AtomicU64::new),
        }
    }

    /// Takes one frame off. Returns whether there was one left.
    pub(super) fn spend(&self) -> bool {
        let Some(left) = &self.left else {
            return true;
        };
        let spent = left.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        spent.is_ok()
    }

    /// Whether nothing is left.
    pub(super) fn is_spent(&self) -> bool {
        let left = self.left.as_ref();
        left.is_some_and(|left| left.load(Ordering::Relaxed) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_spend_exactly_the_limit() {
        let budget = Budget::new(Some(1000));
        let spent: usize = std::thread::scope(|scope| {
            let worker = || (0..400).filter(|_| budget.spend()).count();
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap())
                .sum()
        });
        assert_eq!(spent, 1000);
        assert!(budget.is_spent() && !budget.spend());
        let unlimited = Budget::new(None);
        assert!(unlimited.spend() && !unlimited.is_spent());
    }
}
