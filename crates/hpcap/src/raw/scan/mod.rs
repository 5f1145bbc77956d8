//! Finding the records in bytes that may be damaged.
//!
//! A RAW file has no marks between its records: each is found by the length of the one
//! before. So a record is only believed when what follows it is believable too, and after
//! damage the next record is searched by a *chain*: a position from which several headers in
//! a row make sense, with times near those before. A chain that is whole (`whole`) is read whole:
//! plausibility is only for finding the way back. Nothing is ever guessed inside a stretch
//! that does not have one; it is reported as damage, with its place and its size.

mod damage;
mod plausible;
mod search;
mod whole;

use crate::abi::{HPCAP_RECORD_BYTES, HPCAP_RECORD_BYTES_MAX, hpcap_record};
use crate::raw::record::{header, is_padding};
use crate::raw::tag::Tag;

pub use damage::{Damage, DamageKind};
use plausible::{HEADER, chain, end_of, is_empty_padding, lengths_lead_on, near, possible, sound};
use whole::Whole;

/// What the quick look needs: the largest record, and the header after it.
const SHORT_LOOK: usize = HPCAP_RECORD_BYTES_MAX + HPCAP_RECORD_BYTES;
/// Bytes that a scan wants to see ahead when something is wrong.
const LOOKAHEAD: usize = 10 * HPCAP_RECORD_BYTES_MAX;
/// Bytes after a place that are kept for the chain that starts there.
const CHAIN_ROOM: usize = 7 * HPCAP_RECORD_BYTES_MAX;
/// Records in a row that prove a place, with the time of an earlier frame to compare with.
const CHAIN_NEAR: u32 = 3;
/// The same without, or where time has jumped.
const CHAIN_ALONE: u32 = 5;
/// What the padding at a file's start claims too many at most, in files of the original: it
/// counts the bytes before it twice, and they were too few for a header.
const TOO_LONG_MAX: usize = HPCAP_RECORD_BYTES - 1;
/// So many zero bytes in a damaged stretch are a stretch that was never written.
const ZEROS: usize = 512;

/// What a scan found at the start of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record: header and body.
    Record {
        /// Both together, bytes.
        bytes: usize,
    },
    /// Padding without a header that could be believed for its length: `bytes` to skip.
    Padding {
        /// Bytes.
        bytes: usize,
    },
    /// A run of zero bytes: empty padding, or never written. 12 or more, or the file's end.
    Zeros {
        /// Bytes.
        bytes: usize,
    },
    /// Damage that ends here; the window has to move by `skip` bytes.
    Damage {
        /// It.
        damage: Damage,
        /// Bytes of the window that belong to it (others did already).
        skip: usize,
    },
    /// Nothing yet: the window has to move by so many bytes.
    Skip(usize),
    /// A longer window is needed: so many bytes, or the end of the file.
    More(usize),
    /// There is nothing more.
    End,
}

/// The state of a scan through a file.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Seconds of the last frame.
    last: Option<u32>,
    /// Whether times prove nothing: they come from a capture file, which can hold any.
    any_time: bool,
    /// Whether the file has the older variant of records, where `len` is the high half of a
    /// 32-bit length and so zero. `None` before the first frame.
    old: Option<bool>,
    /// Capture length of the last frame that was cut to it.
    snap: Option<u16>,
    /// Where the damage that the scan is in started.
    damaged: Option<u64>,
    /// The padding here is this long in truth.
    padding: Option<usize>,
    /// Whether the quick look is enough: `old` is known, no damage is under way.
    steady: bool,
    /// How far the chain of records was found whole.
    whole: Whole,
    /// Whether the header here was found sound already, when the record before was believed.
    judged: bool,
}

impl Scan {
    /// Whether the file has the older variant of records.
    #[inline]
    pub(crate) fn is_old(&self) -> bool {
        self.old == Some(true)
    }

