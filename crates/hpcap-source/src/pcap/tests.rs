//! Tests with files that they write themselves.

use std::fs;
use std::path::PathBuf;

use super::*;

/// Builds a microsecond pcap file of frames `(sec, usec, bytes, length on the wire)`.
fn pcap(link_type: u32, frames: &[(u32, u32, &[u8], u32)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut word = |n: u32| file.extend_from_slice(&n.to_le_bytes());
    for n in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link_type] {
        word(n);
    }
    for (sec, usec, data, len) in frames {
        for n in [*sec, *usec, u32::try_from(data.len()).unwrap(), *len] {
            file.extend_from_slice(&n.to_le_bytes());
        }
        file.extend_from_slice(data);
    }
    file
}

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place(bytes: &[u8]) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.pcap");
    fs::write(&path, bytes).unwrap();
    Place {
        _folder: folder,
        path,
    }
}

fn source(place: &Place, options: &str) -> PcapSource {
    PcapSource::open(&PcapSpec::parse(&format!("{}{options}", place.path.display())).unwrap())
        .unwrap()
}

type Got = Vec<(u64, u32, Vec<u8>, u32)>;

/// Harvests until the end or an error, or until there are `max` frames.
fn all(source: &mut PcapSource, max: usize) -> (Got, Option<Error>) {
    let mut got = Vec::new();
    loop {
        let state = match source.harvest() {
            Err(error) => return (got, Some(error)),
            Ok(harvest) => {
                got.extend(
                    harvest
                        .frames
                        .iter()
                        .map(|f| (f.sec, f.nsec, f.data().to_vec(), f.len)),
                );
                harvest.state
            }
        };
        match state {
            _ if got.len() >= max => return (got, None),
            State::Ended => return (got, None),
            State::Idle => source.wait(Duration::from_secs(1)).unwrap(),
            State::Busy => {}
        }
    }
}

const THREE: [(u32, u32, &[u8], u32); 3] = [
    (100, 5, b"first", 5),
    (101, 0, b"", 0),
    (100, 999_999, b"cut", 1500),
];

#[test]
fn frames_equal_those_of_the_file() {
    let place = place(&pcap(1, &THREE));
    let (got, error) = all(&mut source(&place, ""), usize::MAX);
    assert!(error.is_none());
    assert_eq!(
        got,
        [
            (100, 5_000, b"first".to_vec(), 5),
            (101, 0, Vec::new(), 0),
            (100, 999_999_000, b"cut".to_vec(), 1500),
        ]
    );
}

#[test]
fn file_takes_several_batches() {
    let big = vec![7; 200_000];
    let small: Vec<[u8; 4]> = (0..1000u32).map(u32::to_le_bytes).collect();
    let mut frames: Vec<(u32, u32, &[u8], u32)> = (0..)
        .zip(&small)
        .map(|(n, data)| (n, 0, &data[..], 4))
        .collect();
    frames.extend((0..20).map(|n| (2000 + n, 0, &big[..], 200_000)));
    let place = place(&pcap(1, &frames));
    let (got, error) = all(&mut source(&place, ""), usize::MAX);
    assert!(error.is_none());
    assert_eq!(got.len(), frames.len());
    for (got, frame) in got.iter().zip(&frames) {
        assert!(got.0 == u64::from(frame.0) && got.2 == frame.2 && got.3 == frame.3);
    }
}

#[test]
fn loop_continues_the_times() {
    let place = place(&pcap(1, &THREE));
    let (got, error) = all(&mut source(&place, ",loop=3"), usize::MAX);
    assert!(error.is_none());
    assert_eq!(got.len(), 9);
    let times: Vec<_> = got
        .iter()
        .map(|g| g.0 * 1_000_000_000 + u64::from(g.1))
        .collect();
    for pass in 1..3 {
        let (before, this) = (
            &times[pass * 3 - 3..pass * 3],
            &times[pass * 3..pass * 3 + 3],
        );
        assert!(this.iter().min() > before.iter().max());
        assert_eq!(this[1] - this[0], times[1] - times[0]);
    }
    let (got, _) = all(&mut source(&place, ",loop=forever"), 100_000);
    assert!(got.len() >= 100_000);
}

#[test]
fn file_without_frames_ends_even_in_a_loop() {
    let place = place(&pcap(1, &[]));
    let (got, error) = all(&mut source(&place, ",loop=forever"), usize::MAX);
    assert!(got.is_empty() && error.is_none());
}

#[test]
fn cut_file_gives_frames_before_the_error() {
    let mut bytes = pcap(1, &THREE);
    bytes.pop();
    let place = place(&bytes);
    let mut source = source(&place, ",loop=forever");
    let (got, error) = all(&mut source, usize::MAX);
    assert_eq!(got.len(), 2);
    let error = error.unwrap();
    assert_eq!(error.kind(), Kind::Format);
    assert!(error.to_string().contains("test.pcap"), "{error}");
    assert_eq!(source.harvest().unwrap().state, State::Ended);
}

