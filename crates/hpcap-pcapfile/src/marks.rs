//! The marks of a frame: what a capture knows of it besides its bytes.

use hpcap_raw::Altered;

/// Largest length of a frame that a record of the RAW stream can hold, in bytes.
const RECORD_LEN_MAX: u32 = u16::MAX as u32;

/// Marks that the capture put before a frame. In pcapng, they are comments and flags of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// Whether the frame is a copy of an earlier one.
    pub duplicate: bool,
    /// Whether the machine that captured the frame sent it.
    pub sent: bool,
    /// The time with which the frame was received, if its record has another one.
    pub altered: Option<Altered>,
}

impl Marks {
    /// Describes what the record of a frame could not hold; `None` for almost every frame. The frame
    /// had `len` bytes on the wire, of which the record has `kept`.
    #[inline]
    pub(crate) fn comment(&self, len: u32, kept: usize) -> Option<String> {
        let is_cut = len > RECORD_LEN_MAX && kept < len as usize;
        let had = self.altered.filter(Altered::time_is_adjusted);
        (is_cut || had.is_some()).then(|| describe(is_cut.then_some(len), kept, had))
    }
}

#[cold]
fn describe(cut_from: Option<u32>, kept: usize, had: Option<Altered>) -> String {
    let mut parts = Vec::new();
    if let Some(len) = cut_from {
        parts.push(format!("frame of {len} bytes, cut to {kept}"));
    }
    if let Some(had) = had {
        parts.push(format!(
            "its time, {}.{:09} s since 1970, was adjusted",
            had.sec, had.nsec
        ));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comment_names_only_altered_fields() {
        let had = |sec, len| Marks {
            duplicate: true,
            sent: false,
            altered: Some(Altered { sec, nsec: 5, len }),
        };
        assert_eq!(Marks::default().comment(1514, 64), None);
        assert_eq!(had(1, 60).comment(60, 60), None);
        assert_eq!(Marks::default().comment(70_000, 70_000), None);
        for (marks, len, comment) in [
            (
                Marks::default(),
                70_000,
                "frame of 70000 bytes, cut to 65535",
            ),
            (
                had(1 << 32, 60),
                60,
                "its time, 4294967296.000000005 s since 1970, was adjusted",
            ),
            (
                had(1 << 32, 70_000),
                70_000,
                "frame of 70000 bytes, cut to 65535; its time, 4294967296.000000005 s since 1970, \
                 was adjusted",
            ),
        ] {
            assert_eq!(marks.comment(len, 65_535).as_deref(), Some(comment));
        }
    }
}
