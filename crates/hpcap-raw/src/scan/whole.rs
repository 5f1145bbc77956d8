//! A whole chain: records that lead by their lengths to something that only records lead to, such
//! as a tag or the exact end of the file. Its records need neither plausible times nor plausible
//! lengths.

use super::Scan;
use super::plausible::{HEADER, end_of, possible};
use crate::record::header;
use crate::tag::Tag;

/// Non-empty records that prove a chain by themselves when times prove nothing.
const RECORDS: u32 = 8;
/// Limit of consecutive frames without bytes: bytes with zeros after them look like such frames.
const EMPTY_FRAMES: u32 = 64;

/// How far a chain was followed.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// Offset in the file up to which all records belong to a whole chain.
    proven: u64,
    /// Offset of an impossible header, at which the last chain broke.
    broken: u64,
    /// A chain that was neither proven nor broken at the end of the window.
    followed: Followed,
}

/// A chain that was followed to the end of the window. When the window has advanced by one record,
/// the scan continues at `reached`; otherwise it would follow every record through the whole window
/// again.
#[derive(Debug, Default, Clone, Copy)]
struct Followed {
    /// Offset in the file of the chain's second record, at which the next call starts.
    next: u64,
    /// Offset in the file of the first record that is not completely in the window.
    reached: u64,
    records: u32,
    empty: u32,
    frames: u32,
}

impl Scan {
    /// Whether the record at the start of `window` belongs to a whole chain: records lead exactly
    /// to the end of the file, or to a tag, or, when times prove nothing, through several records.
    ///
    /// This is a proof only at the position at which the record before ended. It proves nothing after damage: two bytes
    /// after a header there is often something that looks like another header, and so on.
    pub(super) fn is_whole(&mut self, window: &[u8], offset: u64, eof: bool) -> bool {
        if offset < self.whole.proven {
            return true;
        }
        let old = self.is_old();
        let any_time = self.any_time;
        // Before the position where a chain broke, only a number of records can prove a shorter
        // chain.
        let is_broken = offset < self.whole.broken;
        if is_broken && !any_time {
            return false;
        }
        // A damaged length differs from the other length.
        let first = header(window);
        let is_agreed = first.is_some_and(|h| h.caplen == h.len && h.caplen != 0);
        let followed = std::mem::take(&mut self.whole.followed);
        let seen = followed.reached.checked_sub(offset).map(usize::try_from);
        let (mut at, mut last) = (0, 0);
        // `empty` counts consecutive empty padding, `frames` consecutive frames without bytes.
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
                // One empty record can be the closing padding; several can be zeros of any origin.
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
                if h.is_padding() {
                    empty += 1;
                    if empty > 1 && at < window.len() {
                        // Zero bytes of any origin look like empty padding, so that a record need not
                        // start behind them.
                        self.whole.broken = offset + last as u64;
                        return false;
                    }
                } else if any_time {
                    frames += 1;
                    empty = 0;
                } else {
                    // No network has frames without bytes, so this is damaged closing padding.
                    return false;
                }
                if frames > EMPTY_FRAMES {
                    return self.prove(true, offset + at as u64);
                }
                continue;
            }
            (empty, frames) = (0, 0);
            if h.is_padding() && Tag::parse(bytes).is_some() {
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
