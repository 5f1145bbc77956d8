//! Makes RAW files, and reads them back.

use hpcap_base::{QueueName, Timestamp};
use hpcap_raw::{Event, FileHeader, Placed, Reader, Writer};
use proptest::prelude::*;

/// A frame as the test wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Time of the frame.
    pub time: Timestamp,
    /// Length on the wire in bytes; at least the length of `data`.
    pub len: u16,
    /// The captured bytes.
    pub data: Vec<u8>,
}

impl Frame {
    /// Makes a frame that was captured `ns` nanoseconds after 1970.
    #[must_use]
    pub fn new(ns: u64, len: u16, data: Vec<u8>) -> Self {
        let time = Timestamp::from_ns(ns);
        Self { time, len, data }
    }
}

/// Time of the first frame in nanoseconds since 1970.
pub const EPOCH_NS: u64 = 1_391_723_988_000_000_000;

/// Returns `count` frames of `len` bytes, one a microsecond.
#[must_use]
pub fn equal_frames(count: u64, len: u16) -> Vec<Frame> {
    (0..count)
        .map(|i| {
            let data = contents(usize::from(len), i, false);
            Frame::new(EPOCH_NS + i * 1000, len, data)
        })
        .collect()
}

/// Frames with contents as on a network, which do not look like records.
pub fn frames(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Frame>> {
    let one = (
        0_u64..5_000_000,
        prop_oneof![Just(60_usize), 0..200_usize, 0..1600_usize],
        any::<u64>(),
        any::<bool>(),
    );
    (
        proptest::collection::vec(one, count),
        prop_oneof![Just(0_usize), 1..300_usize],
    )
        .prop_map(|(parts, snap)| {
            let mut ns = EPOCH_NS;
            parts
                .into_iter()
                .map(|(step, len, seed, zeros)| {
                    ns += step;
                    let kept = if snap == 0 { len } else { len.min(snap) };
                    Frame::new(ns, u16::try_from(len).unwrap(), contents(kept, seed, zeros))
                })
                .collect()
        })
}

/// Returns bytes derived from a seed: random, or mostly zero as in many protocols.
#[must_use]
pub fn contents(bytes: usize, seed: u64, zeros: bool) -> Vec<u8> {
    let mut x = seed | 1;
    (0..bytes)
        .map(|i| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            if zeros && i % 64 > 14 {
                0
            } else {
                (x >> 32) as u8
            }
        })
        .collect()
}

/// The header of the made files.
#[must_use]
pub fn header() -> FileHeader {
    FileHeader {
        start: Timestamp::from_ns(EPOCH_NS),
        link_type: 1,
        queue: Some(QueueName::new(0, 1)),
        interface: "veth0".into(),
        host: "here".into(),
        clock_source: "engine".into(),
        software: "test".into(),
        block_bytes: 4 << 20,
        ..FileHeader::default()
    }
}

/// Returns a file with a header and `frames`, closed at a multiple of `unit` bytes, and the offset
/// of each frame's record.
#[must_use]
pub fn file(frames: &[Frame], unit: u64) -> (Vec<u8>, Vec<u64>) {
    let mut writer = Writer::new(Vec::new());
    assert_eq!(writer.header(&header()).unwrap(), Placed::Stored);
    let mut offsets = Vec::new();
    for f in frames {
        offsets.push(writer.offset());
        let placed = writer.frame(f.time.sec(), f.time.nsec(), f.len.into(), &f.data);
        assert_eq!(placed.unwrap(), Placed::Stored);
    }
    (writer.close(unit).unwrap().0, offsets)
}

/// Everything that the reader returned from a file.
#[derive(Debug, Default)]
pub struct Seen {
    /// The frames and the offsets of their records.
    pub frames: Vec<(u64, Frame)>,
    /// The damaged ranges.
    pub damage: Vec<hpcap_raw::Damage>,
    /// Number of file headers.
    pub headers: usize,
    /// The gaps.
    pub gaps: Vec<hpcap_raw::Gap>,
    /// Number of ledgers.
    pub ledgers: usize,
    /// Offset of the end in bytes.
    pub end: u64,
}

impl Seen {
    /// The frames without their offsets.
    #[must_use]
    pub fn frames_only(&self) -> Vec<Frame> {
        self.frames.iter().map(|(_, f)| f.clone()).collect()
    }
}

/// Reads a file and checks that the events cover all of it, in order and without a gap.
#[must_use]
pub fn read(bytes: &[u8]) -> Seen {
    read_from(bytes, bytes.len() as u64)
}

/// Reads a file of `size` bytes from `source`, and checks it as [`read`] does.
pub fn read_from(source: impl std::io::Read, size: u64) -> Seen {
    let mut reader = Reader::new(source);
    let mut seen = Seen::default();
    let mut at = 0;
    while reader.advance().unwrap() {
        let range = reader.range();
        let event = reader.event().unwrap();
        if !range.is_empty() {
            assert_eq!(range.start, at, "{event:?}");
        }
        at = at.max(range.end);
        match event {
            Event::Frame(r) => {
                let frame = Frame {
                    time: r.time,
                    len: r.len,
                    data: r.data.to_vec(),
                };
                seen.frames.push((range.start, frame));
            }
            Event::FileStart(_) => seen.headers += 1,
            Event::Missed(gap) => seen.gaps.push(*gap),
            Event::FileEnd(_) => seen.ledgers += 1,
            Event::Damaged(damage) => seen.damage.push(damage),
            Event::Padding(_) | Event::Duplicate | Event::Sent | Event::Altered(_) => {}
        }
    }
    assert_eq!(at, size);
    assert_eq!(reader.offset(), size);
    seen.end = at;
    seen
}
