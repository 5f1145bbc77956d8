//! Whether bytes can be a record's header, and several in a row surely are.

use crate::abi::{HPCAP_RECORD_BYTES, hpcap_record};
use crate::raw::record::{header, is_padding};
use crate::raw::tag::Tag;

pub(super) const HEADER: usize = HPCAP_RECORD_BYTES;
/// Seconds that two frames in a row are apart at most, unless a chain proves the jump.
const NEAR_SECONDS: u32 = 86_400;
/// Frames in a row that prove a place where one is expected, whatever their times.
const CHAIN_LENGTHS: u32 = 8;

/// Whether two times can be of frames in a row.
#[inline]
pub(super) fn near(sec: u32, last: Option<u32>) -> bool {
    last.is_none_or(|last| sec.abs_diff(last) <= NEAR_SECONDS)
}

/// Whether a header makes sense after a frame at second `last`.
#[inline]
pub(super) fn sound(h: &hpcap_record, last: Option<u32>, old: bool) -> bool {
    if is_padding(h) {
        return h.caplen == h.len || (old && h.len == 0);
    }
    let lengths = if old { h.len == 0 } else { h.caplen <= h.len };
    lengths && h.nsec < 1_000_000_000 && near(h.sec, last)
}

#[inline]
pub(super) fn end_of(h: &hpcap_record) -> usize {
    HEADER + usize::from(h.caplen)
}

/// Whether a header could be one, at any time.
pub(super) fn possible(h: &hpcap_record, old: bool) -> bool {
    if is_padding(h) {
        h.caplen == h.len
    } else if old {
        h.len == 0 && h.nsec < 1_000_000_000
    } else {
        h.caplen <= h.len && h.nsec < 1_000_000_000
    }
}

pub(super) fn is_empty_padding(h: &hpcap_record) -> bool {
    is_padding(h) && h.caplen == 0 && h.len == 0
}

/// Whether `need` records in a row start at `at`, or all up to the end of the file: records
/// near second `last`, or without it frames alone, near each other.
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
    // Where the file ends, one record is enough if it ends there exactly and has a time.
    let least = if last.is_some() { 1 } else { 3 };
    while found < need {
        if at == window.len() {
            return found >= least && (eof || found >= 2);
        }
        let Some(h) = window.get(at..).and_then(header) else {
            return found >= least.max(2);
        };
        if is_empty_padding(&h) {
            // Proves nothing: any zeros look like it.
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
            // The header makes sense, its body is not all there.
            return found >= if eof { least } else { least.max(2) };
        }
        if !is_padding(&h) {
            before = Some(h.sec);
            // Nor does a frame without a byte: zeros after any four bytes look like it.
            found += u32::from(h.caplen != 0 || h.len != 0);
        } else if Tag::parse(&window[body..at]).is_some() {
            return true;
        } else {
            found += u32::from(last.is_some());
        }
    }
    true
}

/// Whether the lengths alone lead from frame to frame, whatever their times: whole frames
/// exactly to the end of the file, or (where `any_time` says that times prove nothing) any for
/// long, or to padding.
///
/// Enough for a place where the record before ended; too little to find one. And too little
/// where times can be asked: two bytes behind a header there is often what looks like another,
/// and behind the next one, too.
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
        if !any_time && !is_padding(&h) && h.caplen != h.len {
            return false;
        }
        at += end_of(&h);
        if at > window.len() {
            // The last record of a file that was cut.
            return any_time && eof && found > 1;
        }
        if is_padding(&h) && any_time {
            return found > 0;
        }
        found += u32::from(!is_nothing && !is_padding(&h));
    }
    true
}
