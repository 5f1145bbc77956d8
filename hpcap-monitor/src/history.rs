//! The last hour and the last day, for the page.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hpcap::Timestamp;

use crate::log::reader::Reader;
use crate::log::{FULL, index, retention};
use crate::report::{Bucket, Buckets};
use crate::sample::Causes;
use crate::span::{Span, spans_between};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Largest number of adapters and interfaces with a history. Each takes some 40 KiB of memory.
const MOST: usize = 96;

/// The past of an adapter or interface.
#[derive(Debug, Clone)]
pub struct Past {
    /// The last hour, by ten seconds.
    pub hour: Buckets,
    /// The last day, by five minutes.
    pub day: Buckets,
    /// The last time between two samples in which frames were lost.
    pub last_loss: Option<Span>,
}

impl Default for Past {
    fn default() -> Self {
        Self {
            hour: Buckets::of_newest(Duration::from_secs(10), 361),
            day: Buckets::of_newest(Duration::from_secs(300), 289),
            last_loss: None,
        }
    }
}

impl Past {
    fn add(&mut self, span: &Span) {
        self.hour.add(span);
        self.day.add(span);
        if span.traffic.lost.frames > 0 {
            self.last_loss = Some(span.clone());
        }
    }

    /// Returns the frames lost in the hour before `now`.
    #[must_use]
    pub fn lost_in_hour(&self, now: Timestamp) -> Causes {
        lost_in(&self.hour, now, HOUR)
    }

    /// Returns the frames lost in the day before `now`.
    #[must_use]
    pub fn lost_in_day(&self, now: Timestamp) -> Causes {
        lost_in(&self.day, now, DAY)
    }
}

fn lost_in(buckets: &Buckets, now: Timestamp, time: Duration) -> Causes {
    let mut lost = Causes::default();
    let cut = buckets.cut(before(now, time), now, usize::MAX);
    cut.parts
        .iter()
        .for_each(|part: &Bucket| lost.add_all(&part.lost));
    lost
}

/// Returns the time that is `time` before `now`.
#[must_use]
pub fn before(now: Timestamp, time: Duration) -> Timestamp {
    let length = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Timestamp::from_ns(now.as_ns().saturating_sub(length))
}

/// The last hour and day of all adapters and interfaces that had frames.
#[derive(Debug, Clone, Default)]
pub struct History {
    all: BTreeMap<String, Past>,
}

impl History {
    /// Reads the last day from the full log below `basedir`. What cannot be read is missing.
    #[must_use]
    pub fn read(basedir: &Path, now: Timestamp) -> Self {
        let mut history = Self::default();
        let start = before(now, DAY).sec().saturating_sub(HOUR.as_secs());
        let hours = retention::hours(&basedir.join(FULL)).into_iter();
        for hour in hours.filter(|hour| hour.start >= start) {
            let index = index::path_of(&hour.path);
            match index::names(&index) {
                Ok(names) => {
                    for name in names {
                        let spans = index::read(&index, &name).unwrap_or_default().spans;
                        spans.iter().for_each(|span| history.add(&name, span));
                    }
                }
                Err(_) => history.read_samples(&hour.path),
            }
        }
        history
    }

    fn read_samples(&mut self, path: &Path) {
        let Ok(mut reader) = Reader::open(path) else {
            return;
        };
        let mut before = None;
        while let Ok(Some(now)) = reader.read() {
            for (name, span) in before.iter().flat_map(|before| spans_between(before, &now)) {
                self.add(&name, &span);
            }
            before = Some(now);
        }
    }

    /// Adds what happened to `name`. An adapter or interface without frames has no history.
    pub fn add(&mut self, name: &str, span: &Span) {
        if let Some(past) = self.all.get_mut(name) {
            past.add(span);
            return;
        }
        let traffic = &span.traffic;
        if traffic.received.frames + traffic.lost.frames > 0 && self.all.len() < MOST {
            self.all.entry(name.to_owned()).or_default().add(span);
        }
    }

    /// Returns the past of `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Past> {
        self.all.get(name)
    }

    /// Returns all names with their past.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Past)> {
        self.all.iter().map(|(name, past)| (name.as_str(), past))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::log::full::{header, line};
    use crate::sample::tests::{queue, sample};

    /// 2026-11-20T06:00:00Z.
    const START: u32 = 1_795_154_400;

    #[test]
    fn history_comes_from_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FULL);
        std::fs::create_dir(&folder).unwrap();
        // Each second 3 frames, and in each minute a loss; the first hour has an index.
        for hour in 0..2_u32 {
            let mut text = header(Duration::from_secs(1), "boot");
            for second in hour * 3600..=(hour + 1) * 3600 {
                let lost = u64::from(second / 60);
                let one = queue("hpcap0", START, u64::from(3 * second), lost);
                text.extend(line(&sample(START + second, vec![one])));
            }
            let path = folder.join(format!("2026-11-20T0{}Z.jsonl", 6 + hour));
            std::fs::write(&path, text).unwrap();
            if hour == 0 {
                index::write(&path).unwrap();
            }
        }
        let now = Timestamp::new(START + 7200, 0);
        let history = History::read(dir.path(), now);
        let past = history.of("hpcap0").unwrap();
        assert_eq!(past.lost_in_day(now).ring_full, 120);
        let hour = past.lost_in_hour(now).ring_full;
        // Parts of the hour are ten seconds long.
        assert!((59..=61).contains(&hour), "{hour}");
        assert_eq!(past.last_loss.as_ref().unwrap().end.sec(), now.sec());
        let later = Timestamp::new(START + 20_000, 0);
        assert_eq!(past.lost_in_hour(later).ring_full, 0);
        assert_eq!(past.lost_in_day(later).ring_full, 120);
    }

    #[test]
    fn idle_interface_has_no_history() {
        let mut history = History::default();
        history.add(
            "eth0",
            &Span::without_data(Timestamp::new(1, 0), Timestamp::new(2, 0)),
        );
        assert!(history.of("eth0").is_none());
    }
}