    /// Whether records in a row start at `at`: near the last frame, or proven by themselves.
    fn chain(&self, window: &[u8], at: usize, eof: bool) -> bool {
        let old = self.is_old();
        chain(window, at, eof, self.last, old, CHAIN_NEAR)
            || (self.last.is_some() && chain(window, at, eof, None, old, CHAIN_ALONE))
    }

    /// Takes a record as valid, and remembers what helps to judge the next.
    #[inline]
    fn accept(&mut self, h: &hpcap_record, window: &[u8]) -> usize {
        if is_padding(h) {
            self.accept_padding(h, window);
        } else {
            self.last = Some(h.sec);
            if h.caplen < h.len {
                self.snap = Some(h.caplen);
            }
        }
        end_of(h)
    }

    #[cold]
    fn accept_padding(&mut self, h: &hpcap_record, window: &[u8]) {
        let body = window.get(HEADER..end_of(h)).unwrap_or_default();
        if let Some(Tag::FileHeader(tag)) = Tag::parse(body) {
            self.any_time = tag.clock_source == "file";
            self.last = self.last.or_else(|| u32::try_from(tag.start.sec()).ok());
            self.snap = u16::try_from(tag.caplen).ok().filter(|caplen| *caplen != 0);
        }
    }

    /// The record at the start of `window`, where a quick look is enough to believe it: its
    /// bytes. Otherwise [`Scan::step`] knows more.
    #[inline]
    pub(crate) fn quick(&mut self, window: &[u8], eof: bool) -> Option<usize> {
        let h = header(window)?;
        let end = end_of(&h);
        if !self.steady || (window.len() < end + HEADER && !eof) {
            return None;
        }
        let old = self.is_old();
        let judged = std::mem::replace(&mut self.judged, false);
        if !judged && (!sound(&h, self.last, old) || is_empty_padding(&h)) {
            return None;
        }
        let last = if is_padding(&h) {
            self.last
        } else {
            Some(h.sec)
        };
        let believed = match window.get(end..).and_then(header) {
            Some(next) => {
                self.judged = sound(&next, last, old) && !is_empty_padding(&next);
                self.judged
            }
            None => eof && end <= window.len(),
        };
        believed.then(|| self.accept(&h, window))
    }

    /// What stands at the start of `window`, which is at `offset` in the file, where
    /// [`Scan::quick`] does not know; `eof` says that the window reaches the end of the file.
    #[cold]
    #[inline(never)]
    pub(crate) fn step(&mut self, window: &[u8], offset: u64, eof: bool) -> Step {
        if window.len() < SHORT_LOOK && !eof {
            return Step::More(SHORT_LOOK);
        }
        self.slow(window, offset, eof)
    }

    fn slow(&mut self, window: &[u8], offset: u64, eof: bool) -> Step {
        if window.len() < LOOKAHEAD && !eof {
            return Step::More(LOOKAHEAD);
        }
        self.judged = false;
        let step = self.look(window, offset, eof);
        self.steady = self.old.is_some() && self.damaged.is_none() && self.padding.is_none();
        step
    }

    fn look(&mut self, window: &[u8], offset: u64, eof: bool) -> Step {
        if let Some(bytes) = self.padding.take() {
            return Step::Padding { bytes };
        }
        if self.damaged.is_some() {
            return self.search(window, offset, eof, 0);
        }
        let Some(h) = header(window) else {
            return self.tail(window, offset);
        };
        if is_empty_padding(&h) {
            return self.zeros(window, eof);
        }
        if self.old.is_none() && !is_padding(&h) {
            let is_old = h.len == 0 && h.caplen != 0;
            self.old = Some(is_old && chain(window, 0, eof, Some(h.sec), true, CHAIN_ALONE));
        }
        if end_of(&h) <= window.len() && self.is_whole(window, offset, eof) {
            let bytes = self.accept(&h, window);
            return Step::Record { bytes };
        }
        self.judge(&h, window, offset, eof)
    }

