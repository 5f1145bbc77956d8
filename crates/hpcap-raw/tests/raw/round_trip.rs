//! Tests that the reader returns what the writer wrote.

use hpcap_base::{Count, Ledger, Reason, Timestamp};
use hpcap_raw::tag::Tag;
use hpcap_raw::{Event, FileHeader, FrameMarks, Gap, LedgerTag, Placed, Reader, Writer};
use proptest::prelude::*;

use testkit::raw::{self as made, Frame, file, frames, header, read};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn written_frames_are_read(frames in frames(0..200), unit in prop_oneof![Just(0_u64), 1..100_000_u64]) {
        let (bytes, _) = file(&frames, unit);
        let seen = read(&bytes);
        prop_assert_eq!(seen.frames_only(), frames);
        prop_assert!(seen.damage.is_empty(), "{:?}", seen.damage);
        prop_assert_eq!(seen.headers, 1);
        prop_assert!(unit < 2 || (bytes.len() as u64).is_multiple_of(unit));
    }

    /// The files are small, so that records end exactly at the end and 1 to 24 bytes before or
    /// after it.
    #[test]
    fn full_files_are_closed_exactly(
        sizes in proptest::collection::vec(0..90_usize, 1..400),
        max in 200_u64..700,
    ) {
        let mut files: Vec<Vec<u8>> = Vec::new();
        let mut writer = Writer::with_max(Vec::new(), max);
        let mut ns = made::EPOCH_NS;
        let mut written = Vec::new();
        for (i, size) in sizes.iter().enumerate() {
            ns += 1000;
            let frame = Frame::new(ns, u16::try_from(*size).unwrap(), made::contents(*size, i as u64, false));
            loop {
                let placed = writer.frame(frame.time.sec(), frame.time.nsec(), frame.len.into(), &frame.data).unwrap();
                if placed == Placed::Stored {
                    break;
                }
                let full = std::mem::replace(&mut writer, Writer::with_max(Vec::new(), max));
                files.push(full.close_at(max).unwrap().0);
            }
            written.push(frame);
        }
        files.push(writer.close(0).unwrap().0);
        let mut seen = Vec::new();
        for (i, bytes) in files.iter().enumerate() {
            if i + 1 < files.len() {
                prop_assert_eq!(bytes.len() as u64, max);
            }
            let one = read(bytes);
            prop_assert!(one.damage.is_empty(), "{:?}", one.damage);
            seen.extend(one.frames_only());
        }
        prop_assert_eq!(seen, written);
    }
}

/// Tests each distance from the end of the file.
#[test]
fn frame_leaves_room_for_a_header() {
    const MAX: u64 = 1000;
    for spare in 0..30 {
        let mut writer = Writer::with_max(Vec::new(), MAX);
        let body = usize::try_from(MAX - 12 - spare).unwrap();
        let placed = writer.frame(5, 0, 9000, &vec![7; body]).unwrap();
        assert_eq!(placed == Placed::Stored, spare >= 12, "{spare}");
        let (bytes, written) = writer.close_at(MAX).unwrap();
        assert_eq!(bytes.len() as u64, MAX);
        let seen = read(&bytes);
        assert_eq!(seen.frames.len() as u64, written.frames.frames);
        assert!(seen.damage.is_empty());
    }
}

#[test]
fn long_padding_takes_several_records() {
    let mut writer = Writer::new(Vec::new());
    assert_eq!(writer.frame(5, 6, 60, &[1; 60]).unwrap(), Placed::Stored);
    let (bytes, _) = writer.close(4 << 20).unwrap();
    assert_eq!(bytes.len(), 4 << 20);
    assert_eq!(read(&bytes).frames.len(), 1);
}

#[test]
fn altered_frames_are_counted() {
    let mut writer = Writer::new(Vec::new());
    let long = vec![9; 70_000];
    for (sec, nsec, len, data) in [
        (0, 0, 60, &long[..60]),
        (u64::from(u32::MAX) + 1, 5, 60, &long[..60]),
        (7, 1_500_000_000, 60, &long[..60]),
        (7, 1, 70_000, &long[..]),
        (7, 2, 10, &long[..20]),
        (7, 3, 0, &[]),
    ] {
        assert_eq!(writer.frame(sec, nsec, len, data).unwrap(), Placed::Stored);
    }
    let (bytes, written) = writer.close(0).unwrap();
    assert_eq!((written.times_adjusted, written.frames_cut), (3, 1));
    assert_eq!(written.frames.frames, 6);
    let seen = read(&bytes);
    let got: Vec<_> = seen
        .frames_only()
        .iter()
        .map(|f| (f.time, f.len, f.data.len()))
        .collect();
    assert_eq!(
        got,
        [
            (Timestamp::new(0, 1), 60, 60),
            (Timestamp::MAX_RAW, 60, 60),
            (Timestamp::new(8, 500_000_000), 60, 60),
            (Timestamp::new(7, 1), 65_535, 65_535),
            (Timestamp::new(7, 2), 20, 20),
            (Timestamp::new(7, 3), 0, 0),
        ]
    );
}

#[test]
fn gaps_and_ledgers_keep_their_places() {
    let mut lost = Ledger::default();
    lost[Reason::RingFull] = Count::new(12, 720);
    let gap = Gap {
        from: Some(Timestamp::new(5, 0)),
        until: Timestamp::new(6, 0),
        open: true,
        lost,
    };
    let mut writer = Writer::new(Vec::new());
    for step in [
        writer.header(&made::header()),
        writer.frame(5, 0, 60, &[0; 60]),
        writer.gap(&gap),
        writer.frame(6, 0, 60, &[1; 60]),
        writer.ledger(&LedgerTag {
            end: Timestamp::new(6, 1),
            ledger: lost,
            frames_cut: 7,
            times_adjusted: 8,
        }),
    ] {
        assert_eq!(step.unwrap(), Placed::Stored);
    }
    let (bytes, written) = writer.close(4096).unwrap();
    assert_eq!(written.gaps, 1);
    let seen = read(&bytes);
    assert_eq!(
        (seen.headers, seen.gaps, seen.ledgers, seen.frames.len()),
        (1, vec![gap], 1, 2)
    );
}

