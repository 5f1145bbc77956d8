//! A chain of records that is whole: one leads to the next by its length, to something that only
//! records lead to. Such a chain needs no plausible times, and no plausible lengths.

use super::Scan;
use super::plausible::{HEADER, end_of, possible};
use crate::raw::record::{header, is_padding};
use crate::raw::tag::Tag;

/// Records with a length that prove a chain by themselves, where times prove nothing.
const RECORDS: u32 = 8;
/// Empty records in a row that are believed: any zeros look like them.
const EMPTY: u32 = 64;

/// How far a chain was followed.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// Offset in the file up to which every record is one of a whole chain.
    proven: u64,
    /// Offset of a header that is none, where the last chain broke.
    broken: u64,
    /// A chain that was neither proven nor broken when the window ended.
    followed: Followed,
}

/// A chain up to where the window ended, to be followed on from there when the window has moved by a
/// record: every record would be followed through the whole window otherwise.
#[derive(Debug, Default, Clone, Copy)]
struct Followed {
    /// Offset in the file of the chain's second record, where it is asked for next.
    next: u64,
    /// Offset of the first record that was not seen whole.
    reached: u64,
    records: u32,
    empty: u32,
    frames: u32,
}

impl Scan {
    /// Whether the record at the start of `window` is one of a whole chain: it leads exactly to
    /// the end of the file, or to a tag, or, where times prove nothing, through several records.
    ///
    /// It is asked where the record before ended. After damage it proves nothing: two bytes
    /// behind a header there is often what looks like another, and behind the next one, too.
    pub(super) fn is_whole(&mut self, window: &[u8], offset: u64, eof: bool) -> bool {
        if offset < self.whole.proven {
            return true;
        }
        let old = self.is_old();
        let any_time = self.any_time;
        // Where a chain broke, a shorter one can only be proven by its records.
        let is_broken = offset < self.whole.broken;
        if is_broken && !any_time {
            return false;
        }
        // A length that is damaged disagrees with the other one.
        let first = header(window);
        let is_agreed = first.is_some_and(|h| h.caplen == h.len && h.caplen != 0);
        let followed = std::mem::take(&mut self.whole.followed);
        let seen = followed.reached.checked_sub(offset).map(usize::try_from);
        let (mut at, mut last) = (0, 0);
        // Of the empty records: those in a row, padding and frames.
        let (mut records, mut empty, mut frames) = (0, 0, 0);
        if let (true, Some(Ok(seen))) = (followed.next == offset, seen) {
            (at, last) = (seen, seen);
            (records, empty, frames) = (followed.records, followed.empty, followed.frames);
        }
        let next = first.map_or(0, |h| offset + end_of(&h) as u64);
        loop {
            let reached = Followed {
                next,
                reached: offset + at as u64,
                records,
                empty,
                frames,
            };
            if at == window.len() {
                self.whole.followed = reached;
                // One empty record may be the end, more may be anything.
                let is_enough = if any_time {
                    records + frames > 0
                } else {
                    records >= if is_agreed { 1 } else { 3 }
                };
                let ends = eof && is_enough && empty <= 1;
                return self.prove(ends, offset + at as u64);
            }
            let Some(h) = window.get(at..).and_then(header) else {
                self.whole.followed = reached;
                return self.prove(eof && any_time && records > 1, offset + last as u64);
            };
            if !possible(&h, old) {
                self.whole.broken = offset + at as u64;
                return false;
            }
            let body = at + HEADER;
            last = at;
            at += end_of(&h);
            let Some(bytes) = window.get(body..at) else {
                self.whole.followed = reached;
                // The last record of a file that was cut.
                return self.prove(eof && any_time && records > 1, offset + last as u64);
            };
            if bytes.is_empty() && h.len == 0 {
                if is_padding(&h) {
                    empty += 1;
                } else if any_time {
                    frames += 1;
                    empty = 0;
                } else {
                    // No network has such a frame: a closing padding that is damaged.
                    return false;
                }
                if empty > EMPTY {
                    return false;
                }
                if frames > EMPTY {
                    return self.prove(true, offset + at as u64);
                }
                continue;
            }
            (empty, frames) = (0, 0);
            if is_padding(&h) && Tag::parse(bytes).is_some() {
                return self.prove(true, offset + at as u64);
            }
            records += 1;
            if any_time && records >= RECORDS {
                return self.prove(true, offset + at as u64);
            }
        }
    }

    fn prove(&mut self, is_proven: bool, until: u64) -> bool {
        if is_proven {
            self.whole.proven = until;
        }
        is_proven
    }
}
