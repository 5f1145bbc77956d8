//! Judges runs of zero bytes, which can be empty padding, a range that was never written, or damage.

use super::plausible::{HEADER, end_of, is_empty_padding};
use super::{CHAIN_ROOM, Scan, Step};
use crate::record::header;
use hpcap_sys::abi::hpcap_record;

/// A run of this many zero bytes within damage counts as a range that was never written.
const ZEROS: usize = 512;

impl Scan {
    /// Measures a run of zeros: empty padding, or bytes that were never written. The record after
    /// the run need not start at a multiple of 12 bytes, because its own first bytes can be zero.
    pub(super) fn zeros(&mut self, window: &[u8], eof: bool) -> Step {
        let zeros = window.iter().position(|b| *b != 0).unwrap_or(window.len());
        let whole = zeros / HEADER * HEADER;
        if zeros == window.len() {
            if eof {
                return Step::Zeros { bytes: zeros };
            }
            // A record can start within the last zeros of the window.
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

    /// Whether the next 512 bytes from `at` on are all zero, or at least 12 up to the window's end.
    pub(super) fn only_zeros(&self, window: &[u8], at: usize) -> bool {
        let stretch = &window[at..window.len().min(at + ZEROS)];
        stretch.len() >= HEADER && stretch.iter().all(|b| *b == 0)
    }

    /// Whether zeros start at `at`, and either many of them follow each other, or a record or the end of the file comes
    /// after them.
    pub(super) fn zeros_lead_on(&self, window: &[u8], at: usize, eof: bool) -> bool {
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

    /// Whether a frame that zeros follow is more likely to be damaged: both of its lengths are zero, or its length on
    /// the wire leads to a record and its captured length does not.
    pub(super) fn lost_in_zeros(
        &self,
        h: &hpcap_record,
        trusted: bool,
        window: &[u8],
        eof: bool,
    ) -> bool {
        let next = window.get(end_of(h)..).and_then(header);
        if h.is_padding() || !next.is_some_and(|next| is_empty_padding(&next)) {
            return false;
        }
        if h.len == 0 {
            // A frame without bytes is accepted only directly before the shortest closing padding.
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
}