/// The reader's buffer ends at any position of a record, and each read returns only a few bytes.
#[test]
fn short_reads_lose_nothing() {
    struct Drops<'a>(&'a [u8], usize);
    impl std::io::Read for Drops<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.1 = (self.1 * 7 + 3) % 5000;
            let n = buf.len().min(self.0.len()).min(self.1 + 1);
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }
    let frames: Vec<Frame> = (0..6000_u64)
        .map(|i| {
            let bytes = usize::try_from(i * 37 % 1500).unwrap();
            Frame::new(made::EPOCH_NS + i, 1500, made::contents(bytes, i, false))
        })
        .collect();
    let (bytes, _) = file(&frames, 1 << 20);
    let seen = made::read_from(Drops(&bytes, 0), bytes.len() as u64);
    assert_eq!(seen.frames_only(), frames);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A capture file can hold frames of any time that are cut to any length. The reader must not
    /// report them as damage.
    #[test]
    fn frames_of_a_capture_file_are_no_damage(
        frames in proptest::collection::vec((any::<u32>(), 0..1_000_000_000_u32, 1..2000_u16, 0..3_u16), 0..60),
        unit in prop_oneof![Just(0_u64), Just(4096)],
    ) {
        let mut writer = Writer::new(Vec::new());
        let from_file = FileHeader { clock_source: "file".into(), ..header() };
        let _ = writer.header(&from_file).unwrap();
        let mut written = Vec::new();
        for (i, (sec, nsec, caplen, more)) in frames.into_iter().enumerate() {
            let data = made::contents(caplen.into(), i as u64, false);
            let time = Timestamp::new(sec.max(1), nsec);
            let frame = Frame { time, len: caplen + more * 1000, data };
            let _ = writer.frame(frame.time.sec(), nsec, frame.len.into(), &frame.data).unwrap();
            written.push(frame);
        }
        let seen = read(&writer.close(unit).unwrap().0);
        prop_assert!(seen.damage.is_empty(), "{:?}", seen.damage);
        prop_assert_eq!(seen.frames_only(), written);
    }
}

/// A machine without a real-time clock can learn the time shortly before the end of a capture.
#[test]
fn jump_of_time_near_the_end_is_read() {
    for after in 1..8_u64 {
        let frames: Vec<Frame> = (0..10_u64)
            .map(|i| (i, i * 1000 + 5_000_000_000))
            .chain((0..after).map(|i| (i + 10, made::EPOCH_NS + i * 1000)))
            .map(|(i, ns)| Frame::new(ns, 60, made::contents(60, i, false)))
            .collect();
        for unit in [0, 4096] {
            let seen = read(&file(&frames, unit).0);
            assert_eq!(seen.frames_only(), frames, "{after} frames after it");
            assert!(seen.damage.is_empty());
        }
    }
}

/// Files from before fields were added to the tags can still be read.
#[test]
fn reader_takes_shorter_tags() {
    let whole = |tag: Tag, bytes: usize| {
        let mut body = tag.to_body();
        body.truncate(bytes);
        body[12..16].copy_from_slice(&u32::try_from(bytes).unwrap().to_le_bytes());
        Tag::parse(&body)
    };
    let mut lost = Ledger::default();
    lost[Reason::RingFull] = Count::new(12, 720);
    let gap = Gap {
        lost,
        ..Gap::default()
    };
    let gap = Tag::Gap(Box::new(gap));
    assert_eq!(whole(gap.clone(), 176), Some(gap.clone()));
    assert_eq!(whole(gap, 175), None);
    let ledger = LedgerTag {
        ledger: lost,
        ..LedgerTag::default()
    };
    let ledger = Tag::Ledger(Box::new(ledger));
    assert_eq!(whole(ledger.clone(), 136), Some(ledger.clone()));
    assert_eq!(whole(ledger, 135), None);
}

#[test]
fn writer_tags_altered_frames() {
    let mut writer = Writer::new(Vec::new());
    let long = vec![7; 70_000];
    let both = FrameMarks {
        duplicate: true,
        sent: true,
    };
    for step in [
        writer.header(&made::header()),
        writer.frame(5, 0, 65_535, &long[..65_535]),
        writer.frame(5, 1, 70_001, &long),
        writer.marked_frame(both, 1 << 33, 2, 60, &[0; 60]),
    ] {
        assert_eq!(step.unwrap(), Placed::Stored);
    }
    let (bytes, written) = writer.close(4096).unwrap();
    assert_eq!((written.frames_cut, written.times_adjusted), (1, 1));
    let mut reader = Reader::new(bytes.as_slice());
    let mut seen = Vec::new();
    while let Some(event) = reader.next().unwrap() {
        match event {
            Event::Altered(had) => seen.push((had.sec, had.nsec, had.len)),
            Event::Frame(frame) => seen.push((0, 0, frame.len.into())),
            Event::Duplicate => seen.push((0, 0, 0)),
            Event::Sent => seen.push((0, 0, 1)),
            _ => {}
        }
    }
    let (frame, mark, sent) = (|len| (0, 0, len), (0, 0, 0), (0, 0, 1));
    let (cut, late) = ((5, 1, 70_001), (1 << 33, 2, 60));
    assert_eq!(
        seen,
        [
            frame(65_535),
            cut,
            frame(65_535),
            sent,
            late,
            mark,
            frame(60)
        ]
    );
}
