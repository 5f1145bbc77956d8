//! A pcapng file: its interfaces and the counts of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use hpcap::pcapfile::{Interface, InterfaceId, Marks, PcapngWriter, Section, Statistics};
use hpcap::raw::{Gap, Record};
use hpcap::{Count, Ledger, Reason, Timestamp};

use super::interface_counts::InterfaceCounts;
use super::target::Output;

/// Number of the stream, and version of the interface.
type Key = (usize, usize);

/// Gaps of each stream that wait for the next frame of the stream.
pub(super) type Gaps = BTreeMap<usize, Gap>;

/// Writes a pcapng file.
pub(super) struct PcapngFile {
    writer: PcapngWriter<Output>,
    interfaces: BTreeMap<Key, Described>,
}

/// An interface of the file and its counts since the start of the file.
struct Described {
    id: InterfaceId,
    /// Frames written to the file.
    written: u64,
    /// Frames in the range, including those that the filter refused.
    seen: Count,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    lost: Ledger,
}

impl Described {
    fn extend_to(&mut self, from: Timestamp, until: Timestamp) {
        self.first = Some(self.first.map_or(from, |first| first.min(from)));
        self.last = Some(self.last.map_or(until, |last| last.max(until)));
    }

    fn add_gap(&mut self, gap: &Gap) {
        self.lost += &gap.lost;
        self.extend_to(gap.from.unwrap_or(gap.until), gap.until);
    }

    /// Returns the statistics. `whole` has the counts of the queue if the file has all frames that
    /// the queue captured.
    fn statistics(&self, whole: Option<&InterfaceCounts>) -> Statistics {
        let mut ledger = self.lost;
        ledger[Reason::Captured] += self.seen;
        let mut start = self.first;
        let mut end = self.last;
        if let Some(counted) = whole {
            ledger = counted.ledger;
            let earlier = |a: Timestamp, b: Option<Timestamp>| b.map_or(a, |b| a.min(b));
            let later = |a: Timestamp, b: Option<Timestamp>| b.map_or(a, |b| a.max(b));
            start = counted.start.map(|time| earlier(time, start)).or(start);
            end = counted.end.map(|time| later(time, end)).or(end);
        }
        let time = end.or(start).unwrap_or_default();
        let mut statistics = Statistics::of(&ledger, self.written, time);
        let refused = self.seen.frames.saturating_sub(self.written);
        statistics.accepted = statistics
            .accepted
            .map(|accepted| accepted.saturating_sub(refused));
        statistics.start = start;
        statistics.end = end;
        statistics
    }
}

/// Writes the description of an interface, unless the file already has it.
fn describe<'a>(
    writer: &mut PcapngWriter<Output>,
    interfaces: &'a mut BTreeMap<Key, Described>,
    key: Key,
    interface: &Interface,
) -> io::Result<&'a mut Described> {
    Ok(match interfaces.entry(key) {
        Entry::Occupied(there) => there.into_mut(),
        Entry::Vacant(place) => place.insert(Described {
            id: writer.interface(interface)?,
            written: 0,
            seen: Count::default(),
            first: None,
            last: None,
            lost: Ledger::default(),
        }),
    })
}

impl PcapngFile {
    pub(super) fn new(output: Output, section: &Section) -> Self {
        Self {
            writer: PcapngWriter::new(output, section),
            interfaces: BTreeMap::new(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    /// Writes a frame, with the gap before the frame if `gaps` has one of its stream.
    #[inline]
    pub(super) fn frame(
        &mut self,
        key: Key,
        interface: &Interface,
        (frame, len): (&Record<'_>, u32),
        marks: &Marks,
        gaps: &mut Gaps,
    ) -> io::Result<()> {
        let described = describe(&mut self.writer, &mut self.interfaces, key, interface)?;
        if !gaps.is_empty()
            && let Some(gap) = gaps.remove(&key.0)
        {
            self.writer.gap(described.id, &gap)?;
            described.add_gap(&gap);
        }
        self.writer
            .mark(described.id, marks, len, frame.data.len())?;
        described.written += 1;
        described.seen += Count::new(1, u64::from(frame.len));
        described.extend_to(frame.time, frame.time);
        self.writer.frame(described.id, frame.time, len, frame.data)
    }

    /// Counts a frame that is in the range but left out.
    #[inline]
    pub(super) fn refuse(
        &mut self,
        key: Key,
        interface: &Interface,
        frame: &Record<'_>,
    ) -> io::Result<()> {
        let described = describe(&mut self.writer, &mut self.interfaces, key, interface)?;
        described.seen += Count::new(1, u64::from(frame.len));
        described.extend_to(frame.time, frame.time);
        Ok(())
    }

    /// Describes every interface of the streams, so that a file without frames has interfaces.
    pub(super) fn describe_all<'a>(
        &mut self,
        streams: impl Iterator<Item = &'a [InterfaceCounts]>,
    ) -> io::Result<()> {
        for (stream, all) in streams.enumerate() {
            for (version, counted) in all.iter().enumerate() {
                let key = (stream, version);
                describe(
                    &mut self.writer,
                    &mut self.interfaces,
                    key,
                    &counted.interface,
                )?;
            }
        }
        if self.interfaces.is_empty() {
            // Readers refuse a file without an interface.
            let key = (0, 0);
            let interface = Interface::default();
            describe(&mut self.writer, &mut self.interfaces, key, &interface)?;
        }
        Ok(())
    }

    /// Counts the gaps after the last frame of each stream.
    pub(super) fn count_trailing_gaps(&mut self, gaps: &mut Gaps) {
        for (stream, gap) in std::mem::take(gaps) {
            let last = self
                .interfaces
                .range_mut((stream, 0)..(stream + 1, 0))
                .next_back();
            if let Some((_, described)) = last {
                described.add_gap(&gap);
            }
        }
    }

    /// Writes the statistics, which end the file. `whole` returns the counts of a queue if the file
    /// has all frames that the queue captured.
    pub(super) fn write_statistics<'a>(
        &mut self,
        whole: &dyn Fn(Key) -> Option<&'a InterfaceCounts>,
    ) -> io::Result<()> {
        for (key, described) in &self.interfaces {
            let statistics = described.statistics(whole(*key));
            self.writer.statistics(described.id, &statistics)?;
        }
        Ok(())
    }

    /// Writes what is still in memory, and returns the output.
    pub(super) fn into_output(self) -> io::Result<Output> {
        self.writer.into_inner()
    }
}
