//! Classic pcap files, read and written without the code under test, so that a fault in that code
//! cannot hide itself.

/// The link type LINKTYPE_ETHERNET.
pub const ETHERNET: u32 = 1;

const FILE_HEADER_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 16;

/// A frame of a capture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Seconds since 1970.
    pub sec: u32,
    /// Nanoseconds past the second.
    pub nsec: u32,
    /// Length on the wire in bytes; at least the length of `data`.
    pub len: u32,
    /// The captured bytes.
    pub data: Vec<u8>,
}

/// A capture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// LINKTYPE_ value, without the upper bits, which describe the FCS.
    pub link_type: u32,
    /// Whether times count nanoseconds rather than microseconds.
    pub nanoseconds: bool,
    /// The frames before the first truncated one.
    pub frames: Vec<Frame>,
    /// Whether the file ends at the end of a frame.
    pub whole: bool,
}

/// Parses the bytes of a file.
#[must_use]
pub fn parse(bytes: &[u8]) -> File {
    let magic: [u8; 4] = bytes[..4].try_into().unwrap();
    let (little, nanoseconds) = match magic {
        [0xd4, 0xc3, 0xb2, 0xa1] => (true, false),
        [0x4d, 0x3c, 0xb2, 0xa1] => (true, true),
        [0xa1, 0xb2, 0xc3, 0xd4] => (false, false),
        [0xa1, 0xb2, 0x3c, 0x4d] => (false, true),
        other => panic!("not a classic pcap file: {other:02x?}"),
    };
    let number = |at: usize| {
        let word: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        if little {
            u32::from_le_bytes(word)
        } else {
            u32::from_be_bytes(word)
        }
    };
    let mut frames = Vec::new();
    let mut at = FILE_HEADER_BYTES;
    while at + FRAME_HEADER_BYTES <= bytes.len() {
        let caplen = number(at + 8) as usize;
        let data = at + FRAME_HEADER_BYTES;
        let Some(data) = data.checked_add(caplen).and_then(|to| bytes.get(data..to)) else {
            break;
        };
        frames.push(Frame {
            sec: number(at),
            nsec: number(at + 4) * if nanoseconds { 1 } else { 1000 },
            len: number(at + 12).max(number(at + 8)),
            data: data.to_vec(),
        });
        at += FRAME_HEADER_BYTES + caplen;
    }
    File {
        link_type: number(20) & 0xffff,
        nanoseconds,
        frames,
        whole: at == bytes.len(),
    }
}

/// Reads a file.
#[must_use]
pub fn read(path: &std::path::Path) -> File {
    parse(&std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// Writes a file as bytes, in little-endian or big-endian order.
#[must_use]
pub fn to_bytes(file: &File, little: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let number = |n: u32, bytes: &mut Vec<u8>| {
        bytes.extend(if little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        });
    };
    let magic = if file.nanoseconds {
        0xa1b2_3c4d
    } else {
        0xa1b2_c3d4
    };
    // Version 2.4; time zone and accuracy are unused; frames have up to 256 KiB.
    let version = if little { 0x0004_0002 } else { 0x0002_0004 };
    for word in [magic, version, 0, 0, 262_144, file.link_type] {
        number(word, &mut bytes);
    }
    let unit = if file.nanoseconds { 1 } else { 1000 };
    for frame in &file.frames {
        let caplen = u32::try_from(frame.data.len()).unwrap();
        for word in [frame.sec, frame.nsec / unit, caplen, frame.len] {
            number(word, &mut bytes);
        }
        bytes.extend_from_slice(&frame.data);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_file_reads_back_in_any_form() {
        for (little, nanoseconds) in [(true, true), (true, false), (false, true), (false, false)] {
            let file = File {
                link_type: ETHERNET,
                nanoseconds,
                frames: vec![
                    Frame {
                        sec: 1,
                        nsec: 2000,
                        len: 90,
                        data: vec![7; 60],
                    },
                    Frame {
                        sec: 3,
                        nsec: 0,
                        len: 0,
                        data: vec![],
                    },
                ],
                whole: true,
            };
            let bytes = to_bytes(&file, little);
            assert_eq!(parse(&bytes), file);
            let cut = parse(&bytes[..bytes.len() - 1]);
            assert_eq!((cut.frames.len(), cut.whole), (1, false));
        }
    }
}
