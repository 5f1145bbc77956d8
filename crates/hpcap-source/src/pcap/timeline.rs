//! The times of a file's frames when the file is read more than once or at its own pace.

/// Nanoseconds, in a type that is wide enough for any time that a file can state.
pub(super) type Ns = i128;

/// Shortest time between the last frame of one pass and the first of the next.
const GAP_MIN: Ns = 1_000;

/// The time span of the current pass, and the sum of the earlier passes.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pass: Option<Pass>,
    /// Duration of all earlier passes.
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
    /// Notes the time of the next frame in the file.
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

    /// Returns the time of the next frame, which is `ns` in the file. Frames of one pass keep their
    /// distances, and are later than all frames of an earlier pass.
    pub(super) fn shifted(&mut self, ns: Ns) -> Ns {
        self.see(ns);
        ns.saturating_add(self.past)
    }

    /// Returns when the next frame, which is `ns` in the file, is due, counted from the first frame
    /// of the first pass. It is never due before the frame before it.
    pub(super) fn due(&mut self, ns: Ns) -> Ns {
        let pass = self.see(ns);
        let due = pass.max - pass.first;
        due.saturating_add(self.past)
    }

    /// Starts the next pass. Returns `false` if the file had no frame.
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
    fn timeline_keeps_the_pace_of_the_file() {
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
    fn pass_without_frames_is_noticed() {
        let mut timeline = Timeline::default();
        assert!(!timeline.next_pass());
        timeline.shifted(0);
        assert!(timeline.next_pass());
        assert_eq!(timeline.shifted(0), GAP_MIN);
        assert!(timeline.next_pass());
        assert!(!timeline.next_pass());
    }
}
