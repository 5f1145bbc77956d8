//! Frames that can be generated again, byte for byte, from a line of text.
//!
//! A proof needs the frames that were sent. The record of traffic does not store them. Instead, it
//! stores the specification of their *content*: the requested source, without anything that depends
//! on the clock or on the listener. A generator's frames then carry the times at which they would
//! be due at 10 Gb/s from a recorded start, and a file is read at full speed. Frames of a live
//! interface cannot be generated again, so they are written to a file.

use hpcap::{Error, Result, Timestamp};
use hpcap_source::generator::Late;
use hpcap_source::pcap::Speed;
use hpcap_source::{Source, SourceSpec, State};

/// Shortest length of a frame on the wire without FCS. The sender's MAC pads shorter frames (IEEE
/// 802.3, 4A.2.3.2.4: 64 bytes with FCS).
pub const SHORTEST: usize = 60;

/// Returns the source of the same frames as `source`, without a pace. A generator without a start
/// time gets the start time `now`. Returns `None` for frames that cannot be generated again.
///
/// # Errors
/// [`Usage`](hpcap::Kind::Usage) for a generator that should miss frames, because the wire loses
/// none.
pub fn content_of(source: &SourceSpec, now: Timestamp) -> Result<Option<SourceSpec>> {
    Ok(match source {
        SourceSpec::Generator(spec) if spec.late == Some(Late::Miss) => {
            return Err(Error::usage(
                format!("traffic {source}: late=miss"),
                "expected late=delay, or no late=: a sender misses no frame",
            ));
        }
        SourceSpec::Generator(spec) => {
            let mut spec = spec.clone();
            (spec.rate, spec.late, spec.duration) = (None, None, None);
            spec.start_ns.get_or_insert(now.as_ns());
            Some(SourceSpec::Generator(spec))
        }
        SourceSpec::Pcap(spec) => {
            let mut spec = spec.clone();
            spec.speed = Speed::Max;
            Some(SourceSpec::Pcap(spec))
        }
        SourceSpec::AfPacket(_) | SourceSpec::AfXdp(_) | SourceSpec::Auto(_) => None,
    })
}

/// Consecutive frames, as they are sent on the wire.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Chunk {
    /// Removes all frames.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a frame, padded as a sender's MAC pads it.
    pub fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        if frame.len() < SHORTEST {
            self.bytes
                .resize(self.bytes.len() + SHORTEST - frame.len(), 0);
        }
        self.ends.push(self.bytes.len());
    }

    /// Returns the number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no frames.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns frame number `index`, or `None` if there are not so many.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let start = match index {
            0 => 0,
            _ => *self.ends.get(index - 1)?,
        };
        self.bytes.get(start..*self.ends.get(index)?)
    }
}

/// Replaces the frames of `chunk` with those that `source` has now.
///
/// # Errors
/// Fails as the source does.
pub fn refill(source: &mut dyn Source, chunk: &mut Chunk) -> Result<State> {
    chunk.clear();
    let harvest = source.harvest()?;
    for frame in harvest.frames.iter() {
        chunk.push(frame.data());
    }
    Ok(harvest.state)
}

/// The frames of a content, one after the other.
pub struct Frames {
    source: Box<dyn Source>,
    chunk: Chunk,
    next: usize,
    /// Number of frames that were returned.
    taken: u64,
    ended: bool,
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl Frames {
    /// Opens a content at its first frame.
    ///
    /// # Errors
    /// Fails as [`SourceSpec::open`] does.
    pub fn open(content: &SourceSpec) -> Result<Self> {
        Ok(Self {
            source: content.open()?,
            chunk: Chunk::default(),
            next: 0,
            taken: 0,
            ended: false,
        })
    }

    /// Returns the next frame, or `None` after the last one.
    ///
    /// # Errors
    /// Fails as the source does.
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends, an iterator cannot"
    )]
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        while self.next >= self.chunk.len() && !self.ended {
            self.next = 0;
            self.ended = refill(&mut *self.source, &mut self.chunk)? == State::Ended;
        }
        let frame = self.chunk.get(self.next);
        self.next += 1;
        self.taken += u64::from(frame.is_some());
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> String {
        content_of(&text.parse().unwrap(), Timestamp::from_ns(77))
            .unwrap()
            .unwrap()
            .to_string()
    }

    #[test]
    fn content_ignores_rate() {
        assert_eq!(content("gen:"), "gen:start=77");
        assert_eq!(
            content("gen:size=imix,rate=10kpps,count=5,duration=9s,late=delay,start=5"),
            "gen:size=imix,count=5,start=5"
        );
        assert_eq!(
            content("pcap:a.pcap,speed=real,loop=3"),
            "pcap:a.pcap,loop=3"
        );
    }

    #[test]
    fn interface_cannot_be_opened_twice() {
        let now = Timestamp::from_ns(1);
        let miss = "gen:rate=1kpps,late=miss".parse().unwrap();
        assert!(content_of(&miss, now).is_err());
        let live = "af_packet:eth0".parse().unwrap();
        assert_eq!(content_of(&live, now).unwrap(), None);
    }

    #[test]
    fn content_repeats_with_short_frames_padded() {
        let spec = "gen:size=14-100,count=1000,start=9".parse().unwrap();
        let all = || {
            let mut frames = Frames::open(&spec).unwrap();
            let mut all = Vec::new();
            while let Some(frame) = frames.next().unwrap() {
                all.push(frame.to_vec());
            }
            all
        };
        let frames = all();
        assert_eq!(frames.len(), 1000);
        assert_eq!(frames.iter().map(Vec::len).min(), Some(SHORTEST));
        assert_eq!(frames.iter().map(Vec::len).max(), Some(100));
        assert_eq!(frames, all());
    }
}