    /// Fewer bytes than a header, at the end of the file.
    fn tail(&self, window: &[u8], offset: u64) -> Step {
        let skip = window.len();
        if skip == 0 {
            return Step::End;
        }
        if window.iter().all(|b| *b == 0) {
            return Step::Zeros { bytes: skip };
        }
        let damage = Damage {
            offset,
            bytes: skip as u64,
            kind: DamageKind::CutHeader,
        };
        Step::Damage { damage, skip }
    }

    /// A run of zeros: empty padding, or bytes that were never written. The record after it
    /// need not be at a multiple of 12 bytes.
    fn zeros(&mut self, window: &[u8], eof: bool) -> Step {
        let zeros = window.iter().position(|b| *b != 0).unwrap_or(window.len());
        let whole = zeros / HEADER * HEADER;
        if zeros == window.len() {
            if eof {
                return Step::Zeros { bytes: zeros };
            }
            // A record may start within the last zeros.
            return Step::Zeros {
                bytes: whole - HEADER,
            };
        }
        if !eof && window.len() - whole < CHAIN_ROOM && whole > HEADER {
            return Step::Zeros {
                bytes: whole - HEADER,
            };
        }
        let first = (whole + 1).saturating_sub(HEADER).max(1);
        let candidates = std::iter::once(whole).chain(first..=zeros);
        let end = candidates
            .into_iter()
            .find(|at| self.chain(window, *at, eof));
        Step::Zeros {
            bytes: end.unwrap_or(whole),
        }
    }

    /// A header about which the quick look was not sure.
    fn judge(&mut self, h: &hpcap_record, window: &[u8], offset: u64, eof: bool) -> Step {
        let end = end_of(h);
        let old = self.is_old();
        let is_sound = sound(h, self.last, old);
        // Both lengths would have to be damaged in the same way, or to the length that others
        // were cut to.
        let trusted = !old && h.caplen != 0 && (h.caplen == h.len || Some(h.caplen) == self.snap);
        let in_time = is_padding(h) || (h.nsec < 1_000_000_000 && near(h.sec, self.last));

        if end > window.len() {
            if !(is_sound && trusted) {
                let from = if in_time { HEADER } else { 1 };
                if let Some(at) = self.find(window, from, eof).ok().flatten() {
                    return self.damage(offset, at);
                }
            }
            // Before the first frame there is nothing to compare a time with.
            if !in_time || (!is_sound && self.last.is_none()) {
                return self.damage(offset, window.len());
            }
            let damage = Damage {
                offset,
                bytes: window.len() as u64,
                kind: if is_padding(h) {
                    DamageKind::CutPadding
                } else {
                    DamageKind::CutRecord { caplen: h.caplen }
                },
            };
            return Step::Damage {
                damage,
                skip: window.len(),
            };
        }

        let before = self.last;
        if !is_padding(h) && in_time {
            self.last = Some(h.sec);
        }
        let left = window.len() - end;
        let goes_on = (eof && left < HEADER)
            || self.chain(window, end, eof)
            || lengths_lead_on(window, end, eof, old, self.any_time)
            || ((trusted || is_padding(h)) && self.zeros_lead_on(window, end, eof));
        self.last = before;

        let contradicts = !old
            && if is_padding(h) {
                h.caplen != h.len && (left == 0 || left >= HEADER)
            } else {
                h.caplen > h.len && left >= HEADER
            };
        let harmless = is_sound
            || (in_time && contradicts && !self.has_records_inside(h, window, eof))
            || (trusted && h.caplen == h.len);
        if goes_on && harmless && !self.lost_in_zeros(h, trusted, window, eof) {
            // Good, or good but for lengths that contradict each other or for its time.
            let bytes = self.accept(h, window);
            if !in_time {
                self.last = before;
            }
            return Step::Record { bytes };
        }
        if is_padding(h) && is_sound {
            let by = (1..=TOO_LONG_MAX.min(usize::from(h.caplen)))
                .find(|by| self.chain(window, end - by, eof));
            if let Some(by) = by {
                self.padding = Some(end - by);
                let damage = Damage {
                    offset,
                    bytes: 0,
                    kind: DamageKind::PaddingTooLong {
                        by: u8::try_from(by).unwrap_or(u8::MAX),
                    },
                };
                return Step::Damage { damage, skip: 0 };
            }
        }
        let jumps = !is_sound && !is_padding(h) && possible(h, old);
        if jumps
            && (chain(window, 0, eof, None, old, CHAIN_ALONE)
                || lengths_lead_on(window, 0, eof, old, self.any_time))
        {
            // Time has jumped.
            let bytes = self.accept(h, window);
            return Step::Record { bytes };
        }
        if is_sound && is_padding(h) {
            // Its body is nothing to search in: stale records may stand there.
            let bytes = self.accept(h, window);
            return Step::Record { bytes };
        }
        if is_sound && !goes_on && self.next_is_only_doubtful(window, end, eof, h) {
            let bytes = self.accept(h, window);
            return Step::Record { bytes };
        }
        // What follows is no record, so this one may have a part of it: it is left out, too.
        self.search(window, offset, eof, if is_sound { HEADER } else { 1 })
    }

