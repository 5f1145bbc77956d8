//! Decides whether a file certainly is RAW; a repair changes no other file.

use std::ops::Range;
use std::path::Path;

use crate::name::FileName;
use crate::record::Event;
use crate::scan::DamageKind;
use hpcap_base::compress::{Compression, FileFormat};
use hpcap_base::error::{Error, Kind, Result};
use hpcap_sys::abi::HPCAP_RECORD_BYTES;

/// The least number of frames that prove the format of a file that has no file header.
const FRAMES: u64 = 3;

/// Evidence that a file is RAW.
///
/// The evidence is in the content, because files of every format can be called `.raw`: disk images and photographs are.
/// A recording begins at its first byte with a record that is not empty, and nearly all of its bytes belong to records.
/// It may end in zeros, because a recorder reserves space that it may never write; zeros elsewhere prove nothing.
#[derive(Debug, Default)]
pub(super) struct Certainty {
    /// Whether the file begins with a file header of hpcap.
    has_header: bool,
    /// Whether the file begins with a record other than empty padding.
    begins: bool,
    /// Number of frames with bytes. Any four bytes with zeros after them look like an empty frame.
    frames: u64,
    /// Bytes of frames and tags.
    readable: u64,
    /// Bytes that are not records, apart from `zeros`.
    unreadable: u64,
    /// Zero bytes behind the last frame, tag or unreadable byte.
    zeros: u64,
}

impl Certainty {
    pub(super) fn see(&mut self, event: &Event<'_>, range: &Range<u64>) {
        let bytes = range.end - range.start;
        match event {
            Event::Padding(_) => {
                // Zero bytes of any origin look like empty padding.
                self.begins |= range.start == 0 && bytes > HPCAP_RECORD_BYTES as u64;
                return;
            }
            Event::Damaged(damage) => match damage.kind {
                DamageKind::Unwritten => self.zeros += bytes,
                DamageKind::Unreadable => {
                    self.unreadable += std::mem::take(&mut self.zeros) + bytes;
                }
                DamageKind::CutHeader
                | DamageKind::CutRecord { .. }
                | DamageKind::CutPadding
                | DamageKind::PaddingTooLong { .. } => {}
            },
            Event::Frame(frame) => self.frames += u64::from(!frame.data.is_empty()),
            Event::FileStart(_) => self.has_header |= range.start == 0,
            Event::Missed(_)
            | Event::FileEnd(_)
            | Event::Duplicate
            | Event::Sent
            | Event::Altered(_) => {}
        }
        if !matches!(event, Event::Damaged(_)) {
            self.unreadable += std::mem::take(&mut self.zeros);
            self.readable += bytes;
            self.begins |= range.start == 0;
        }
    }

    /// Refuses a file that may have another format.
    pub(super) fn check(&self, path: &Path, bytes: u64) -> Result<()> {
        let mostly = self.frames >= FRAMES && self.readable > self.unreadable;
        // A recorder that was killed at its beginning leaves too few frames for a proof. Then also
        // the name must be one that a recorder gives, and records must explain every byte.
        let is_beginning =
            self.unreadable == 0 && (self.begins || bytes == 0) && has_recorders_name(path);
        if self.has_header || (self.begins && mostly) || is_beginning {
            return Ok(());
        }
        let tried = format!("repair {}", path.display());
        if self.zeros == bytes {
            let why = match bytes {
                0 => "it is empty, so there is nothing to repair",
                _ => "it holds nothing but zeros, so it need not be RAW, and no frame is in it",
            };
            return Err(Error::new(Kind::Format, tried, why)
                .advise("delete it if a recorder left it behind"));
        }
        let why = format!(
            "it is not certain that it is RAW: {} of its {bytes} bytes are records, of {} frames",
            self.readable, self.frames
        );
        Err(Error::new(Kind::Format, tried, why).advise(
            "its name proves nothing; if it is RAW, raw2pcap converts what can be read of it",
        ))
    }
}

/// Whether the name of a file is one that a recorder gives to a RAW file, finished or not.
fn has_recorders_name(path: &Path) -> bool {
    FileName::of(path)
        .is_some_and(|name| name.format == FileFormat::Raw && name.compression == Compression::None)
}
