//! Captures to test with: real ones, if the environment variable `HPCAP_TEST_PCAPS` names their folder,
//! and generated ones.

use std::path::{Path, PathBuf};

use testkit::captures::real_captures;
use testkit::frames::special_frames;
use testkit::pcap::{self, ETHERNET, File, Frame};

/// A capture file.
#[derive(Debug)]
pub struct Capture {
    /// Name of the file, without its folder.
    pub name: String,
    /// Path of the file.
    pub path: PathBuf,
    /// Content of the file.
    pub file: File,
}

impl Capture {
    fn of(path: PathBuf) -> Self {
        Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            file: pcap::read(&path),
            path,
        }
    }
}

/// Returns all captures. Writes the generated ones into `folder`.
#[must_use]
pub fn all(folder: &Path) -> Vec<Capture> {
    let real = real_captures(&["pcap"]);
    let mut captures: Vec<_> = real.into_iter().map(Capture::of).collect();
    captures.extend(made(folder));
    captures
}

/// Generates captures with every kind of special frame, in every form of classic pcap.
fn made(folder: &Path) -> Vec<Capture> {
    let mut frames = special_frames();
    // These frames are shorter than an Ethernet header, and empty.
    frames.push(frames[0][..13].to_vec());
    frames.push(Vec::new());
    let save = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        Capture::of(path)
    };
    let mut captures = Vec::new();
    for nanoseconds in [true, false] {
        for little in [true, false] {
            let file = File {
                link_type: ETHERNET,
                nanoseconds,
                frames: stamped(&frames, nanoseconds),
                whole: true,
            };
            let unit = if nanoseconds { "ns" } else { "us" };
            let order = if little { "little" } else { "big" };
            let bytes = pcap::to_bytes(&file, little);
            captures.push(save(&format!("made-{unit}-{order}.pcap"), &bytes));
            if nanoseconds && little {
                let cut = &bytes[..bytes.len() - 5];
                captures.push(save("made-cut.pcap", cut));
                captures.push(save("made-empty.pcap", &bytes[..24]));
            }
        }
    }
    captures
}

fn stamped(frames: &[Vec<u8>], nanoseconds: bool) -> Vec<Frame> {
    let stamp = |(i, data): (usize, &Vec<u8>)| {
        let i = u32::try_from(i).unwrap();
        let len = u32::try_from(data.len()).unwrap();
        Frame {
            // One frame has the time zero, which means padding in RAW.
            sec: if i == 3 { 0 } else { 1_300_000_000 + i / 8 },
            nsec: if i == 3 {
                0
            } else {
                i % 8 * 124_999_000 + if nanoseconds { i } else { 0 }
            },
            // Every fifth frame was truncated when it was captured.
            len: if i % 5 == 4 { len + 1000 } else { len },
            data: data.clone(),
        }
    };
    frames.iter().enumerate().map(stamp).collect()
}

/// Writes a capture file of IEEE 802.3 frames whose type field is a length that is not their own.
/// The lengths go from zero to more than an Ethernet frame can have.
#[must_use]
pub fn odd_types(path: PathBuf) -> PathBuf {
    let frame = |length: u16, bytes: usize| {
        let mut data = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02".to_vec();
        data.extend(length.to_be_bytes());
        data.resize(bytes, 0x42);
        data
    };
    let lengths = [0, 1, 45, 46, 47, 100, 1000, 1499, 1500, 1501, 1535];
    let frames: Vec<_> = lengths
        .into_iter()
        .flat_map(|length| [60, 61, 114, 1014, 1514].map(|bytes| frame(length, bytes)))
        .collect();
    let file = File {
        link_type: ETHERNET,
        nanoseconds: true,
        frames: stamped(&frames, true),
        whole: true,
    };
    std::fs::write(&path, pcap::to_bytes(&file, true)).unwrap();
    path
}
