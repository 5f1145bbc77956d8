//! Finds the records in bytes that may be damaged.
//!
//! A RAW file has no separators between its records: the length of each record leads to the next.
//! The scan therefore accepts a record only if a plausible record follows. After damage, the scan
//! searches for a *chain*: a position from which several consecutive headers are plausible and have
//! times near those of the frames before. Records of a chain that is proven by its end (module
//! `whole`) are accepted without a check of plausibility. A range without such a chain is reported
//! as damage, with its position and its size; the scan accepts no record within it.

mod damage;
mod judge;
mod plausible;
mod search;
mod whole;
mod zeros;

use crate::record::header;
use crate::tag::Tag;
use hpcap_sys::abi::{HPCAP_RECORD_BYTES, HPCAP_RECORD_BYTES_MAX, hpcap_record};

pub use damage::{Damage, DamageKind};
use plausible::{HEADER, chain, end_of, is_empty_padding, sound};
use whole::Whole;

/// Bytes that the quick check needs: the largest record, and the header after it.
const SHORT_LOOK: usize = HPCAP_RECORD_BYTES_MAX + HPCAP_RECORD_BYTES;
/// Bytes that the thorough check needs.
const LOOKAHEAD: usize = 10 * HPCAP_RECORD_BYTES_MAX;
/// Bytes that must follow a position before the chain that starts there is examined.
const CHAIN_ROOM: usize = 7 * HPCAP_RECORD_BYTES_MAX;
/// Consecutive records that prove a position when the time of an earlier frame is known.
const CHAIN_NEAR: u32 = 3;
/// Consecutive records that prove a position when no such time is known or the time has jumped.
const CHAIN_ALONE: u32 = 5;
/// The content at the start of a scan's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A complete record.
    Record {
        /// Length of header and body in bytes.
        bytes: usize,
    },
    /// Padding whose header gives a wrong length.
    Padding {
        /// The true length in bytes.
        bytes: usize,
    },
    /// A run of at least 12 zero bytes (fewer at the end of the file): empty padding, or a range
    /// that was never written.
    Zeros {
        /// Length of the run in bytes.
        bytes: usize,
    },
    /// Damage that ends in this window.
    Damage {
        /// The whole damaged range.
        damage: Damage,
        /// Bytes of the window that belong to the range; its earlier bytes were skipped before.
        skip: usize,
    },
    /// No result yet: the window must advance by this many bytes.
    Skip(usize),
    /// The scan needs a window of this many bytes, or one that reaches the end of the file.
    More(usize),
    /// The end of the file.
    End,
}

/// The state of a scan through a file.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Seconds of the time of the last frame.
    last: Option<u32>,
    /// Whether times prove nothing, because the frames come from a capture file with arbitrary
    /// times.
    any_time: bool,
    /// Whether the file has the older variant of records, where `len` is the high half of a
    /// 32-bit length and so zero. `None` before the first frame.
    old: Option<bool>,
    /// Capture length of the last frame that was cut to its capture length.
    snap: Option<u16>,
    /// Offset at which the current damage starts; `None` outside damage.
    damaged: Option<u64>,
    /// True length of the padding at the window's start, when its header gives a wrong one.
    padding: Option<usize>,
    /// Whether the quick check suffices: `old` is known and no damage is being skipped.
    steady: bool,
    /// How far the records are known to form a chain that is proven by its end.
    whole: Whole,
    /// Offset at which a run of zeros ended that was longer than the shortest padding. Such zeros can
    /// have overwritten anything, so a record need not start there, and lengths prove nothing.
    zeros_end: Option<u64>,
    /// Whether the header at the window's start was already found sound, as the successor of the
    /// last record.
    judged: bool,
}

impl Scan {
    /// Whether the file has the older variant of records.
    #[inline]
    pub(crate) fn is_old(&self) -> bool {
        self.old == Some(true)
    }

    /// Whether a chain of records starts at `at`, with times near the last frame or long enough
    /// without.
    fn chain(&self, window: &[u8], at: usize, eof: bool) -> bool {
        let old = self.is_old();
        chain(window, at, eof, self.last, old, CHAIN_NEAR)
            || (self.last.is_some() && chain(window, at, eof, None, old, CHAIN_ALONE))
    }

    /// Accepts a record, remembers what helps to judge the next one, and returns the record's
    /// length.
    #[inline]
    fn accept(&mut self, h: &hpcap_record, window: &[u8]) -> usize {
        if h.is_padding() {
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

    /// Returns the length of the record at the start of `window` if a quick check suffices to
    /// accept it; otherwise the caller must call [`Scan::step`].
    #[inline]
    pub(crate) fn quick(&mut self, window: &[u8], eof: bool) -> Option<usize> {
        // Nearly every record of a file is a frame whose header was found sound together with the record before it, and
        // has another header behind it. All other records take the longer way.
        if self.steady
            && self.judged
            && let Some(h) = header(window)
            && !h.is_padding()
            && let Some(next) = window.get(end_of(&h)..).and_then(header)
        {
            self.judged = sound(&next, Some(h.sec), self.is_old()) && !is_empty_padding(&next);
            return self.judged.then(|| self.accept(&h, window));
        }
        self.quick_any(window, eof)
    }

    /// Does the same as [`Scan::quick`], for any record.
    #[inline(never)]
    fn quick_any(&mut self, window: &[u8], eof: bool) -> Option<usize> {
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
        let last = if h.is_padding() {
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

    /// Examines the start of `window`, which is at `offset` in the file, after [`Scan::quick`]
    /// returned `None`. `eof` says that the window reaches the end of the file.
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
        if let Step::Zeros { bytes } = step
            && (bytes > HEADER || self.zeros_end == Some(offset))
        {
            self.zeros_end = Some(offset + bytes as u64);
        }
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
        if self.old.is_none() && !h.is_padding() {
            let is_old = h.len == 0 && h.caplen != 0;
            self.old = Some(is_old && chain(window, 0, eof, Some(h.sec), true, CHAIN_ALONE));
        }
        if end_of(&h) <= window.len()
            && self.zeros_end != Some(offset)
            && self.is_whole(window, offset, eof)
        {
            let bytes = self.accept(&h, window);
            return Step::Record { bytes };
        }
        self.judge(&h, window, offset, eof)
    }

    /// Handles the end of the file, with fewer bytes left than a header has.
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
}