#[test]
fn real_speed_follows_the_pace_of_the_file() {
    let frames: [(u32, u32, &[u8], u32); 3] = [
        (100, 0, b"a", 1),
        (100, 20_000, b"b", 1),
        (100, 10_000, b"c", 1),
    ];
    let place = place(&pcap(1, &frames));
    let before = Timestamp::now().as_ns();
    let mut source = source(&place, ",speed=real");
    assert_eq!(source.description().clock_source, "engine");
    assert!(!source.description().waits);
    let (got, error) = all(&mut source, usize::MAX);
    assert!(error.is_none());
    let times: Vec<_> = got
        .iter()
        .map(|g| g.0 * 1_000_000_000 + u64::from(g.1))
        .collect();
    assert!(times[0] >= before);
    assert_eq!(times[1] - times[0], 20_000_000);
    assert_eq!(times[2], times[1], "one that is out of order comes at once");
    assert!(
        Timestamp::now().as_ns() >= times[2],
        "not before it was due"
    );
}

#[test]
fn long_pause_is_reported_once() {
    let frames: [(u32, u32, &[u8], u32); 2] = [(100, 0, b"a", 1), (4000, 0, b"b", 1)];
    let place = place(&pcap(1, &frames));
    let mut source = source(&place, ",speed=real");
    assert_eq!(source.harvest().unwrap().frames.len(), 1);
    for _ in 0..3 {
        assert_eq!(source.harvest().unwrap().state, State::Idle);
        source.wait(Duration::ZERO).unwrap();
    }
    let event = source.next_event().unwrap();
    assert_eq!(source.next_event(), None);
    let interface = source.description().interface;
    let text = event.display(&interface).to_string();
    assert!(text.contains("the next frame is due in 38"), "{text}");
}

#[test]
fn link_type_comes_from_the_file() {
    let place = place(&pcap(113, &THREE));
    assert_eq!(source(&place, "").description().link_type, 113);
}

#[test]
fn unreadable_file_has_a_reason() {
    let open = |text: &str| PcapSource::open(&PcapSpec::parse(text).unwrap()).unwrap_err();
    let missing = open("/no/such/file.pcap");
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(
        missing.to_string().contains("/no/such/file.pcap"),
        "{missing}"
    );
    let place = place(b"PK\x03\x04 certainly not a capture");
    assert_eq!(open(place.path.to_str().unwrap()).kind(), Kind::Format);
    assert_eq!(open("-,loop=2").kind(), Kind::Usage);
}

/// Builds a pcapng file of ten frames. `drops` has pairs of a frame's number and the losses before
/// it.
fn pcapng_with_drops(drops: &[(u32, u64)]) -> Vec<u8> {
    use hpcap::Ledger;
    use hpcap::pcapfile::{Interface, PcapngWriter, Section};
    let mut writer = PcapngWriter::new(Vec::new(), &Section::here("test"));
    let header = hpcap::raw::FileHeader {
        link_type: LINK_TYPE_ETHERNET,
        ..Default::default()
    };
    let id = writer.interface(&Interface::of(&header)).unwrap();
    for n in 0..10 {
        if let Some((_, dropped)) = drops.iter().find(|(before, _)| *before == n) {
            let mut lost = Ledger::default();
            lost[Reason::NicMissed] = Count::new(*dropped, 0);
            let gap = hpcap::raw::Gap {
                lost,
                ..Default::default()
            };
            writer.gap(id, &gap).unwrap();
        }
        let time = Timestamp::new(100 + n, 0);
        writer.frame(id, time, 60, &[0; 60]).unwrap();
    }
    writer.into_inner().unwrap()
}

/// Each loss is reported before its frame, even though all frames would fit into one batch.
#[test]
fn drops_stand_before_their_frame() {
    for options in ["", ",speed=max,loop=2"] {
        let file = place(&pcapng_with_drops(&[(3, 5), (4, 1), (8, 1000)]));
        let mut source = source(&file, options);
        let (mut place, mut lost) = (0, Vec::new());
        loop {
            let harvest = source.harvest().unwrap();
            if harvest.state == State::Ended {
                break;
            }
            lost.extend(harvest.lost.iter().map(|(_, count)| (place, count.frames)));
            place += harvest.frames.len();
        }
        let once = [(3, 5), (4, 1), (8, 1000)];
        let twice = [once, once.map(|(place, lost)| (place + 10, lost))].concat();
        let expected = if options.is_empty() {
            &once[..]
        } else {
            &twice
        };
        assert_eq!(lost, expected);
    }
}
