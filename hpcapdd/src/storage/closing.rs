//! Makes the end of a file: tags, then padding that reaches exactly the end of a block.

use hpcap::abi::HPCAP_RECORD_BYTES;
use hpcap::raw::padding::{padding_header, padding_to};

const HEADER: u64 = HPCAP_RECORD_BYTES as u64;

/// The bytes to write behind the last record of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closing {
    /// Offsets in the file, each the start of a record, and the bytes to write there. The bytes
    /// between them stay zero.
    pub writes: Vec<(u64, Vec<u8>)>,
    /// Number of `writes` that are tags. The others are headers of padding.
    pub tags: usize,
    /// Length of the file afterwards, in bytes.
    pub len: u64,
}

/// Makes the end of a file whose last record ends at `end`: `tags` (bodies of padding records, the
/// least important first), then padding up to the end of a block of `block_bytes` bytes. Leaves out
/// what does not fit into a file of `max_bytes` bytes.
#[must_use]
pub fn closing(end: u64, block_bytes: u64, max_bytes: u64, tags: &[Vec<u8>]) -> Closing {
    for skipped in 0..=tags.len() {
        let tags = &tags[skipped..];
        let need: u64 = tags.iter().map(|t| HEADER + t.len() as u64).sum();
        let tags_end = end + need;
        let mut len = tags_end.next_multiple_of(block_bytes);
        // The last record must be padding, and its header must fit.
        if (1..HEADER).contains(&(len - tags_end)) || (len == tags_end && tags.is_empty()) {
            len = (tags_end + HEADER).next_multiple_of(block_bytes);
        }
        if len <= max_bytes {
            return Closing {
                writes: writes(end, tags_end, len, tags),
                tags: tags.len(),
                len,
            };
        }
    }
    // The producer leaves room for a padding header in every file, so a file without that room is complete without
    // further padding.
    Closing {
        writes: Vec::new(),
        tags: 0,
        len: end,
    }
}

fn writes(end: u64, tags_end: u64, len: u64, tags: &[Vec<u8>]) -> Vec<(u64, Vec<u8>)> {
    let mut writes = Vec::new();
    let mut at = end;
    for tag in tags {
        let body = u16::try_from(tag.len()).unwrap_or(u16::MAX);
        let record = [padding_header(body).as_bytes(), tag].concat();
        writes.push((at, record));
        at += HEADER + tag.len() as u64;
    }
    for header in padding_to(tags_end, len).into_iter().flatten() {
        writes.push((at, header.as_bytes().to_vec()));
        at += HEADER + u64::from(header.caplen);
    }
    writes
}

#[cfg(test)]
mod tests {
    use hpcap::raw::{Event, LedgerTag, split_record, tag::Tag};
    use proptest::prelude::*;

    use super::*;

    const BLOCK: u64 = 128 << 10;
    /// Bytes of a ledger tag with its record header.
    const LEDGER: u64 = HEADER + size_of::<hpcap::abi::hpcap_ledger_tag>() as u64;

    /// Applies a closing to a file of zeros and reads the records behind `end`.
    fn events(end: u64, closing: &Closing) -> Vec<(u64, bool)> {
        let mut file = vec![0xAA_u8; usize::try_from(end).unwrap()];
        file.resize(usize::try_from(closing.len).unwrap(), 0);
        for (at, bytes) in &closing.writes {
            assert!(*at >= end);
            let at = usize::try_from(*at).unwrap();
            file[at..at + bytes.len()].copy_from_slice(bytes);
        }
        let mut at = usize::try_from(end).unwrap();
        let mut found = Vec::new();
        while at < file.len() {
            let Some((event, rest)) = split_record(&file[at..]) else {
                panic!("cut record at {at}");
            };
            assert!(!matches!(event, Event::Frame(_)));
            at = file.len() - rest.len();
            found.push((at as u64, matches!(event, Event::FileEnd(_))));
        }
        found
    }

    fn ledger() -> Vec<u8> {
        Tag::Ledger(Box::<LedgerTag>::default()).to_body()
    }

    proptest! {
        #[test]
        fn every_closing_parses_to_exactly_its_end(end in 0..BLOCK * 3, tagged: bool) {
            let tags = if tagged { vec![ledger()] } else { vec![] };
            let closing = closing(end, BLOCK, 1 << 31, &tags);
            prop_assert!(closing.len.is_multiple_of(BLOCK));
            let found = events(end, &closing);
            prop_assert_eq!(found.last().map(|(at, _)| *at), Some(closing.len));
            prop_assert_eq!(found.iter().filter(|(_, l)| *l).count(), usize::from(tagged));
        }
    }

    #[test]
    fn closing_near_a_block_end_is_exact() {
        for before in 0..=13 {
            for tags in [vec![], vec![ledger()]] {
                let end = BLOCK - before - if tags.is_empty() { 0 } else { LEDGER };
                let closing = closing(end, BLOCK, 1 << 31, &tags);
                let found = events(end, &closing);
                assert_eq!(found.last().unwrap().0, closing.len, "{before}");
            }
        }
    }

    #[test]
    fn full_file_leaves_out_tags() {
        let max = BLOCK * 2;
        let tags = [ledger()];
        assert_eq!(
            events(max - 12, &closing(max - 12, BLOCK, max, &tags)),
            [(max, false)]
        );
        let full = closing(max, BLOCK, max, &tags);
        assert_eq!((full.len, full.writes.len()), (max, 0));
        assert_eq!(
            events(max - LEDGER, &closing(max - LEDGER, BLOCK, max, &tags)),
            [(max, true)]
        );
    }
}
