//! Decides whether bytes can be a record's header, and whether consecutive headers prove each
//! other.

use crate::record::header;
use crate::tag::Tag;
use hpcap_sys::abi::{HPCAP_RECORD_BYTES, hpcap_record};

pub(super) const HEADER: usize = HPCAP_RECORD_BYTES;
/// Largest distance in seconds between the times of consecutive frames, unless a chain proves a
/// jump.
const NEAR_SECONDS: u32 = 86_400;
/// Consecutive frames that prove an expected position whatever their times are.
const CHAIN_LENGTHS: u32 = 8;

/// Whether a frame at second `sec` can follow a frame at second `last`.
#[inline]
pub(super) fn near(sec: u32, last: Option<u32>) -> bool {
    last.is_none_or(|last| sec.abs_diff(last) <= NEAR_SECONDS)
}

/// Whether a header is plausible after a frame at second `last`.
#[inline]
pub(super) fn sound(h: &hpcap_record, last: Option<u32>, old: bool) -> bool {
    if h.is_padding() {
        return h.caplen == h.len || (old && h.len == 0);
    }
    let lengths = if old { h.len == 0 } else { h.caplen <= h.len };
    lengths && h.nsec < 1_000_000_000 && near(h.sec, last)
}

#[inline]
pub(super) fn end_of(h: &hpcap_record) -> usize {
    HEADER + usize::from(h.caplen)
}

/// Whether a header is plausible without regard to its time.
pub(super) fn possible(h: &hpcap_record, old: bool) -> bool {
    if h.is_padding() {
        h.caplen == h.len
    } else if old {
        h.len == 0 && h.nsec < 1_000_000_000
    } else {
        h.caplen <= h.len && h.nsec < 1_000_000_000
    }
}

#[inline]
pub(super) fn is_empty_padding(h: &hpcap_record) -> bool {
    h.is_padding() && h.caplen == 0 && h.len == 0
}

/// Whether `need` consecutive records start at `at`, or only records up to the end of the file. With `last`, their
/// times must be near that second; without that file, only frames count, and their times must be near each other.
pub(super) fn chain(
    window: &[u8],
    mut at: usize,
    eof: bool,
    last: Option<u32>,
    old: bool,
    need: u32,
) -> bool {
    let mut found = 0;
    let mut empty = 0;
    let mut before = last;
    // At the end of the file, one record suffices if it ends there exactly and `last` is known.
    let least = if last.is_some() { 1 } else { 3 };
    while found < need {
        if at == window.len() {
            return found >= least && (eof || found >= 2);
        }
        let Some(h) = window.get(at..).and_then(header) else {
            return found >= least.max(2);
        };
        if is_empty_padding(&h) {
            // Empty padding proves nothing, because zero bytes of any origin look like it.
            empty += 1;
            if empty > 64 {
                return found >= least.max(2);
            }
            at += HEADER;
            continue;
        }
        if !sound(&h, before, old) {
            return false;
        }
        let body = at + HEADER;
        at += end_of(&h);
        if at > window.len() {
            // The header is plausible, but the window does not hold all of its body.
            return found >= if eof { least } else { least.max(2) };
        }
        if !h.is_padding() {
            before = Some(h.sec);
            // A frame without bytes does not count: any four bytes with zeros after them look like
            // one.
            found += u32::from(h.caplen != 0 || h.len != 0);
        } else if Tag::parse(&window[body..at]).is_some() {
            return true;
        } else {
            found += u32::from(last.is_some());
        }
    }
    true
}

/// Whether the lengths alone lead from frame to frame, whatever the times are: through frames with
/// equal lengths exactly to the end of the file, or, when `any_time` says that times prove nothing,
/// through many frames of any length or to padding.
///
/// This suffices for the position at which the record before ended. It does not suffice for finding a position, nor
/// where times can be compared: two bytes after a header there is often something that looks like another header, and
/// so on.
pub(super) fn lengths_lead_on(
    window: &[u8],
    at: usize,
    eof: bool,
    old: bool,
    any_time: bool,
) -> bool {
    if !eof && !any_time {
        return false;
    }
    let mut at = at;
    let mut found = 0;
    let mut empty = 0;
    while !any_time || found < CHAIN_LENGTHS {
        if at == window.len() {
            return eof && found > 0;
        }
        let Some(h) = window.get(at..).and_then(header) else {
            return false;
        };
        let is_nothing = h.caplen == 0 && h.len == 0;
        empty += u32::from(is_nothing);
        if !possible(&h, old) || empty > 64 || (is_nothing && found == 0) {
            return false;
        }
        if !any_time && !h.is_padding() && h.caplen != h.len {
            return false;
        }
        at += end_of(&h);
        if at > window.len() {
            // The last record of a file that was cut.
            return any_time && eof && found > 1;
        }
        if h.is_padding() && any_time {
            return found > 0;
        }
        found += u32::from(!is_nothing && !h.is_padding());
    }
    true
}
