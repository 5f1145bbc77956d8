//! Judges a header that the quick check did not accept.

use hpcap_sys::abi::{HPCAP_RECORD_BYTES, hpcap_record};

use super::plausible::{HEADER, chain, end_of, lengths_lead_on, near, possible, sound};
use super::{CHAIN_ALONE, Damage, DamageKind, Scan, Step};
use crate::record::header;

/// Limit of the excess length of padding at the start of a file of the original. The original
/// counts the bytes before the padding twice; these bytes are fewer than a header has.
const TOO_LONG_MAX: usize = HPCAP_RECORD_BYTES - 1;

impl Scan {
    /// Judges a header that the quick check did not accept.
    pub(super) fn judge(
        &mut self,
        h: &hpcap_record,
        window: &[u8],
        offset: u64,
        eof: bool,
    ) -> Step {
        let end = end_of(h);
        let old = self.is_old();
        let is_sound = sound(h, self.last, old);
        // Trusted lengths: damage would have to change both lengths in the same way, or change
        // `caplen` to the capture length of earlier frames.
        let trusted = !old && h.caplen != 0 && (h.caplen == h.len || Some(h.caplen) == self.snap);
        let in_time = h.is_padding() || (h.nsec < 1_000_000_000 && near(h.sec, self.last));

        if end > window.len() {
            if !(is_sound && trusted) {
                let from = if in_time { HEADER } else { 1 };
                if let Some(at) = self.find(window, from, eof).ok().flatten() {
                    return self.damage(offset, at);
                }
            }
            // Before the first frame there is no time to compare with.
            if !in_time || (!is_sound && self.last.is_none()) {
                return self.damage(offset, window.len());
            }
            let damage = Damage {
                offset,
                bytes: window.len() as u64,
                kind: if h.is_padding() {
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
        if !h.is_padding() && in_time {
            self.last = Some(h.sec);
        }
        let left = window.len() - end;
        let goes_on = (eof && left < HEADER)
            || self.chain(window, end, eof)
            || lengths_lead_on(window, end, eof, old, self.any_time)
            || ((trusted || h.is_padding()) && self.zeros_lead_on(window, end, eof));
        self.last = before;

        let contradicts = !old
            && if h.is_padding() {
                h.caplen != h.len && (left == 0 || left >= HEADER)
            } else {
                h.caplen > h.len && left >= HEADER
            };
        let harmless = is_sound
            || (in_time && contradicts && !self.has_records_inside(h, window, eof))
            || (trusted && h.caplen == h.len);
        if goes_on && harmless && !self.lost_in_zeros(h, trusted, window, eof) {
            // The record is accepted, although its lengths may contradict each other or its time
            // may be wrong.
            let bytes = self.accept(h, window);
            if !in_time {
                self.last = before;
            }
            return Step::Record { bytes };
        }
        if h.is_padding() && is_sound {
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
        let jumps = !is_sound && !h.is_padding() && possible(h, old);
        if jumps
            && (chain(window, 0, eof, None, old, CHAIN_ALONE)
                || (self.zeros_end != Some(offset)
                    && lengths_lead_on(window, 0, eof, old, self.any_time)))
        {
            // The time has jumped, for example because the clock was set.
            let bytes = self.accept(h, window);
            return Step::Record { bytes };
        }
        if is_sound && h.is_padding() {
            // The body of padding is not searched, because it can hold stale records.
            let bytes = self.accept(h, window);
            return Step::Record { bytes };
        }
        if is_sound && !goes_on && self.next_is_only_doubtful(window, end, eof, h) {
            let bytes = self.accept(h, window);
            return Step::Record { bytes };
        }
        // No record follows, so this record may hold a part of the next one: it belongs to the
        // damage.
        self.search(window, offset, eof, if is_sound { HEADER } else { 1 })
    }

    /// Whether only a few bits of the header at `at` are wrong: its time is near, or its two
    /// lengths agree. Then the record before that header is whole.
    fn next_is_only_doubtful(&self, window: &[u8], at: usize, eof: bool, h: &hpcap_record) -> bool {
        window.get(at..).and_then(header).is_some_and(|next| {
            if next.is_padding() {
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
