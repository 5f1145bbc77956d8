//! Walks over records in memory and counts them.

use hpcap::abi::{HPCAP_RECORD_BYTES, hpcap_record};
use hpcap::listener::TOLD_LOSSES;
use hpcap::raw::tag::Tag;
use hpcap::{Count, Ledger, Reason, Timestamp};

/// Counts of the whole records at the start of a slice of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    /// Bytes of the records, headers included.
    pub bytes: u64,
    /// Frames among the records.
    pub frames: Count,
    /// Losses that the gaps among the records tell.
    pub lost: Ledger,
    /// Time of the last frame.
    pub last: Option<Timestamp>,
}

impl Walk {
    /// The ledger as the stream tells it behind the records, if it is `told` before them.
    #[must_use]
    pub fn told_after(&self, mut told: Ledger) -> Ledger {
        told[Reason::Captured] += self.frames;
        for reason in TOLD_LOSSES {
            told[reason] += self.lost[reason];
        }
        told
    }
}

impl Walk {
    /// The ledger as the stream tells it before the records, if it is `told` behind them.
    #[must_use]
    pub fn told_before(&self, mut told: Ledger) -> Ledger {
        told[Reason::Captured] = told[Reason::Captured] - self.frames;
        for reason in TOLD_LOSSES {
            told[reason] = told[reason] - self.lost[reason];
        }
        told
    }
}

/// Counts the whole records of `bytes`, which begin with a record, as long as `go_on` accepts the
/// next one. `go_on` gets the counts before that record, its header, and its size in bytes.
#[must_use]
pub fn walk_while(bytes: &[u8], mut go_on: impl FnMut(&Walk, &hpcap_record, u64) -> bool) -> Walk {
    let mut walk = Walk::default();
    let mut rest = bytes;
    while let Some(head) = hpcap_record::from_bytes(rest) {
        let size = HPCAP_RECORD_BYTES + usize::from(head.caplen);
        let Some(next) = rest.get(size..) else { break };
        if !go_on(&walk, &head, size as u64) {
            break;
        }
        walk.bytes += size as u64;
        if head.is_padding() {
            if let Some(Tag::Gap(gap)) = Tag::parse(&rest[HPCAP_RECORD_BYTES..size]) {
                walk.lost += &gap.lost;
            }
        } else {
            walk.frames += Count::new(1, u64::from(head.len));
            walk.last = Some(Timestamp::new(head.sec, head.nsec));
        }
        rest = next;
    }
    walk
}

/// Counts all whole records of `bytes`, which begin with a record.
#[must_use]
pub fn walk(bytes: &[u8]) -> Walk {
    walk_while(bytes, |_, _, _| true)
}

/// Counts the records of `bytes`, which begin with a record, up to the last place within the first
/// `limit` bytes at which a file may end: behind a whole record, and not between a frame and its
/// marks.
#[must_use]
pub fn walk_to_end_of_file(bytes: &[u8], limit: u64) -> Walk {
    let mut end = Walk::default();
    let mut after_mark = false;
    let all = walk_while(bytes, |before, head, size| {
        if !after_mark {
            end = *before;
        }
        if before.bytes + size > limit {
            return false;
        }
        let body = usize::try_from(before.bytes)
            .ok()
            .and_then(|at| bytes.get(at + HPCAP_RECORD_BYTES..));
        after_mark = head.is_padding() && body.is_some_and(is_mark);
        true
    });
    if after_mark { end } else { all }
}

/// Whether the body of a padding record, which `bytes` begin with, is a mark of the next frame.
fn is_mark(bytes: &[u8]) -> bool {
    matches!(Tag::parse(bytes), Some(Tag::Duplicate | Tag::Altered(_)))
}

#[cfg(test)]
mod tests {
    use hpcap::raw::padding::padding_header;

    use super::*;

    fn mark() -> Vec<u8> {
        let body = Tag::Duplicate.to_body();
        [padding_header(16).as_bytes(), &body].concat()
    }

    #[test]
    fn file_does_not_end_behind_a_mark() {
        assert_eq!(mark().len(), 28);
        let bytes = [record(1, 60), mark(), record(2, 60), record(3, 60)].concat();
        for (limit, end) in [
            (0, 0),
            (71, 0),
            (72, 72),
            (100, 72),
            (171, 72),
            (172, 172),
            (244, 244),
            (1000, 244),
        ] {
            assert_eq!(walk_to_end_of_file(&bytes, limit).bytes, end, "{limit}");
        }
        assert_eq!(walk_to_end_of_file(&bytes[..100], 1000).bytes, 72);
    }

    fn record(sec: u32, len: u16) -> Vec<u8> {
        let head = hpcap_record {
            sec,
            nsec: 0,
            caplen: len,
            len,
        };
        [head.as_bytes(), &vec![1; usize::from(len)]].concat()
    }

    #[test]
    fn walk_stops_before_a_cut_record() {
        let bytes = [record(1, 60), record(0, 9), record(2, 100)].concat();
        let whole = walk(&bytes);
        assert_eq!(whole.bytes, bytes.len() as u64);
        assert_eq!(whole.frames, Count::new(2, 160));
        assert_eq!(whole.last, Some(Timestamp::new(2, 0)));
        for cut in 1..112 {
            let cut = walk(&bytes[..bytes.len() - cut]);
            assert_eq!((cut.bytes, cut.frames), (72 + 21, Count::new(1, 60)));
        }
        assert_eq!(walk(&[]), Walk::default());
    }

    #[test]
    fn walk_stops_at_a_condition() {
        let bytes = [record(1, 60), record(2, 60), record(3, 60)].concat();
        let two = walk_while(&bytes, |before, _, size| before.bytes + size <= 150);
        assert_eq!((two.bytes, two.frames.frames), (144, 2));
    }
}
