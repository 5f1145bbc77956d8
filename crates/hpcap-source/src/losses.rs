//! Losses of an interface and of the kernel, computed as differences between two readings of their
//! counters.

use std::collections::VecDeque;

use hpcap::{Count, Reason};

use hpcap_host::Interface;

/// Losses that were noticed but not reported yet.
#[derive(Debug)]
pub(crate) struct Losses {
    /// The interface's counters as of the last reading; `None` where they are not counted.
    seen: Option<NicCounters>,
    missed: u64,
    /// Frames that the kernel had no room for.
    gaps: Gaps,
    damaged: u64,
    report: [(Reason, Count); 2],
}

/// The interface's counters of lost frames.
#[derive(Debug, Clone, Copy)]
struct NicCounters {
    missed: u64,
    errors: u64,
}

impl NicCounters {
    fn of(interface: &Interface) -> Self {
        Self {
            missed: interface.counters.rx_missed_errors,
            errors: interface.counters.rx_errors,
        }
    }
}

/// Frames that are missing right before an entry of the receive ring.
#[derive(Debug)]
struct MissingBefore {
    /// Number of the entry.
    entry: u64,
    frames: u64,
}

/// Frames that the kernel had no room for, in the order of the entries that follow them. An entry
/// is what the kernel hands over in turn: a block of frames, or one frame.
#[derive(Debug, Default)]
pub(crate) struct Gaps(VecDeque<MissingBefore>);

impl Gaps {
    /// Notes frames that are missing right before entry number `entry`.
    pub(crate) fn missed_before(&mut self, entry: u64, frames: u64) {
        if frames == 0 {
            return;
        }
        match self.0.back_mut() {
            Some(last) if last.entry >= entry => last.frames += frames,
            _ => self.0.push_back(MissingBefore { entry, frames }),
        }
    }

    /// Returns the number of the first entry that frames are missing before.
    pub(crate) fn next(&self) -> Option<u64> {
        self.0.front().map(|missing| missing.entry)
    }

    /// Takes the losses before entry number `entry`: all frames in front of it were taken.
    pub(crate) fn reached(&mut self, entry: u64) -> u64 {
        let mut frames = 0;
        while let Some(missing) = self.0.pop_front_if(|missing| missing.entry <= entry) {
            frames += missing.frames;
        }
        frames
    }
}

/// Returns by how much a counter has grown. A counter that was reset (a driver reloaded, a NIC
/// reset) counts from zero, and a counter of 32 bits in a driver may have wrapped.
fn grown(from: u64, to: u64) -> u64 {
    const WRAP: u64 = 1 << 32;
    match to.checked_sub(from) {
        Some(by) => by,
        None if from < WRAP && from - to > WRAP / 2 => to + WRAP - from,
        None => to,
    }
}

impl Losses {
    /// Starts to count. The interface's own counters are included only if `nic` is set.
    pub(crate) fn new(interface: &Interface, nic: bool) -> Self {
        let none = Count::default();
        Self {
            seen: nic.then(|| NicCounters::of(interface)),
            missed: 0,
            gaps: Gaps::default(),
            damaged: 0,
            report: [(Reason::NicMissed, none), (Reason::NicError, none)],
        }
    }

    /// Notes frames for which the ring had no room, right before block number `block`.
    pub(crate) fn missed_before(&mut self, block: u64, frames: u64) {
        self.gaps.missed_before(block, frames);
    }

    /// Makes the losses before block number `block` due: all frames in front of it were taken.
    pub(crate) fn reached(&mut self, block: u64) {
        self.missed += self.gaps.reached(block);
    }

    /// Counts frames that are missing here.
    pub(crate) fn missed(&mut self, frames: u64) {
        self.missed += frames;
    }

    /// Counts frames that arrived but could not be read.
    pub(crate) fn damaged(&mut self, frames: u64) {
        self.damaged += frames;
    }

    /// Adds the growth of the interface's counters since the last look.
    pub(crate) fn look(&mut self, interface: &Interface) {
        if let Some(seen) = &mut self.seen {
            let now = NicCounters::of(interface);
            self.missed += grown(seen.missed, now.missed);
            self.damaged += grown(seen.errors, now.errors);
            *seen = now;
        }
    }

    /// Starts anew with the counters of another interface that has taken over the name.
    pub(crate) fn replaced(&mut self, interface: &Interface) {
        if let Some(seen) = &mut self.seen {
            *seen = NicCounters::of(interface);
        }
    }

    /// Returns the losses that were not reported yet, and marks them as reported.
    pub(crate) fn report(&mut self) -> &[(Reason, Count)] {
        self.report = [
            (
                Reason::NicMissed,
                Count::new(std::mem::take(&mut self.missed), 0),
            ),
            (
                Reason::NicError,
                Count::new(std::mem::take(&mut self.damaged), 0),
            ),
        ];
        match (self.report[0].1.is_zero(), self.report[1].1.is_zero()) {
            (true, true) => &[],
            (false, true) => &self.report[..1],
            (true, false) => &self.report[1..],
            (false, false) => &self.report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_wrap_and_are_reset() {
        assert_eq!(grown(5, 7), 2);
        assert_eq!(grown(u32::MAX.into(), 4), 5);
        assert_eq!(grown(1_000_000, 3), 3);
        assert_eq!(grown(7, 7), 0);
        assert_eq!(grown(u64::MAX, 9), 9);
    }

    #[test]
    fn losses_wait_for_their_block() {
        let interface = Interface::all().unwrap().remove(0);
        let mut losses = Losses::new(&interface, false);
        losses.missed_before(9, 2);
        losses.missed_before(9, 1);
        losses.missed_before(12, 5);
        let mut at = |seq| {
            losses.reached(seq);
            losses.report().first().map_or(0, |(_, count)| count.frames)
        };
        assert_eq!([8, 9, 11, 12, 13].map(&mut at), [0, 3, 0, 5, 0]);
    }

    #[test]
    fn losses_are_reported_once() {
        let interface = Interface::all().unwrap().remove(0);
        let mut later = interface.clone();
        later.counters.rx_missed_errors = interface.counters.rx_missed_errors.saturating_add(3);
        later.counters.rx_errors = interface.counters.rx_errors.saturating_add(4);
        let mut losses = Losses::new(&interface, true);
        assert!(losses.report().is_empty());
        losses.look(&later);
        losses.missed_before(7, 2);
        losses.reached(7);
        assert_eq!(
            losses.report(),
            [
                (Reason::NicMissed, Count::new(5, 0)),
                (Reason::NicError, Count::new(4, 0))
            ]
        );
        assert!(losses.report().is_empty());
        losses.damaged(1);
        assert_eq!(losses.report(), [(Reason::NicError, Count::new(1, 0))]);
        let mut others = Losses::new(&interface, false);
        others.look(&later);
        assert!(others.report().is_empty());
    }
}
