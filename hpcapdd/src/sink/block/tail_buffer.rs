//! Pads the end of a partial block to whole pages, because a direct write needs whole pages.

use hpcap::raw::padding::padding_to;

use crate::storage::direct::ALIGN;

#[expect(clippy::cast_possible_truncation, reason = "it is 4096")]
const PAGE: usize = ALIGN as usize;

/// Two pages for the last bytes of a partial block and padding up to the end of a page.
///
/// The padding makes the file under way valid at any moment. The next bytes of the stream overwrite
/// the padding.
#[derive(Debug, Default)]
pub struct TailBuffer {
    pages: Box<Pages>,
}

#[derive(Debug)]
#[repr(C, align(4096))]
struct Pages([u8; 2 * PAGE]);

impl Default for Pages {
    fn default() -> Self {
        Self([0; 2 * PAGE])
    }
}

impl TailBuffer {
    /// Returns `tail`, which is shorter than a page, with padding behind it: one page, or two if
    /// the header of the padding does not fit into the first.
    #[must_use]
    pub fn fill(&mut self, tail: &[u8]) -> &[u8] {
        let pages = &mut self.pages.0;
        let len = tail.len().min(PAGE);
        pages.fill(0);
        pages[..len].copy_from_slice(&tail[..len]);
        let (end, padding) = match padding_to(len as u64, ALIGN) {
            Some(padding) => (PAGE, Some(padding)),
            None => (2 * PAGE, padding_to(len as u64, 2 * ALIGN)),
        };
        // Padding of up to two pages is a single record.
        if let Some(header) = padding.and_then(|mut p| p.next()) {
            let header = header.as_bytes();
            pages[len..len + header.len()].copy_from_slice(header);
        }
        &pages[..end]
    }
}

#[cfg(test)]
mod tests {
    use hpcap::raw::{Event, split_record};

    use super::*;

    #[test]
    fn tail_is_followed_by_one_padding_record() {
        let mut tail_buffer = TailBuffer::default();
        for len in (0..40).chain(PAGE - 40..PAGE) {
            let tail = vec![9; len];
            let bytes = tail_buffer.fill(&tail);
            assert_eq!(bytes.as_ptr() as usize % PAGE, 0);
            assert_eq!(bytes.len(), if PAGE - len < 12 { 2 * PAGE } else { PAGE });
            assert_eq!(bytes[..len], tail);
            let Some((Event::Padding(body), [])) = split_record(&bytes[len..]) else {
                panic!("{len}");
            };
            assert!(body.iter().all(|b| *b == 0));
        }
    }
}
