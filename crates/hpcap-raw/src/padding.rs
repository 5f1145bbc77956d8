//! Padding: records that fill a range of a file so that every reader skips it.
//!
//! A record of padding has the time zero and a body of at most 65,535 bytes, so a longer range takes several of them. A
//! range of 1 to 11 bytes cannot be filled: the header alone has 12.
//!
//! ```
//! use hpcap_raw::padding::padding_to;
//!
//! let records: Vec<_> = padding_to(1000, 100_000).unwrap().collect();
//! let bytes: u64 = records.iter().map(|record| 12 + u64::from(record.caplen)).sum();
//! assert_eq!((records.len(), bytes), (2, 99_000));
//! assert!(padding_to(1000, 1007).is_none());
//! ```

use hpcap_sys::abi::{HPCAP_CAPLEN_MAX, HPCAP_RECORD_BYTES, HPCAP_RECORD_BYTES_MAX, hpcap_record};

/// Iterator over the padding records that fill a range exactly, first to last.
#[derive(Debug, Clone)]
pub struct Padding {
    left: u64,
}

/// Fills the bytes from offset `from` up to offset `to` with padding. The iterator yields one
/// header for each record; the caller writes `caplen` zero bytes after each header.
///
/// Returns `None` when `to` is before `from`, and when 1 to 11 bytes lie between them: no header
/// fits there.
#[must_use]
pub fn padding_to(from: u64, to: u64) -> Option<Padding> {
    let left = to.checked_sub(from)?;
    (left == 0 || left >= HPCAP_RECORD_BYTES as u64).then_some(Padding { left })
}

/// Returns the header of a padding record with a body of `body` bytes.
#[must_use]
pub const fn padding_header(body: u16) -> hpcap_record {
    hpcap_record {
        sec: 0,
        nsec: 0,
        caplen: body,
        len: body,
    }
}

impl Iterator for Padding {
    type Item = hpcap_record;

    fn next(&mut self) -> Option<hpcap_record> {
        const HEADER: u64 = HPCAP_RECORD_BYTES as u64;
        const MAX: u64 = HPCAP_RECORD_BYTES_MAX as u64;
        let body = match self.left {
            0 => return None,
            n if n <= MAX => n - HEADER,
            // This record must leave at least the bytes of a header for the last one.
            n if n < MAX + HEADER => n - 2 * HEADER,
            _ => HPCAP_CAPLEN_MAX as u64,
        };
        self.left -= HEADER + body;
        u16::try_from(body).ok().map(padding_header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stretch_is_covered_exactly() {
        for n in (12..400).chain(65_500..66_000).chain(131_000..131_200) {
            let records: Vec<_> = padding_to(1000, 1000 + n).unwrap().collect();
            let covered: u64 = records.iter().map(|r| 12 + u64::from(r.caplen)).sum();
            assert_eq!(covered, n);
            assert!(
                records
                    .iter()
                    .all(|r| r.sec == 0 && r.nsec == 0 && r.caplen == r.len)
            );
        }
        assert_eq!(padding_to(7, 7).unwrap().count(), 0);
    }

    #[test]
    fn stretch_shorter_than_a_header_is_refused() {
        for n in 1..12 {
            assert!(padding_to(0, n).is_none());
        }
        assert!(padding_to(1, 0).is_none());
    }
}
