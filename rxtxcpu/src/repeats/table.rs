//! Counting equal frames in a limited amount of memory.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use hpcap::Timestamp;

use super::describe::Described;

/// Largest number of frames that are remembered for a stream. When the table is full, the rarer half is forgotten, so a
/// frame that repeats often stays.
const FRAMES_MAX: usize = 8192;
/// Bytes that are remembered of a frame, for its description: headers of Ethernet, VLAN, IPv6, TCP.
const SAMPLE_BYTES: usize = 96;

/// A frame that was sent several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// How often it was sent.
    pub times: u64,
    /// When it was sent first.
    pub first: Timestamp,
    /// When it was sent last.
    pub last: Timestamp,
    /// Its length in bytes.
    pub len: u32,
    /// Its first bytes.
    sample: Vec<u8>,
    link_type: u32,
}

/// The frames of a stream, by their contents.
#[derive(Debug)]
pub struct RepeatTable {
    frames: HashMap<u64, Repeat>,
    hasher: RandomState,
    link_type: u32,
}

impl RepeatTable {
    /// Creates a table for frames of `link_type` (LINKTYPE_ value).
    #[must_use]
    pub fn new(link_type: u32) -> Self {
        Self {
            frames: HashMap::new(),
            hasher: RandomState::new(),
            link_type,
        }
    }

    /// Counts a frame of `len` bytes, of which `data` was captured.
    pub fn add(&mut self, time: Timestamp, len: u32, data: &[u8]) {
        let key = self.hasher.hash_one((len, data));
        if let Some(known) = self.frames.get_mut(&key) {
            known.times += 1;
            known.last = time;
            return;
        }
        if self.frames.len() >= FRAMES_MAX {
            self.forget_rare();
        }
        let repeat = Repeat {
            times: 1,
            first: time,
            last: time,
            len,
            sample: data[..data.len().min(SAMPLE_BYTES)].to_vec(),
            link_type: self.link_type,
        };
        self.frames.insert(key, repeat);
    }

    fn forget_rare(&mut self) {
        let mut times: Vec<u64> = self.frames.values().map(|frame| frame.times).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.frames.retain(|_, frame| frame.times > median);
    }

    /// Returns the frames that were sent at least `times` times, the most frequent first.
    #[must_use]
    pub fn into_repeats(self, times: u64) -> Vec<Repeat> {
        let frames = self.frames.into_values();
        let mut repeats: Vec<Repeat> = frames.filter(|frame| frame.times >= times).collect();
        repeats.sort_by(|a, b| b.times.cmp(&a.times).then(a.first.cmp(&b.first)));
        repeats
    }
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = Duration::from_nanos(self.last.as_ns().saturating_sub(self.first.as_ns()));
        let described = Described::new(&self.sample, self.link_type);
        write!(
            f,
            "{} times in {:.3} s: {} bytes, {described}",
            self.times,
            span.as_secs_f64(),
            self.len
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64) -> Timestamp {
        Timestamp::from_ns(ns)
    }

    #[test]
    fn equal_frames_are_counted_together() {
        let mut table = RepeatTable::new(1);
        for n in 0..5 {
            table.add(at(n), 60, &[1; 60]);
            table.add(at(n), 61, &[1; 60]);
        }
        table.add(at(9), 60, &[2; 60]);
        let repeats = table.into_repeats(2);
        let counts: Vec<_> = repeats.iter().map(|r| (r.times, r.len, r.last)).collect();
        assert_eq!(counts.len(), 2);
        assert!(counts.contains(&(5, 60, at(4))) && counts.contains(&(5, 61, at(4))));
    }

    #[test]
    fn stuck_frame_stays_among_many_others() {
        let mut table = RepeatTable::new(1);
        for n in 0..200_000_u64 {
            table.add(at(n), 60, &n.to_le_bytes());
            if n % 10 == 0 {
                table.add(at(n), 60, b"stuck");
            }
            assert!(table.frames.len() <= FRAMES_MAX);
        }
        let repeats = table.into_repeats(100);
        assert_eq!(repeats.len(), 1);
        assert_eq!(repeats[0].times, 20_000);
    }
}
