//! The times of a file's frames, when it is gone through more than once or at its own pace.

/// Nanoseconds; wide enough for whatever time a file may name.
pub(super) type Ns = i128;

/// The least time between the last frame of one pass and the first of the next.
const GAP_MIN: Ns = 1_000;

/// The frames seen in this pass, and what passes before it add up to.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pass: Option<Pass>,
    /// What passes before this one have taken.
    past: Ns,
}

#[derive(Debug, Clone, Copy)]
struct Pass {
    first: Ns,
    min: Ns,
    max: Ns,
    frames: Ns,
}

impl Timeline {
    /// Takes the time of the next frame in the file.
    fn see(&mut self, ns: Ns) -> &Pass {
        let pass = self.pass.get_or_insert(Pass {
            first: ns,
            min: ns,
            max: ns,
            frames: 0,
        });
        pass.min = pass.min.min(ns);
        pass.max = pass.max.max(ns);
        pass.frames += 1;
        pass
    }

    /// The time of the next frame, which the file says is `ns`, after the passes before: the
    /// same distance from its neighbours as in the file, and later than any frame of an earlier
    /// pass.
    pub(super) fn shifted(&mut self, ns: Ns) -> Ns {
        self.see(ns);
        ns.saturating_add(self.past)
    }

    /// When the next frame, which the file says is of `ns`, is due, counted from the first
    /// frame of the first pass. Never before the frame before it.
    pub(super) fn due(&mut self, ns: Ns) -> Ns {
        let pass = self.see(ns);
        let due = pass.max - pass.first;
        due.saturating_add(self.past)
    }

    /// The file starts again. `false` if it had no frame at all.
    pub(super) fn next_pass(&mut self) -> bool {
        let Some(pass) = self.pass.take() else {
            return false;
        };
        let span = pass.max - pass.min;
        let gap = if pass.frames > 1 {
            span / (pass.frames - 1)
        } else {
            0
        };
        self.past = self
            .past
            .saturating_add(span)
            .saturating_add(gap.max(GAP_MIN));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn passes_do_not_overlap_and_keep_distances(
            times in proptest::collection::vec(0i128..1 << 62, 1..20),
        ) {
            let mut timeline = Timeline::default();
            let mut before = None;
            for _ in 0..3 {
                let pass: Vec<_> = times.iter().map(|t| timeline.shifted(*t)).collect();
                for (a, b) in pass.iter().zip(&times) {
                    prop_assert_eq!(a - pass[0], b - times[0]);
                }
                prop_assert!(pass.iter().min() > before.as_ref());
                before = pass.into_iter().max();
                prop_assert!(timeline.next_pass());
            }
        }

        #[test]
        fn frames_come_due_in_order(times in proptest::collection::vec(0i128..1 << 62, 1..20)) {
            let mut timeline = Timeline::default();
            let mut last = 0;
            for _ in 0..3 {
                for t in &times {
                    let due = timeline.due(*t);
                    prop_assert!(due >= last);
                    last = due;
                }
                timeline.next_pass();
            }
        }
    }

    #[test]
    fn the_pace_of_the_file_is_kept() {
        let mut timeline = Timeline::default();
        let due: Vec<_> = [5_000, 15_000, 12_000, 25_000]
            .iter()
            .map(|t| timeline.due(*t))
            .collect();
        assert_eq!(due, [0, 10_000, 10_000, 20_000]);
        assert!(timeline.next_pass());
        assert_eq!(
            timeline.due(5_000),
            26_666,
            "the mean distance after the last frame"
        );
    }

    #[test]
    fn a_pass_without_frames_is_noticed() {
        let mut timeline = Timeline::default();
        assert!(!timeline.next_pass());
        timeline.shifted(0);
        assert!(timeline.next_pass());
        assert_eq!(timeline.shifted(0), GAP_MIN);
        assert!(timeline.next_pass());
        assert!(!timeline.next_pass());
    }
}
