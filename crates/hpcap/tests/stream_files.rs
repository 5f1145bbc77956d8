//! Streams of recordings and capture files: every format gives the same events.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::task::Poll;

use hpcap::compress::{Compression, Compressor};
use hpcap::pcapfile::{Direction, Interface, PcapWriter, PcapngWriter, Precision, Section};
use hpcap::raw::{FileHeader, FrameMarks, Gap, LedgerTag, Writer};
use hpcap::{Count, Event, Kind, Ledger, Reason, Stream, Timestamp};

/// What a test compares: one line for each event.
fn lines(stream: &mut Stream) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(event) = stream.next().unwrap() {
        lines.push(line(&event));
    }
    lines
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Frame(f) => format!(
            "frame {} {} {} {:?}{}{}",
            f.time.as_ns(),
            f.len,
            f.link_type,
            f.data,
            if f.is_duplicate { " duplicate" } else { "" },
            if f.is_sent { " sent" } else { "" }
        ),
        Event::Missed(gap) => format!("missed {} {}", gap.frames(), gap.reason()),
        Event::FileStart(header) => format!("file of {}", header.interface),
        Event::FileEnd(tag) => format!("end with {}", tag.ledger[Reason::Captured].frames),
        Event::Damaged(damage) => format!("damage of {} bytes", damage.bytes),
        other => panic!("{other:?}"),
    }
}

fn lost(frames: u64) -> Ledger {
    let mut lost = Ledger::default();
    lost[Reason::NicMissed] = Count::new(frames, 0);
    lost
}

fn header(interface: &str) -> FileHeader {
    FileHeader {
        interface: interface.into(),
        link_type: 1,
        ..FileHeader::default()
    }
}

/// Writes a RAW file with one frame of each kind, and losses before the last one.
fn write_raw(path: &Path) {
    let mut writer = Writer::new(File::create(path).unwrap());
    let _ = writer.header(&header("eth7")).unwrap();
    let _ = writer.frame(1, 5, 60, &[1, 2]).unwrap();
    let marks = FrameMarks {
        duplicate: true,
        sent: true,
    };
    let _ = writer.marked_frame(marks, 2, 0, 61, &[3]).unwrap();
    let _ = writer.frame(3, 0, 100_000, &[4]).unwrap();
    let _ = writer.frame(1 << 33, 7, 62, &[5]).unwrap();
    let gap = Gap {
        lost: lost(9),
        ..Gap::default()
    };
    let _ = writer.gap(&gap).unwrap();
    let _ = writer.frame(4, 0, 63, &[6]).unwrap();
    let mut tag = LedgerTag::default();
    tag.ledger[Reason::Captured] = Count::new(5, 0);
    let _ = writer.ledger(&tag).unwrap();
    writer.close(4096).unwrap();
}

const RAW_LINES: [&str; 8] = [
    "file of eth7",
    "frame 1000000005 60 1 [1, 2]",
    "frame 2000000000 61 1 [3] duplicate sent",
    "frame 3000000000 100000 1 [4]",
    "frame 8589934592000000007 62 1 [5]",
    "missed 9 nic_missed",
    "frame 4000000000 63 1 [6]",
    "end with 5",
];

#[test]
fn raw_frames_have_their_original_length_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("any name");
    write_raw(&path);
    assert_eq!(lines(&mut Stream::open(&path).unwrap()), RAW_LINES);
}

#[test]
fn damage_is_an_event_and_reading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.raw");
    write_raw(&path);
    let mut bytes = fs::read(&path).unwrap();
    let good = bytes.clone();
    bytes.extend([0xff; 100]);
    bytes.extend(good);
    fs::write(&path, bytes).unwrap();
    let lines = lines(&mut Stream::open(&path).unwrap());
    assert_eq!(lines[..8], RAW_LINES);
    assert!(lines[8].starts_with("damage of "), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "end with 5");
}

fn write_pcapng(sink: &mut impl Write) {
    let mut writer = PcapngWriter::new(sink, &Section::here("test"));
    let ethernet = writer.interface(&Interface::of(&header("eth0"))).unwrap();
    let raw_ip = Interface {
        link_type: 101,
        ..Interface::of(&header("tun0"))
    };
    let raw_ip = writer.interface(&raw_ip).unwrap();
    writer
        .frame(ethernet, Timestamp::new(1, 5), 60, &[1])
        .unwrap();
    writer.duplicate(ethernet).unwrap();
    writer.direction(ethernet, Direction::Outbound).unwrap();
    writer
        .frame(ethernet, Timestamp::new(2, 0), 60, &[2])
        .unwrap();
    let gap = Gap {
        lost: lost(3),
        ..Gap::default()
    };
    writer.gap(raw_ip, &gap).unwrap();
    writer
        .frame(raw_ip, Timestamp::new(3, 0), 61, &[3])
        .unwrap();
    writer.into_inner().unwrap();
}