    /// Whether a long stretch of zeros starts at `at`.
    fn only_zeros(&self, window: &[u8], at: usize) -> bool {
        let stretch = &window[at..window.len().min(at + ZEROS)];
        stretch.len() >= HEADER && stretch.iter().all(|b| *b == 0)
    }

    /// Whether there are zeros at `at` that a record ends, or the end of the file, or nothing
    /// for long.
    fn zeros_lead_on(&self, window: &[u8], at: usize, eof: bool) -> bool {
        let rest = &window[at..];
        let zeros = rest.iter().position(|b| *b != 0).unwrap_or(rest.len());
        if zeros < HEADER {
            return false;
        }
        let end = at + zeros;
        zeros >= ZEROS
            || end == window.len()
            || (end + 1 - HEADER..=end).any(|at| self.chain(window, at, eof))
    }

    /// Whether a frame with zeros after it is better explained by damage: its lengths are zeros
    /// themselves, or the length on the wire leads to a record and the captured one does not.
    fn lost_in_zeros(&self, h: &hpcap_record, trusted: bool, window: &[u8], eof: bool) -> bool {
        let next = window.get(end_of(h)..).and_then(header);
        if is_padding(h) || !next.is_some_and(|next| is_empty_padding(&next)) {
            return false;
        }
        if h.len == 0 {
            // Believed before the shortest closing padding only.
            return !eof || window.len() != 2 * HEADER;
        }
        let end = end_of(h);
        let closes = |at: usize| eof && window.len() == at + HEADER;
        if !trusted && !closes(end) {
            return true;
        }
        let full = HEADER + usize::from(h.len);
        let longer = Some(h.caplen) != self.snap && closes(full);
        (h.caplen < h.len && full < window.len() && (longer || self.chain(window, full, eof)))
            || self.has_records_inside(h, window, eof)
    }

    /// Whether the header at `at` is one in which only a few bits are wrong: its time belongs
    /// here, or its two lengths agree. Then the record before it is whole.
    fn next_is_only_doubtful(&self, window: &[u8], at: usize, eof: bool, h: &hpcap_record) -> bool {
        window.get(at..).and_then(header).is_some_and(|next| {
            if is_padding(&next) {
                let end = at + end_of(&next);
                return end == window.len() || self.chain(window, end, eof);
            }
            let agree = next.caplen == next.len && next.caplen != 0 && !self.is_old();
            let in_time = near(next.sec, Some(h.sec));
            let possible = next.nsec < 1_000_000_000;
            (in_time && possible) || (agree && (in_time || possible))
        })
    }
}
