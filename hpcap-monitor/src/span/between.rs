//! The spans between two samples of the full log.

use std::time::Duration;

use super::Span;
use crate::log::reader::Logged;
use crate::sample::{Sample, ring_holder, traffic};
use crate::ticker::Moment;

/// Time between two samples up to which the rates between them count. A busy machine may delay samples.
const LONGEST: Duration = Duration::from_secs(10);

/// Returns what happened to each adapter and interface between two samples of the log. If the log has a
/// gap between them, the frames are known, but not when they were.
#[must_use]
pub fn spans_between(before: &Logged, now: &Logged) -> Vec<(String, Span)> {
    let (earlier, later) = (&before.sample, &now.sample);
    if !now.rebooted {
        return spans_of_samples(earlier, later, now.interval);
    }
    // All counters have started from zero. Only the counters of queues say since when they count.
    let passed = later
        .moment
        .time
        .as_ns()
        .saturating_sub(earlier.moment.time.as_ns());
    let nothing = Sample {
        moment: Moment {
            time: earlier.moment.time,
            monotonic: Duration::ZERO,
        },
        queues: Vec::new(),
        interfaces: Vec::new(),
        unseen: Vec::new(),
    };
    let (_, all) = traffic(&nothing, later);
    let passed = Duration::from_nanos(passed);
    let span = |frames| Span::of(later.moment.time, passed, frames).as_gap();
    all.into_iter()
        .map(|(name, frames)| (name, span(frames)))
        .collect()
}

/// Returns what happened to each adapter and interface between two samples since the start of the machine,
/// usually `interval` apart.
#[must_use]
pub fn spans_of_samples(
    earlier: &Sample,
    later: &Sample,
    interval: Duration,
) -> Vec<(String, Span)> {
    let (elapsed, all) = traffic(earlier, later);
    let is_gap = elapsed > LONGEST.max(2 * interval);
    all.into_iter()
        .map(|(name, frames)| {
            let mut span = Span::of(later.moment.time, elapsed, frames);
            if frames.causes.ring_full > 0 {
                span.holder = ring_holder(later, &name).or_else(|| ring_holder(earlier, &name));
            }
            let span = if is_gap { span.as_gap() } else { span };
            (name, span)
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::sample::tests::{interface, listener, queue, sample};
    use crate::span::State;

    fn logged(sample: Sample) -> Logged {
        Logged {
            sample,
            interval: Duration::from_secs(1),
            rebooted: false,
        }
    }

    #[test]
    fn loss_names_who_holds_the_ring() {
        let before = logged(sample(10, vec![queue("hpcap0:1", 1, 100, 0)]));
        let mut now = queue("hpcap0:1", 1, 150, 7);
        now.listeners = vec![listener(3, "tap", 1000), listener(4, "hpcapdd", 1 << 20)];
        let now = logged(sample(11, vec![now]));
        let (name, span) = spans_between(&before, &now).pop().unwrap();
        assert_eq!((name.as_str(), span.state), ("hpcap0", State::Losses));
        assert_eq!(span.traffic.causes.ring_full, 7);
        assert_eq!(
            span.holder.as_deref(),
            Some("listener 4 (hpcapdd, pid 4711) of hpcap0:1")
        );
    }

    #[test]
    fn gap_has_its_frames_but_no_rates() {
        let before = logged(sample(10, vec![queue("hpcap0", 1, 100, 0)]));
        let now = logged(sample(610, vec![queue("hpcap0", 1, 700, 5)]));
        let (_, span) = spans_between(&before, &now).pop().unwrap();
        assert_eq!(span.state, State::NoData);
        assert_eq!(
            (span.traffic.received.frames, span.traffic.lost.frames),
            (600, 5)
        );
        assert_eq!((span.highest_bps, span.elapsed.as_secs()), (0, 600));
    }

    #[test]
    fn start_of_the_machine_makes_no_traffic() {
        let mut before = sample(100, vec![]);
        before.interfaces = vec![interface("eth0", 2, 1000, 0)];
        let mut now = sample(700, vec![queue("hpcap0", 650, 30, 0)]);
        // The counter is larger than before, so only the start of the machine shows that it counts from zero.
        now.interfaces = vec![interface("eth0", 2, 5000, 9)];
        let now = Logged {
            rebooted: true,
            ..logged(now)
        };
        let spans = spans_between(&logged(before), &now);
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert_eq!(
            (spans[0].0.as_str(), spans[0].1.traffic.received.frames),
            ("hpcap0", 30)
        );
    }
}
