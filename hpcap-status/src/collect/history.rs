//! The history of rates, losses and ring fill, second by second.

use std::collections::{BTreeMap, VecDeque};

/// Seconds that are kept.
const SECONDS: usize = 3600;

/// The counts of one second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Seconds since 1970.
    pub second: u64,
    /// Bits a second on the wire.
    pub bits_per_second: f64,
    /// Frames a second on the wire.
    pub frames_per_second: f64,
    /// Lost frames a second.
    pub lost_per_second: f64,
    /// Part of the ring that waited for listeners, 0 to 1.
    pub ring_fill: f64,
}

/// The counts of a span of time, as one column of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slice {
    /// Mean bits a second on the wire.
    pub bits_per_second: f64,
    /// Mean frames a second on the wire.
    pub frames_per_second: f64,
    /// The largest number of lost frames a second, so that a short loss does not vanish in a mean.
    pub lost_per_second: f64,
    /// The largest part of the ring that waited for listeners, 0 to 1.
    pub ring_fill: f64,
}

/// The history of one queue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    points: VecDeque<Point>,
}

impl Series {
    /// Adds what happened by `point.second`. Several points of a second are one: the last, with the
    /// largest loss and fill of all.
    pub fn push(&mut self, mut point: Point) {
        // A clock that was set back must not hide what comes next behind the past.
        while self
            .points
            .back()
            .is_some_and(|last| last.second > point.second)
        {
            self.points.pop_back();
        }
        if let Some(last) = self.points.back_mut()
            && last.second == point.second
        {
            point.lost_per_second = point.lost_per_second.max(last.lost_per_second);
            point.ring_fill = point.ring_fill.max(last.ring_fill);
            *last = point;
            return;
        }
        if self.points.len() == SECONDS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// Puts older points before the present ones.
    pub fn prepend(&mut self, older: impl IntoIterator<Item = Point>) {
        let first = self.points.front().map_or(u64::MAX, |point| point.second);
        let mut all = Self::default();
        for point in older.into_iter().filter(|point| point.second < first) {
            all.push(point);
        }
        for point in self.points.drain(..) {
            all.push(point);
        }
        *self = all;
    }

    /// Returns the points, oldest first.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = &Point> {
        self.points.iter()
    }

    /// Cuts the `span` seconds that end at `now` into `columns` slices, oldest first. A slice without a
    /// point takes the value of the next slice with one if samples are further apart than slices, and is
    /// `None` where nothing is known.
    #[must_use]
    pub fn slices(&self, now: u64, span: u64, columns: usize) -> Vec<Option<Slice>> {
        let columns_u64 = u64::try_from(columns).unwrap_or(u64::MAX).max(1);
        let start = (now + 1).saturating_sub(span);
        let mut slices: Vec<(u32, Slice)> = vec![(0, Slice::default()); columns];
        for point in self.points.iter().rev() {
            if point.second < start {
                break;
            }
            if point.second > now {
                continue;
            }
            let first = (point.second - start) * columns_u64 / span.max(1);
            // A point stands for its whole second, which is several slices of a short span.
            let end = ((point.second - start + 1) * columns_u64 / span.max(1)).max(first + 1);
            for column in first..end.min(columns_u64) {
                let Some((count, slice)) = usize::try_from(column)
                    .ok()
                    .and_then(|column| slices.get_mut(column))
                else {
                    continue;
                };
                *count += 1;
                slice.bits_per_second += point.bits_per_second;
                slice.frames_per_second += point.frames_per_second;
                slice.lost_per_second = slice.lost_per_second.max(point.lost_per_second);
                slice.ring_fill = slice.ring_fill.max(point.ring_fill);
            }
        }
        slices
            .into_iter()
            .map(|(count, mut slice)| {
                slice.bits_per_second /= f64::from(count.max(1));
                slice.frames_per_second /= f64::from(count.max(1));
                (count > 0).then_some(slice)
            })
            .collect()
    }
}

/// The histories of all queues, by their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// The histories.
    pub queues: BTreeMap<String, Series>,
    /// Where the part from before the start of this program comes from.
    pub origin: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(second: u64, frames: f64, lost: f64) -> Point {
        Point {
            second,
            bits_per_second: frames * 1000.0,
            frames_per_second: frames,
            lost_per_second: lost,
            ring_fill: 0.5,
        }
    }

    fn frames(series: &Series, now: u64, span: u64, columns: usize) -> Vec<Option<f64>> {
        let slices = series.slices(now, span, columns).into_iter();
        slices
            .map(|slice| slice.map(|s| s.frames_per_second))
            .collect()
    }

    #[test]
    fn slice_has_the_mean_rate() {
        let mut series = Series::default();
        (1..=6).for_each(|second| series.push(point(second, second as f64, 0.0)));
        assert_eq!(frames(&series, 6, 6, 3), [Some(1.5), Some(3.5), Some(5.5)]);
        assert_eq!(frames(&series, 8, 4, 2), [Some(5.5), None]);
        assert_eq!(
            frames(&series, 6, 2, 4),
            [Some(5.0), Some(5.0), Some(6.0), Some(6.0)]
        );
    }

    #[test]
    fn short_loss_stays_visible() {
        let mut series = Series::default();
        for second in 0..600 {
            let lost = if second == 300 { 7.0 } else { 0.0 };
            series.push(point(second, 1.0, lost));
        }
        let slices = series.slices(599, 600, 10);
        let lost: Vec<f64> = slices.iter().flatten().map(|s| s.lost_per_second).collect();
        assert_eq!(lost, [0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn readings_of_a_second_are_one_point() {
        let mut series = Series::default();
        series.push(point(5, 1.0, 9.0));
        series.push(point(5, 2.0, 0.0));
        let points: Vec<_> = series.points().collect();
        assert_eq!(points, [&point(5, 2.0, 9.0)]);
    }

    #[test]
    fn older_points_come_first() {
        let mut series = Series::default();
        series.push(point(10, 1.0, 0.0));
        series.prepend([point(8, 3.0, 0.0), point(9, 2.0, 0.0), point(10, 7.0, 0.0)]);
        let seconds: Vec<u64> = series.points().map(|p| p.second).collect();
        assert_eq!(seconds, [8, 9, 10]);
    }

    #[test]
    fn clock_set_back_empties_the_history() {
        let mut series = Series::default();
        (100..110).for_each(|second| series.push(point(second, 1.0, 0.0)));
        series.push(point(50, 2.0, 0.0));
        assert_eq!(series.points().count(), 1);
    }

    proptest! {
        #[test]
        fn slices_never_exceed_the_points(
            seconds in proptest::collection::vec((0_u64..5000, 0_u32..100), 0..60),
            now in 0_u64..6000, span in 1_u64..4000, columns in 0_usize..300
        ) {
            let mut series = Series::default();
            for (second, rate) in &seconds {
                series.push(point(*second, f64::from(*rate), f64::from(*rate)));
            }
            let slices = series.slices(now, span, columns);
            prop_assert_eq!(slices.len(), columns);
            for slice in slices.into_iter().flatten() {
                prop_assert!(slice.frames_per_second <= 100.0);
                prop_assert!(slice.lost_per_second <= 100.0);
            }
        }
    }
}
