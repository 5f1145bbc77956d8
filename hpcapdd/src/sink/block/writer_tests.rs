//! Tests of the block writer with a generated stream.

use hpcap::QueueName;
use hpcap::Reason;
use hpcap::abi::{hpcap_block, hpcap_record};
use hpcap::raw::index::Index;
use hpcap::raw::{Event, LedgerTag, split_record, tag::Tag};
use proptest::prelude::*;
use proptest::sample;

use super::*;

const BLOCK: u64 = BLOCK_BYTES as u64;
const BLOCK_BYTES: usize = 128 << 10;
const GEOMETRY: Geometry = Geometry {
    block_bytes: BLOCK,
    file_bytes_max: 64 * BLOCK,
};

/// A stream of frames of pseudo-random lengths, as a producer lays it out, from offset 0.
struct Stream {
    bytes: Vec<u8>,
    /// Offsets of the ends of the records, after a first entry of 0.
    ends: Vec<u64>,
    entries: Vec<hpcap_block>,
}

impl Stream {
    fn new(blocks: u64, seed: u64) -> Self {
        let mut stream = Self {
            bytes: Vec::new(),
            ends: vec![0],
            entries: Vec::new(),
        };
        let mut random = seed | 1;
        while (stream.bytes.len() as u64) < blocks * BLOCK {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            stream.push(u16::try_from(random >> 48).unwrap() % 3000);
        }
        stream
    }

    fn push(&mut self, len: u16) {
        let at = self.bytes.len() as u64;
        if self.entries.len() as u64 == at / BLOCK {
            let frames = self.ends.len() as u64 - 1;
            self.entries.push(hpcap_block {
                block: at / BLOCK,
                first_off: at,
                first_ns: 1_000_000_000 + frames,
                earliest_ns: 1_000_000_000,
                latest_ns: 1_000_000_000 + frames,
                file_off: 0,
                ledger: {
                    let mut ledger = [Count::default(); hpcap::abi::HPCAP_LEDGER_REASONS];
                    ledger[0] = Count::new(frames, at - 12 * frames);
                    ledger
                },
                frames_cut: 0,
                times_adjusted: 0,
            });
        }
        let head = hpcap_record {
            sec: 1,
            nsec: 0,
            caplen: len,
            len,
        };
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.resize(self.bytes.len() + usize::from(len), 7);
        self.ends.push(self.bytes.len() as u64);
    }

    /// The part of block `number` before stream offset `until`, in aligned memory.
    fn view<'a>(&self, number: u64, until: u64, memory: &'a mut Memory) -> BlockView<'a> {
        let off = number * BLOCK;
        let end = until.min(off + BLOCK);
        let bytes = slice(&self.bytes, off, end);
        memory.0[..bytes.len()].copy_from_slice(bytes);
        BlockView {
            off,
            bytes: &memory.0[..bytes.len()],
            complete: end == off + BLOCK,
            entry: self.entries[usize::try_from(number).unwrap()],
        }
    }

    fn captured(&self, end: u64) -> Count {
        let frames = self.ends.partition_point(|e| *e <= end) as u64 - 1;
        let last = self.ends[usize::try_from(frames).unwrap()];
        Count::new(frames, last - 12 * frames)
    }
}

#[repr(C, align(4096))]
struct Memory([u8; BLOCK_BYTES]);

fn memory() -> Box<Memory> {
    Box::new(Memory([0; BLOCK_BYTES]))
}

fn writer(dir: &std::path::Path, direct: bool) -> BlockWriter {
    let folder = OutputFolder::open(dir, QueueName::new(0, 0), direct).unwrap();
    BlockWriter::new(folder.reserving(4 * BLOCK), GEOMETRY)
}

/// Stores block `number` and trusts it.
fn whole(writer: &mut BlockWriter, stream: &Stream, number: u64) {
    let mut memory = memory();
    let view = stream.view(number, u64::MAX, &mut memory);
    writer.store(&view).unwrap();
    writer.trust(&view.stored_block());
}

