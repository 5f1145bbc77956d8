//! Decides whether a file certainly is RAW; a repair changes no other file.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use std::ops::Range;

use crate::record::Event;
use crate::scan::DamageKind;
use hpcap_base::error::{Error, Kind, Result};

/// The least number of frames in a damaged file that certainly is RAW.
const FRAMES: u64 = 3;

/// Evidence that a file is RAW.
#[derive(Debug, Default)]
pub(super) struct Certainty {
    /// Whether the file begins with a file header of hpcap.
    has_header: bool,
    /// Whether the file begins with a record other than empty padding.
    begins: bool,
    frames: u64,
    /// Bytes of records other than empty padding.
    readable: u64,
    /// Bytes that are not records. Zero bytes that were never written do not count.
    unreadable: u64,
}

impl Certainty {
    pub(super) fn see(&mut self, event: &Event<'_>, range: &Range<u64>) {
        let bytes = range.end - range.start;
        let mut is_record = true;
        match event {
            Event::Frame(_) => self.frames += 1,
            Event::FileStart(_) => self.has_header |= range.start == 0,
            Event::Missed(_) | Event::FileEnd(_) | Event::Duplicate | Event::Altered(_) => {}
            // Zero bytes of any origin look like padding.
            Event::Padding(_) => is_record = false,
            Event::Damaged(damage) => {
                is_record = false;
                if damage.kind == DamageKind::Unreadable {
                    self.unreadable += bytes;
                }
            }
        }
        if is_record {
            self.readable += bytes;
            self.begins |= range.start == 0;
        }
    }

    /// Refuses a file that may have another format.
    pub(super) fn check(&self, path: &Path, bytes: u64) -> Result<()> {
        let name = path.as_os_str().as_bytes();
        let is_named_raw = name.ends_with(b".raw") || name.ends_with(b".raw.part");
        let mostly = self.frames >= FRAMES && self.readable > self.unreadable;
        let is_certain = self.has_header
            || (self.begins && mostly)
            // A recorder that was killed can leave an empty file, or one that holds only zeros.
            || (is_named_raw && (mostly || self.unreadable == 0));
        if is_certain {
            return Ok(());
        }
        Err(Error::new(
            Kind::Format,
            format!("repair {}", path.display()),
            format!(
                "it is not certain that it is RAW: {} of its {bytes} bytes are records, of {} frames",
                self.readable, self.frames
            ),
        )
        .advise("raw2pcap converts what can be read; a RAW file with another name: call a copy NAME.raw"))
    }
}
