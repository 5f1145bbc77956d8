//! The identity of a recording, stored in the comment of a pcapng section as RAW files store it in
//! their header.
//!
//! A file that another program wrote, or has rewritten, may have no identity. Such a file is never deleted as a part of a
//! recording.
//!
//! ```
//! use hpcap_pcapfile::identity::{comment, of_comment};
//! use hpcap_raw::{FileHeader, Identity, RecordingId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let header = FileHeader {
//!     recording: Some(RecordingId::random()?),
//!     file_number: 7,
//!     ..FileHeader::default()
//! };
//! let identity = Identity::of(&header);
//! assert_eq!(of_comment(&comment(&identity)), Some(identity));
//! assert_eq!(of_comment("taken at noon"), None);
//! # Ok(())
//! # }
//! ```

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use hpcap_base::compress::Decompressor;
use hpcap_base::time::Timestamp;
use hpcap_raw::{FileHeader, Identity};

/// Block type of a section header; its bytes are the same in both byte orders.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Code of a comment among the options of a block.
const COMMENT: u16 = 1;

/// Largest section header that is examined, in bytes; those that hpcap writes are far shorter.
const SECTION_BYTES_MAX: u32 = 64 << 10;

/// The start of a comment that holds an identity.
const PREFIX: &str = "hpcap recording ";

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    id: String,
    file: u64,
    offset: u64,
    start_ns: u64,
    host: String,
    interface: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
}

/// Returns the comment that stores `identity`; empty when the recording has no id.
#[must_use]
pub fn comment(identity: &Identity) -> String {
    let Some(id) = identity.recording else {
        return String::new();
    };
    let text = Text {
        id: id.to_string(),
        file: identity.file_number,
        offset: identity.stream_off,
        start_ns: identity.start.as_ns(),
        host: identity.origin.host.clone(),
        interface: identity.origin.interface.clone(),
        queue: identity.origin.queue.map(|queue| queue.to_string()),
    };
    serde_json::to_string(&text).map_or_else(|_| String::new(), |json| format!("{PREFIX}{json}"))
}

/// Parses the identity in a comment; `None` when the comment holds none.
#[must_use]
pub fn of_comment(comment: &str) -> Option<Identity> {
    let text: Text = serde_json::from_str(comment.strip_prefix(PREFIX)?).ok()?;
    Some(Identity::of(&FileHeader {
        recording: Some(text.id.parse().ok()?),
        file_number: text.file,
        stream_off: text.offset,
        start: Timestamp::from_ns(text.start_ns),
        host: text.host,
        interface: text.interface,
        queue: match text.queue {
            Some(queue) => Some(queue.parse().ok()?),
            None => None,
        },
        ..FileHeader::default()
    }))
}

/// Reads the identity of a pcapng file, compressed or not, from `source`, which starts at the first
/// byte of the file. Returns `None` for a file that another program wrote.
///
/// # Errors
/// Returns errors of reading `source`.
pub fn read(source: impl Read) -> io::Result<Option<Identity>> {
    let mut source = Decompressor::new(source)?;
    let mut head = [0; 24];
    match source.read_exact(&mut head) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    // Files that hpcap writes are little endian.
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if head[..4] != SECTION
        || head[8..12] != 0x1a2b_3c4d_u32.to_le_bytes()
        || !(28..=SECTION_BYTES_MAX).contains(&length)
    {
        return Ok(None);
    }
    let mut options = Vec::new();
    source
        .take(u64::from(length) - 28)
        .read_to_end(&mut options)?;
    Ok(comment_of(&options).and_then(of_comment))
}

/// Returns the first comment among options.
fn comment_of(mut options: &[u8]) -> Option<&str> {
    loop {
        let (head, rest) = options.split_first_chunk::<4>()?;
        let code = u16::from_le_bytes([head[0], head[1]]);
        let bytes = usize::from(u16::from_le_bytes([head[2], head[3]]));
        if code == COMMENT {
            return std::str::from_utf8(rest.get(..bytes)?).ok();
        }
        if code == 0 {
            return None;
        }
        options = rest.get(bytes.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{PcapngWriter, Section};
    use hpcap_base::QueueName;
    use hpcap_base::compress::{Compression, Compressor};
    use hpcap_raw::RecordingId;

    fn identity() -> Identity {
        Identity::of(&FileHeader {
            recording: Some(RecordingId::random().unwrap()),
            file_number: 7,
            stream_off: 1 << 40,
            start: Timestamp::new(1_800_000_000, 5),
            host: "\"probe\" 7\n".into(),
            interface: "eth0".into(),
            queue: Some(QueueName::new(3, 1)),
            ..FileHeader::default()
        })
    }

    fn section(comment: &str) -> Vec<u8> {
        let section = Section {
            comment: comment.to_owned(),
            ..Section::here("test")
        };
        PcapngWriter::new(Vec::new(), &section)
            .into_inner()
            .unwrap()
    }

    #[test]
    fn identity_reads_back_from_pcapng() {
        let identity = identity();
        let bytes = section(&comment(&identity));
        assert_eq!(read(&bytes[..]).unwrap(), Some(identity.clone()));
        let mut packed = Compressor::new(Vec::new(), Compression::Zstd).unwrap();
        packed.write_all(&bytes).unwrap();
        assert_eq!(read(&packed.finish().unwrap()[..]).unwrap(), Some(identity));
    }

    #[test]
    fn file_of_others_has_no_identity() {
        let ours = section(&comment(&identity()));
        for bytes in [
            &b""[..],
            b"text of a file that is none",
            &section(""),
            &section("a comment"),
            &section("hpcap recording {}"),
            &ours[..ours.len() / 2],
        ] {
            assert_eq!(read(bytes).unwrap(), None);
        }
    }
}
