//! Describes the first record that differs from the expected frame.

use std::fmt::Write as _;

use hpcap::Result;

use super::expected::{Place, Sent};
use super::recording::{Next, Stored, Stream};
use crate::nic::Outcome;
use crate::traffic::record::Record;

/// The `len` of a record is at most this value, which also stands for all longer frames.
const LEN_MAX: usize = u16::MAX as usize;

/// Returns whether `stored` is `frame`, either complete or truncated to the capture length.
pub(super) fn is(stored: Stored<'_>, frame: &[u8], caplen: u32) -> bool {
    usize::from(stored.len) == frame.len().min(LEN_MAX)
        && stored.data == &frame[..kept(frame, caplen)]
}

/// Returns the number of bytes of `frame` that a record holds.
fn kept(frame: &[u8], caplen: u32) -> usize {
    let caplen = match caplen {
        0 => LEN_MAX,
        n => (n as usize).min(LEN_MAX),
    };
    frame.len().min(caplen)
}

/// A wrong record and the expected frame.
#[derive(Debug)]
pub(super) struct Wrong<'a> {
    pub(super) record: &'a Record,
    pub(super) queue: u16,
    /// The record in the file, and its position.
    pub(super) stored: Stored<'a>,
    pub(super) at: String,
    pub(super) caplen: u32,
    /// The frame that the record should hold; `None` after the last frame.
    pub(super) expected: Option<(&'a [u8], Place)>,
}

impl Wrong<'_> {
    /// Describes the difference in a few lines. `rest` is the remainder of the stream.
    pub(super) fn explain(&self, rest: &mut Stream) -> Result<String> {
        let mut text = format!("{}:", self.at);
        match self.expected {
            Some((frame, place)) => {
                let len = frame.len();
                let _ = write!(text, "\n  expected {place} ({len} bytes)");
            }
            None => text += "\n  expected nothing: all frames of this queue are there already",
        }
        match (self.origin()?, self.expected) {
            (Some((place, outcome)), expected) => {
                let _ = write!(text, "\n  found {place}, ");
                text += &match (outcome, expected) {
                    (Outcome::Delivered { queue }, _) if queue != self.queue => {
                        format!("which the NIC put into queue {queue}")
                    }
                    (Outcome::Delivered { .. }, Some((frame, wanted))) if place > wanted => {
                        match self.comes_later(frame, rest)? {
                            Some(later) => format!(
                                "which was sent later: frames are out of order; {wanted} is in {later}"
                            ),
                            None => format!(
                                "which was sent later: frames are missing, and neither a gap \
                                 record nor the ledger says so; {wanted} is nowhere after this"
                            ),
                        }
                    }
                    (Outcome::Delivered { .. }, _) => {
                        "which was sent before: it is there twice, or too late".to_owned()
                    }
                    (outcome, _) => format!("which the NIC never delivered ({outcome})"),
                };
            }
            (None, Some((frame, _))) => text += &self.compare(frame),
            (None, None) => text += "\n  found a frame that nobody sent",
        }
        Ok(text)
    }

    /// Finds the frame that the record holds: the expected one, a later one, or else an earlier
    /// one.
    fn origin(&self) -> Result<Option<(Place, Outcome)>> {
        let mut sent = Sent::new(self.record);
        let mut before = None;
        while sent.advance()? {
            if !is(self.stored, sent.frame(), self.caplen) {
                continue;
            }
            let found = (sent.place(), sent.outcome());
            match self.expected {
                Some((_, wanted)) if sent.place() >= wanted => return Ok(Some(found)),
                _ => before = Some(found),
            }
        }
        Ok(before)
    }

    /// Finds `frame` in the rest of the recording.
    fn comes_later(&self, frame: &[u8], rest: &mut Stream) -> Result<Option<String>> {
        loop {
            match rest.advance()? {
                Next::End => return Ok(None),
                Next::Frame => {}
                Next::Gap(_) => continue,
            }
            if rest
                .stored()
                .is_some_and(|stored| is(stored, frame, rest.caplen))
            {
                return Ok(Some(rest.place()));
            }
        }
    }

    /// Describes how the record differs from `frame`.
    fn compare(&self, frame: &[u8]) -> String {
        let Stored { len, data } = self.stored;
        let mut text = String::from("\n  found a frame that nobody sent:");
        if usize::from(len) != frame.len().min(LEN_MAX) {
            let _ = write!(text, " it says {len} bytes,");
        }
        let kept = kept(frame, self.caplen);
        if data.len() != kept {
            let _ = write!(text, " {} bytes are kept, not {kept},", data.len());
        }
        let differ: Vec<_> = data
            .iter()
            .zip(frame)
            .enumerate()
            .filter(|(_, (found, wanted))| found != wanted)
            .collect();
        match differ.first() {
            None => text += " the bytes that are there are right",
            Some((at, (found, wanted))) => {
                let _ = write!(
                    text,
                    " {} of its bytes differ, the first at {at}: {found:#04x}, not {wanted:#04x}",
                    differ.len()
                );
            }
        }
        text
    }
}
