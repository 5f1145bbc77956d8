//! The growth of a counter a second, read about once a second however often the screen is drawn.

use std::collections::VecDeque;
use std::time::Duration;

use hpcap::counters::Delta;

/// Time between two readings of files of `/proc`, which cost more than those of shared memory.
pub(super) const PERIOD: Duration = Duration::from_millis(950);

/// Readings over which a rate is taken. A recorder that acknowledges and writes once a second would seem
/// to stand still in one second and to hurry in the next.
const READINGS: usize = 4;

/// Computes the rate of one counter over about three seconds.
#[derive(Debug, Default)]
pub(super) struct Meter {
    readings: VecDeque<(Duration, u64)>,
    rate: Option<f64>,
}

impl Meter {
    /// Reads the counter if it is time to, and returns its growth a second; `None` while it is
    /// unknown.
    pub(super) fn read(
        &mut self,
        now: Duration,
        counter: impl FnOnce() -> Option<u64>,
    ) -> Option<f64> {
        let is_due = |(at, _): &(Duration, u64)| now.saturating_sub(*at) >= PERIOD;
        if self.readings.back().is_some_and(|last| !is_due(last)) {
            return self.rate;
        }
        let Some(value) = counter() else {
            *self = Self::default();
            return None;
        };
        if self.readings.back().is_some_and(|(_, last)| value < *last) {
            self.readings.clear();
        }
        self.readings.push_back((now, value));
        if self.readings.len() > READINGS {
            self.readings.pop_front();
        }
        let (start, before) = *self.readings.front()?;
        let time = now.saturating_sub(start);
        self.rate = match time.is_zero() {
            true => self.rate.map(|_| 0.0),
            false => Some(Delta::between(before, value).per_second(time)),
        };
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_the_growth_a_second() {
        let mut meter = Meter::default();
        let at = Duration::from_secs;
        assert_eq!(meter.read(at(1), || Some(100)), None);
        assert_eq!(meter.read(at(3), || Some(300)), Some(100.0));
        assert_eq!(meter.read(at(3), || unreachable!()), Some(100.0));
        assert_eq!(meter.read(at(4), || Some(5)), Some(0.0), "a reset");
        assert_eq!(meter.read(at(6), || None), None);
        assert_eq!(meter.read(at(7), || Some(5)), None);
    }
}
