//! Judges frame after frame of one stream.

use hpcap::raw::{Gap, Record};
use hpcap_source::generator::{Stamp, verify_cut};

use super::findings::Findings;
use super::sequence::Sequence;

/// A record's `len` that stands for this length and all longer ones.
const LEN_CAPPED: usize = u16::MAX as usize;
/// From this length on, the headers of generated frames are all the same.
const LEN_ENDLESS: usize = LEN_CAPPED + 18;
/// The shortest frame that carries a number: without and with a VLAN tag.
const SHORTEST: usize = 60;
const SHORTEST_TAGGED: usize = 64;

/// The state between frames.
#[derive(Debug, Default)]
pub(super) struct Judge {
    found: Findings,
    sequence: Sequence,
}

impl Judge {
    pub(super) fn new(of: String) -> Self {
        Self {
            found: Findings {
                of,
                ..Findings::default()
            },
            sequence: Sequence::default(),
        }
    }

    /// A frame.
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
            // The generator's addresses.
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

    /// Frames are missing here.
    pub(super) fn gap(&mut self, gap: &Gap) {
        self.found.gaps += 1;
        self.found.gap_lost += &gap.lost;
    }

    /// Everything that was not judged: for whoever reads the stream.
    pub(super) fn found(&mut self) -> &mut Findings {
        &mut self.found
    }

    /// Frames of any kind so far.
    #[inline]
    pub(super) fn frames(&self) -> u64 {
        self.found.verified + self.found.corrupt + self.found.foreign + self.found.short
    }

    /// Numbers that are missing so far.
    pub(super) fn missing(&self) -> u64 {
        self.sequence.missing
    }

    /// The findings about the numbers go into the others.
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