fn only_file(dir: &std::path::Path) -> Vec<u8> {
    let mut todo = vec![dir.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                None => todo.push(path),
                Some(end) if end == "part" || end == "raw" => {
                    return std::fs::read(path).unwrap();
                }
                Some(_) => {}
            }
        }
    }
    panic!("no file");
}

/// Counts frames and ledgers. The last record must end exactly at the end of `bytes`.
fn parse_all(mut bytes: &[u8]) -> (u64, u64) {
    let (mut frames, mut ledgers) = (0, 0);
    while !bytes.is_empty() {
        let Some((event, rest)) = split_record(bytes) else {
            panic!("a cut record, {} bytes before the end", bytes.len());
        };
        frames += u64::from(matches!(event, Event::Frame(_)));
        ledgers += u64::from(matches!(event, Event::FileEnd(_)));
        bytes = rest;
    }
    (frames, ledgers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A block that is stored in parts makes a valid file after each part, and the same file at the
    /// end.
    #[test]
    fn partial_block_makes_a_valid_file(
        seed: u64, direct: bool, cuts in proptest::collection::vec(any::<sample::Index>(), 1..8)
    ) {
        let dir = tempfile::tempdir_in(".").unwrap();
        let stream = Stream::new(3, seed);
        let mut writer = writer(dir.path(), direct);
        whole(&mut writer, &stream, 0);
        let mut ends: Vec<u64> = stream.ends.iter().copied()
            .filter(|e| (BLOCK + 1..2 * BLOCK).contains(e)).collect();
        let mut cuts: Vec<usize> = cuts.iter()
            .map(|c| c.index(ends.len())).collect();
        cuts.sort_unstable();
        cuts.dedup();
        ends = cuts.into_iter().map(|c| ends[c]).collect();
        for end in ends {
            let mut memory = memory();
            writer.store(&stream.view(1, end, &mut memory)).unwrap();
            let file = only_file(dir.path());
            prop_assert_eq!(slice(&file, 0, end), slice(&stream.bytes, 0, end));
            prop_assert_eq!(parse_all(&file).0, stream.captured(end).frames);
        }
        whole(&mut writer, &stream, 1);
        let file = only_file(dir.path());
        prop_assert_eq!(slice(&file, 0, 2 * BLOCK), slice(&stream.bytes, 0, 2 * BLOCK));
    }

    /// A file that ends early holds every whole record and is valid, wherever it ends.
    #[test]
    fn file_cut_short_is_sound(seed: u64, direct: bool, part: sample::Index, lost: bool) {
        let dir = tempfile::tempdir_in(".").unwrap();
        let stream = Stream::new(3, seed);
        let mut writer = writer(dir.path(), direct);
        whole(&mut writer, &stream, 0);
        whole(&mut writer, &stream, 1);
        let at = 2 * BLOCK + part.index(BLOCK_BYTES) as u64;
        let mut memory = memory();
        let view = stream.view(2, at, &mut memory);
        if at > 2 * BLOCK {
            writer.store(&view).unwrap();
        }
        // With `lost`, the ring was overwritten, so only whole blocks count.
        let salvage = writer.salvage((!lost).then_some(&view)).unwrap();
        let until = if lost { 2 * BLOCK } else { at };
        let end = *stream.ends.iter().rfind(|e| **e <= until).unwrap();
        prop_assert_eq!(salvage.end, end);
        prop_assert_eq!(salvage.told[Reason::Captured], stream.captured(end));
        let tag = Tag::Ledger(Box::<LedgerTag>::default()).to_body();
        let (sealed, error) = writer.seal(end, salvage.told[Reason::Captured], &[tag]).unwrap();
        prop_assert!(error.is_none());
        prop_assert_eq!(sealed.frames(), stream.captured(end));
        let (complete, _) = sealed.finish().unwrap();
        let file = std::fs::read(&complete.path).unwrap();
        prop_assert_eq!(slice(&file, 0, end), slice(&stream.bytes, 0, end));
        prop_assert!((file.len() as u64).is_multiple_of(BLOCK));
        prop_assert_eq!(parse_all(&file), (stream.captured(end).frames, 1));
        let index = Index::load(&complete.path).unwrap().unwrap();
        prop_assert_eq!(index.entries.len() as u64, file.len() as u64 / BLOCK);
    }
}