#[test]
fn pcapng_has_the_same_events() {
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let path = dir.path().join(compression.suffix()).join("x");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut sink = Compressor::new(File::create(&path).unwrap(), compression).unwrap();
        write_pcapng(&mut sink);
        sink.finish().unwrap();
        assert_eq!(
            lines(&mut Stream::open(&path).unwrap()),
            [
                "frame 1000000005 60 1 [1]",
                "frame 2000000000 60 1 [2] duplicate sent",
                "missed 3 nic_missed",
                "frame 3000000000 61 101 [3]",
            ]
        );
    }
}

fn write_pcap(path: &Path, frames: std::ops::Range<u32>) {
    let file = File::create(path).unwrap();
    let mut writer = PcapWriter::new(file, 1, 65_535, Precision::Nanoseconds);
    for n in frames {
        let time = Timestamp::new(n, 0);
        writer
            .frame(time, 60, &[u8::try_from(n).unwrap(); 60])
            .unwrap();
    }
    writer.into_inner().unwrap();
}

fn seconds(stream: &mut Stream) -> Vec<u64> {
    let mut seconds = Vec::new();
    while let Some(event) = stream.next().unwrap() {
        if let Event::Frame(frame) = event {
            seconds.push(frame.time.sec());
        }
    }
    seconds
}

#[test]
fn folder_is_read_in_the_order_of_recording() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("1800");
    fs::create_dir(&folder).unwrap();
    write_pcap(&folder.join("2000_hpcap0_0-2.pcap"), 7..9);
    write_pcap(&folder.join("2000_hpcap0_0-10.pcap.part"), 9..10);
    write_pcap(&folder.join("2000_hpcap0_0.pcap"), 4..7);
    fs::write(folder.join("notes.txt"), "text").unwrap();
    let mut stream = Stream::open(dir.path()).unwrap();
    assert_eq!(seconds(&mut stream), [4, 5, 6, 7, 8, 9]);
    assert!(stream.next().unwrap().is_none());
}

#[test]
fn damaged_file_is_an_error_and_the_next_file_follows() {
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("1_a.pcap");
    write_pcap(&cut, 1..3);
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    fs::write(dir.path().join("2_a.pcap"), "text instead of frames").unwrap();
    write_pcap(&dir.path().join("3_a.pcap"), 5..6);
    let mut stream = Stream::open(dir.path()).unwrap();
    let frame = |stream: &mut Stream| match stream.next().unwrap() {
        Some(Event::Frame(frame)) => frame.time.sec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(frame(&mut stream), 1);
    for _ in 0..2 {
        assert_eq!(stream.next().unwrap_err().kind(), Kind::Format);
    }
    assert_eq!(frame(&mut stream), 5);
    assert!(stream.next().unwrap().is_none());
}

#[test]
fn missing_and_empty_places_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path(), &dir.path().join("none")] {
        assert_eq!(Stream::open(path).unwrap_err().kind(), Kind::NotFound);
    }
    let empty = dir.path().join("empty.raw");
    fs::write(&empty, "").unwrap();
    assert!(Stream::open(&empty).unwrap().next().unwrap().is_none());
}

#[test]
fn filter_drops_only_frames() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("filtered.raw");
    write_raw(&path);
    // 100,000 bytes on the wire: the filter sees the original length.
    let stream = Stream::open(&path).unwrap().filter("greater 1000").unwrap();
    assert_eq!(
        lines(&mut { stream }),
        [RAW_LINES[0], RAW_LINES[3], RAW_LINES[5], RAW_LINES[7]]
    );
    let error = Stream::open(&path)
        .unwrap()
        .filter("nonsense and")
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn filter_suits_each_link_type() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("links.pcapng");
    let mut writer = PcapngWriter::new(File::create(&path).unwrap(), &Section::here("test"));
    let ethernet = writer.interface(&Interface::of(&header("eth0"))).unwrap();
    let tunnel = Interface {
        link_type: 101,
        ..Interface::of(&header("tun0"))
    };
    let tunnel = writer.interface(&tunnel).unwrap();
    // An IPv4 datagram with UDP in it, behind an Ethernet header and without one.
    let mut frame = vec![0_u8; 60];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14] = 0x45;
    frame[23] = 17;
    for n in 0..2 {
        writer
            .frame(ethernet, Timestamp::new(1 + n, 0), 60, &frame)
            .unwrap();
        writer
            .frame(tunnel, Timestamp::new(11 + n, 0), 46, &frame[14..])
            .unwrap();
        writer
            .frame(tunnel, Timestamp::new(21 + n, 0), 60, &frame)
            .unwrap();
    }
    writer.into_inner().unwrap();
    let mut stream = Stream::open(&path).unwrap().filter("udp").unwrap();
    assert_eq!(seconds(&mut stream), [1, 11, 2, 12]);
}

#[test]
fn file_is_never_pending() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcap");
    write_pcap(&path, 1..4);
    let mut stream = Stream::open(&path).unwrap();
    let mut frames = 0;
    while let Poll::Ready(Some(_)) = stream.try_next().unwrap() {
        frames += 1;
    }
    assert_eq!(frames, 3);
    assert!(matches!(stream.try_next(), Ok(Poll::Ready(None))));
}
