//! Searches for the next record after damage.

use super::damage::{Damage, DamageKind};
use super::plausible::{HEADER, end_of, is_empty_padding, possible};
use super::{CHAIN_ROOM, Scan, Step};
use crate::record::header;
use hpcap_sys::abi::hpcap_record;

impl Scan {
    /// Whether the claimed body of a header holds records, as happens when bytes were lost.
    pub(super) fn has_records_inside(&self, h: &hpcap_record, window: &[u8], eof: bool) -> bool {
        let old = self.is_old();
        (HEADER..end_of(h)).any(|at| {
            window.get(at..).and_then(header).is_some_and(|inner| {
                possible(&inner, old) && !is_empty_padding(&inner) && self.chain(window, at, eof)
            })
        })
    }

    pub(super) fn damage(&mut self, offset: u64, at: usize) -> Step {
        let start = self.damaged.take().unwrap_or(offset);
        let damage = Damage {
            offset: start,
            bytes: offset + at as u64 - start,
            kind: DamageKind::Unreadable,
        };
        Step::Damage { damage, skip: at }
    }

    /// Searches for the next record, at least `from` bytes into the window.
    pub(super) fn search(&mut self, window: &[u8], offset: u64, eof: bool, from: usize) -> Step {
        match self.find(window, from, eof) {
            Ok(Some(at)) => self.damage(offset, at),
            Ok(None) => match self.damaged {
                None if window.is_empty() => Step::End,
                _ => self.damage(offset, window.len()),
            },
            Err(looked_at) => {
                self.damaged.get_or_insert(offset);
                Step::Skip(looked_at)
            }
        }
    }

    /// Finds the next position with a chain of records. Returns `Ok(None)` when no such position
    /// follows up to the end of the file, and `Err` with the number of examined bytes when the
    /// window is too short.
    pub(super) fn find(
        &self,
        window: &[u8],
        from: usize,
        eof: bool,
    ) -> Result<Option<usize>, usize> {
        let until = if eof {
            window.len().saturating_sub(HEADER - 1)
        } else {
            window.len().saturating_sub(CHAIN_ROOM)
        };
        match self.find_until(window, from, until, eof) {
            Some(at) => Ok(Some(at)),
            None if eof => Ok(None),
            None => Err(until.max(from)),
        }
    }

    /// Returns the first position in `from..until` with a chain of records, or with a long run of
    /// zeros.
    fn find_until(&self, window: &[u8], from: usize, until: usize, eof: bool) -> Option<usize> {
        let old = self.is_old();
        for at in from..until {
            let h = window.get(at..).and_then(header)?;
            if is_empty_padding(&h) {
                if self.only_zeros(window, at) {
                    return Some(at);
                }
            } else if possible(&h, old) && self.chain(window, at, eof) {
                return Some(at);
            }
        }
        None
    }
}
