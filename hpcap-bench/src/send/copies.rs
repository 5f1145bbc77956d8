//! Copies of frames that were sent before, as a network with a mirror port on both sides of a switch
//! brings them.
//!
//! The copies come at random: the numbers of frames between two copies are those of a Poisson
//! process, and so is the distance between a frame and its copy. The same settings give the same
//! copies in each run.

use hpcap::{Error, Result};
use hpcap_source::{BATCH, Frame};

/// Mean number of frames between a frame and its copy, by default.
pub const COPY_DISTANCE: u32 = 100;
/// Longest distance between a frame and its copy, in frames.
const DISTANCE_MAX: usize = 1024;
/// Frames that are kept: those that a copy may be of, and those of the current batch.
const KEPT: usize = DISTANCE_MAX + BATCH;

/// Part of the frames that are sent twice, and the distance of the copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CopySettings {
    /// Part of all sent frames that are copies, from 0 to below 1.
    part: f64,
    /// Mean number of frames between a frame and its copy.
    distance: u32,
}

impl CopySettings {
    /// Creates settings.
    ///
    /// # Errors
    /// [`hpcap::Kind::Usage`] for a part that is not from 0 to 0.9, and for a distance that is not
    /// from 1 to 1000.
    pub fn new(part: f64, distance: u32) -> Result<Self> {
        if !(0.0..=0.9).contains(&part) {
            let why = "expected a part of all frames from 0 to 0.9";
            return Err(Error::usage(format!("send {part} copies"), why));
        }
        if !(1..=1000).contains(&distance) {
            let why = "expected a mean distance of 1 to 1000 frames";
            return Err(Error::usage(format!("send copies {distance} later"), why));
        }
        Ok(Self { part, distance })
    }
}

/// Frames to send, some of them copies.
#[derive(Debug, Default)]
pub(super) struct Outgoing<'a> {
    pub(super) frames: Vec<Frame<'a>>,
    /// Whether each of the frames is a copy.
    pub(super) is_copy: Vec<bool>,
}

impl<'a> Outgoing<'a> {
    fn push(&mut self, frame: Frame<'a>, is_copy: bool) {
        self.frames.push(frame);
        self.is_copy.push(is_copy);
    }
}

/// The frames that were sent last, and the decision which of them are sent again.
#[derive(Debug)]
pub(super) struct Copies {
    settings: CopySettings,
    random: Random,
    /// The last frames, in the order of their places: frame `n` is at `n % KEPT`.
    kept: Vec<Vec<u8>>,
    /// Number of frames that were kept so far.
    seen: usize,
    /// Number of frames until the next copy, which may be a fraction of one.
    until_next: f64,
}

impl Copies {
    pub(super) fn new(settings: CopySettings) -> Self {
        let mut copies = Self {
            settings,
            random: Random(1),
            kept: vec![Vec::new(); KEPT],
            seen: 0,
            until_next: 0.0,
        };
        copies.until_next = copies.frames_between();
        copies
    }

    /// Returns the number of frames until the next copy.
    fn frames_between(&mut self) -> f64 {
        let CopySettings { part, .. } = self.settings;
        if part <= 0.0 {
            return f64::INFINITY;
        }
        self.random.exponential((1.0 - part) / part)
    }

    /// Returns the number of frames between a frame and its copy, of which `there` are kept.
    fn distance(&mut self, there: usize) -> usize {
        let drawn = self.random.exponential(f64::from(self.settings.distance));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and the cast saturates"
        )]
        let frames = drawn.round() as usize;
        frames.clamp(1, DISTANCE_MAX.min(there))
    }

    /// Returns `frames`, which are at most a batch, with copies among them.
    pub(super) fn add<'a>(&'a mut self, frames: &[Frame<'a>]) -> Outgoing<'a> {
        let first = self.seen;
        // The places of copies: how many of `frames` come before, and which frame it is.
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (n, frame) in frames.iter().enumerate() {
            let place = &mut self.kept[(first + n) % KEPT];
            place.clear();
            place.extend_from_slice(frame.data());
            self.seen += 1;
            self.until_next -= 1.0;
            while self.until_next <= 0.0 {
                let distance = self.distance(self.seen);
                places.push((n + 1, self.seen - distance));
                self.until_next += self.frames_between();
            }
        }
        let kept = &self.kept;
        let mut places = places.into_iter().peekable();
        let mut all = Outgoing::default();
        for (n, frame) in frames.iter().enumerate() {
            all.push(*frame, false);
            while let Some((_, number)) = places.next_if(|(before, _)| *before == n + 1) {
                let data = kept[number % KEPT].as_slice();
                let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
                all.push(Frame::new(data, len, frame.sec, frame.nsec), true);
            }
        }
        all
    }
}

/// Numbers that look random (xorshift64*, by Marsaglia and Vigna).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number of an exponential distribution with this mean.
    fn exponential(&mut self, mean: f64) -> f64 {
        let uniform = ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        -mean * uniform.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpcap_source::SourceSpec;
    use hpcap_source::generator::verify;

    /// Returns the numbers of the sent frames, and whether each is a copy.
    fn sent(part: f64, distance: u32, frames: u64) -> Vec<(u64, bool)> {
        let spec: SourceSpec = format!("gen:count={frames}").parse().unwrap();
        let mut source = spec.open().unwrap();
        let mut copies = Copies::new(CopySettings::new(part, distance).unwrap());
        let mut all = Vec::new();
        loop {
            let harvest = source.harvest().unwrap();
            let outgoing = copies.add(harvest.frames);
            for (frame, is_copy) in outgoing.frames.iter().zip(outgoing.is_copy) {
                all.push((verify(frame.data()).unwrap().seq, is_copy));
            }
            if harvest.state == hpcap_source::State::Ended {
                return all;
            }
        }
    }

    #[test]
    fn as_many_copies_are_sent_as_asked() {
        for part in [0.0, 0.1, 0.5] {
            let all = sent(part, 100, 100_000);
            let copies = all.iter().filter(|(_, copy)| *copy).count();
            let found = copies as f64 / all.len() as f64;
            assert!((found - part).abs() < 0.01, "{part}: {found}");
            assert_eq!(all.len() - copies, 100_000);
        }
    }

    #[test]
    fn copy_is_of_a_frame_sent_shortly_before() {
        let (mut newest, mut total, mut copies) = (0, 0, 0);
        for (seq, is_copy) in sent(0.3, 20, 50_000) {
            if !is_copy {
                newest = seq;
                continue;
            }
            assert!(seq <= newest && newest - seq < DISTANCE_MAX as u64);
            total += newest - seq + 1;
            copies += 1;
        }
        let mean = total as f64 / f64::from(copies);
        assert!((18.0..23.0).contains(&mean), "{mean}");
    }

    #[test]
    fn impossible_settings_are_refused() {
        for (part, distance) in [(1.0, 1), (-0.1, 1), (f64::NAN, 1), (0.1, 0), (0.1, 1001)] {
            assert!(
                CopySettings::new(part, distance).is_err(),
                "{part} {distance}"
            );
        }
    }
}
