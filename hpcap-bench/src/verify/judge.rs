//! Judgement of one frame after the other of one stream.

use hpcap::Timestamp;
use hpcap::raw::{Gap, Record};
use hpcap_source::generator::{Stamp, verify_cut};

use super::findings::Findings;
use super::sequence::Sequence;

/// A record's `len` that stands for this length and for all longer ones.
const LEN_CAPPED: usize = u16::MAX as usize;
/// From this length on, the headers of generated frames do not depend on the length.
const LEN_ENDLESS: usize = LEN_CAPPED + 18;
/// Shortest frame that carries a number, without and with a VLAN tag.
const SHORTEST: usize = 60;
const SHORTEST_TAGGED: usize = 64;

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Judge {
    found: Findings,
    sequence: Sequence,
    /// Whether frames are judged as they come, so that their latency can be measured.
    live: bool,
}

impl Judge {
    /// Judges frames as they come.
    pub(super) fn live(of: String) -> Self {
        Self {
            live: true,
            ..Self::new(of)
        }
    }

    pub(super) fn new(of: String) -> Self {
        Self {
            found: Findings {
                of,
                ..Findings::default()
            },
            ..Self::default()
        }
    }

    /// Judges the next frame.
    #[inline]
    pub(super) fn frame(&mut self, frame: &Record<'_>) {
        match verify_cut(frame.data, usize::from(frame.len)) {
            Some(stamp) => self.verified(frame, stamp),
            None => self.doubtful(frame),
        }
    }

    #[inline]
    fn verified(&mut self, frame: &Record<'_>, stamp: Stamp) {
        self.found.verified += 1;
        self.found.bytes += frame.data.len() as u64;
        self.sequence.see(stamp.seq);
        let stamped = frame.time.as_ns().wrapping_sub(stamp.sent_ns);
        self.found.stamped_after.add(stamped.cast_signed());
        if self.live {
            let seen = Timestamp::now().as_ns().wrapping_sub(stamp.sent_ns);
            self.found.seen_after.add(seen.cast_signed());
        }
    }

    #[cold]
    fn doubtful(&mut self, frame: &Record<'_>) {
        let len = usize::from(frame.len);
        if len == LEN_CAPPED
            && let Some(stamp) = (len..=LEN_ENDLESS).find_map(|real| verify_cut(frame.data, real))
        {
            return self.verified(frame, stamp);
        }
        match frame.data {
            // These are the generator's MAC addresses.
            [2, b'h', b'p', _, _, _, 6, b'h', b'p', rest @ ..] => {
                let tagged = rest.get(3..5) == Some(&[0x81, 0x00]);
                let shortest = if tagged { SHORTEST_TAGGED } else { SHORTEST };
                if frame.data.len() < shortest {
                    self.found.short += 1;
                } else {
                    self.found.corrupt += 1;
                }
            }
            _ => self.found.foreign += 1,
        }
    }

    /// Adds a gap record to the findings.
    pub(super) fn gap(&mut self, gap: &Gap) {
        self.found.gaps += 1;
        self.found.gap_lost += &gap.lost;
    }

    /// Returns the findings, so that the reader of the stream can add its own.
    pub(super) fn found(&mut self) -> &mut Findings {
        &mut self.found
    }

    /// Returns the number of frames of any kind so far.
    #[inline]
    pub(super) fn frames(&self) -> u64 {
        self.found.verified + self.found.corrupt + self.found.foreign + self.found.short
    }

    /// Returns how many numbers are missing so far.
    pub(super) fn missing(&self) -> u64 {
        self.sequence.missing
    }

    /// Returns the findings, completed by those about the numbers.
    pub(super) fn into_findings(self) -> Findings {
        let (mut found, sequence) = (self.found, self.sequence);
        (found.first_seq, found.last_seq) = sequence.range().unzip();
        found.missing = sequence.missing;
        found.holes = sequence.holes;
        found.reordered = sequence.reordered;
        found.repeated = sequence.repeated;
        found
    }
}
