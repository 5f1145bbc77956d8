//! The record of the frames that were offered to a NIC, and of their outcomes.

use std::collections::BTreeMap;
use std::fs;
use std::ops::AddAssign;
use std::path::Path;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use super::content::Frames;
use super::runs::Runs;
use crate::nic::Outcome;

/// Version of the file format.
const FORMAT: u32 = 1;

/// Frames and their bytes on the wire, without FCS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Number of frames.
    pub frames: u64,
    /// Sum of their lengths.
    pub bytes: u64,
}

impl Amount {
    /// Counts one more frame of `len` bytes.
    #[inline]
    pub fn add(&mut self, len: usize) {
        self.frames += 1;
        self.bytes += len as u64;
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
}

/// Sums over the outcomes of frames.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// All frames that were sent: the sum of the other fields.
    pub offered: Amount,
    /// Frames in the guest's memory, by Rx queue.
    pub delivered: BTreeMap<u16, Amount>,
    /// Frames without a descriptor, or without room in the NIC.
    pub missed: Amount,
    /// Frames that the NIC's address or VLAN filter refused.
    pub filtered: Amount,
    /// Frames that were received damaged.
    pub errors: Amount,
    /// Frames in the guest's memory that a fault changed, by Rx queue.
    pub spoiled: BTreeMap<u16, Amount>,
    /// Frames sent while the link was down or reception was off.
    pub down: Amount,
    /// Frames that were still in the NIC when its driver reset it. Their bytes are not known.
    pub discarded: Amount,
}

impl Totals {
    /// Counts one more frame of `len` bytes.
    pub fn add(&mut self, outcome: Outcome, len: usize) {
        self.offered.add(len);
        match outcome {
            Outcome::Delivered { queue } => self.delivered.entry(queue).or_default(),
            Outcome::Spoiled { queue } => self.spoiled.entry(queue).or_default(),
            Outcome::Missed => &mut self.missed,
            Outcome::Filtered => &mut self.filtered,
            Outcome::Error => &mut self.errors,
            Outcome::Down => &mut self.down,
            Outcome::Discarded => &mut self.discarded,
        }
        .add(len);
    }

    /// Returns the sum of the frames delivered to all queues.
    #[must_use]
    pub fn all_delivered(&self) -> Amount {
        let mut all = Amount::default();
        self.delivered.values().for_each(|n| all += *n);
        all
    }
}

/// Frames from one source, from its start until it ended or was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The source as it was requested.
    pub source: String,
    /// Source that generates the same frames again ([`super::content`]). The first frames of it are
    /// those of `runs`.
    pub content: String,
    /// The outcome of each frame.
    pub runs: Runs,
}

/// Everything that was offered to one NIC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    format: u32,
    /// Name of the NIC.
    pub nic: String,
    /// Whether the NIC tells its driver how many frames it missed; a virtual function does not.
    pub counts_missed: bool,
    /// Sum over all segments.
    pub totals: Totals,
    /// The segments in chronological order.
    pub segments: Vec<Segment>,
}

impl Record {
    /// Creates an empty record of a NIC. `counts_missed` says whether the NIC counts missed frames.
    #[must_use]
    pub fn new(nic: impl Into<String>, counts_missed: bool) -> Self {
        Self {
            format: FORMAT,
            nic: nic.into(),
            counts_missed,
            ..Self::default()
        }
    }

    /// Adds a frame to the last segment.
    #[inline]
    pub fn add(&mut self, outcome: Outcome, len: usize) {
        self.totals.add(outcome, len);
        if let Some(segment) = self.segments.last_mut() {
            segment.runs.push(outcome);
        }
    }

    /// Changes the outcome of the last `frames` frames of `queue`, which were discarded from the
    /// packet buffer. Their bytes are known after [`recount`](Self::recount).
    pub fn discard(&mut self, queue: u16, frames: u64) {
        let was = Outcome::Delivered { queue };
        let mut left = frames;
        for segment in self.segments.iter_mut().rev() {
            left -= segment.runs.revise(was, left, Outcome::Discarded);
        }
        let revised = frames - left;
        self.totals.discarded.frames += revised;
        if let Some(delivered) = self.totals.delivered.get_mut(&queue) {
            delivered.frames -= revised;
        }
    }

    /// Computes the totals again from the frames.
    ///
    /// # Errors
    /// Fails as the sources do.
    pub fn recount(&mut self) -> Result<()> {
        let mut totals = Totals::default();
        for segment in &self.segments {
            let mut frames = Frames::open(&segment.content.parse()?)?;
            for outcome in segment.runs.outcomes() {
                let len = frames.next()?.map_or(0, <[u8]>::len);
                totals.add(outcome, len);
            }
        }
        self.totals = totals;
        Ok(())
    }

    /// Returns the Rx queues that frames were delivered to.
    pub fn queues(&self) -> impl Iterator<Item = u16> + '_ {
        self.totals.delivered.keys().copied()
    }

    /// Reads a record from a file.
    ///
    /// # Errors
    /// Those of the file system, [`Kind::Format`] for a file that is not a record, and
    /// [`Kind::Version`] for a record of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let tried = || format!("read {}", path.display());
        let text = fs::read_to_string(path).context(tried)?;
        let record: Self = serde_json::from_str(&text)
            .map_err(|e| Error::new(Kind::Format, tried(), e.to_string()))?;
        if record.format != FORMAT {
            return Err(Error::new(
                Kind::Version,
                tried(),
                format!("it has format {}, this program {FORMAT}", record.format),
            ));
        }
        Ok(record)
    }

    /// Writes the record to a file.
    ///
    /// # Errors
    /// Fails with errors of the file system.
    pub fn write(&self, path: &Path) -> Result<()> {
        let tried = || format!("write {}", path.display());
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::new(Kind::Format, tried(), e.to_string()))?;
        fs::write(path, text + "\n").context(tried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_reads_back() {
        let mut record = Record::new("nic0", true);
        record.segments.push(Segment {
            source: "gen:count=3".into(),
            content: "gen:count=3,start=1".into(),
            runs: Runs::default(),
        });
        record.add(Outcome::Delivered { queue: 1 }, 60);
        record.add(Outcome::Missed, 100);
        record.add(Outcome::Delivered { queue: 1 }, 60);
        assert_eq!(record.segments[0].runs.to_string(), "1 missed 1");
        assert_eq!(record.totals.offered.bytes, 220);
        assert_eq!(record.totals.all_delivered().frames, 2);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nic0.record.json");
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
    }

    #[test]
    fn discarded_frames_are_not_delivered() {
        let mut record = Record::new("nic0", true);
        record.segments.push(Segment {
            source: "gen:size=60-100,count=6".into(),
            content: "gen:size=60-100,count=6,start=1".into(),
            runs: Runs::default(),
        });
        for queue in [0, 1, 1, 0, 1, 0] {
            record.add(Outcome::Delivered { queue }, 60);
        }
        record.discard(1, 2);
        assert_eq!(
            record.segments[0].runs.to_string(),
            "0 1 discarded 0 discarded 0"
        );
        record.recount().unwrap();
        assert_eq!(record.totals.delivered[&1].frames, 1);
        assert_eq!(record.totals.discarded.frames, 2);
        assert_eq!(record.totals.offered.frames, 6);
        assert!(record.totals.offered.bytes > 360);
    }

    #[test]
    fn unknown_format_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        let mut record = Record::new("nic0", true);
        record.format = 99;
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap_err().kind(), Kind::Version);
        fs::write(&path, "{}").unwrap();
        assert_eq!(Record::read(&path).unwrap_err().kind(), Kind::Format);
    }
}
