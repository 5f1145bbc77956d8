//! Tests that what the writers write can be read back.

use hpcap_base::{Count, Ledger, Reason, Timestamp};
use hpcap_pcapfile::{
    Direction, Interface, Marks, PcapWriter, PcapngWriter, Precision, Reader, Section, Statistics,
};
use hpcap_raw::Gap;
use proptest::prelude::*;

use testkit::pcapng::LITTLE;

use crate::read::read;

type Frames = Vec<(u64, u32, Vec<u8>)>;

fn frames() -> impl Strategy<Value = Frames> {
    let one = (
        0_u64..u64::from(u32::MAX) * 1_000_000_000,
        0..100_u32,
        proptest::collection::vec(any::<u8>(), 0..300),
    );
    proptest::collection::vec(one, 0..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn pcap_reads_back(frames in frames(), micro in any::<bool>()) {
        let precision = if micro { Precision::Microseconds } else { Precision::Nanoseconds };
        let mut writer = PcapWriter::new(Vec::new(), 1, 65_535, precision);
        for (ns, more, data) in &frames {
            let len = u32::try_from(data.len()).unwrap() + more;
            writer.frame(Timestamp::from_ns(*ns), len, data).unwrap();
        }
        let size = writer.bytes();
        let file = writer.into_inner().unwrap();
        prop_assert_eq!(size, file.len() as u64);
        let (got, error) = read(&file);
        prop_assert!(error.is_none());
        prop_assert_eq!(got.len(), frames.len());
        for (got, (ns, more, data)) in got.iter().zip(&frames) {
            let ns = if micro { ns / 1000 * 1000 } else { *ns };
            prop_assert_eq!(got.sec * 1_000_000_000 + u64::from(got.nsec), ns);
            prop_assert_eq!(&got.data, data);
            prop_assert_eq!(got.len, u32::try_from(data.len()).unwrap() + more);
        }
    }

    #[test]
    fn pcapng_reads_back(frames in frames(), queues in 1..4_u32) {
        let mut writer = PcapngWriter::new(Vec::new(), &Section::here("test"));
        let ids: Vec<_> = (0..queues)
            .map(|queue| writer.interface(&Interface { queue: Some(queue), ..Interface::default() }).unwrap())
            .collect();
        for (i, (ns, more, data)) in frames.iter().enumerate() {
            let len = u32::try_from(data.len()).unwrap() + more;
            let id = ids[i % ids.len()];
            writer.frame(id, Timestamp::from_ns(*ns), len, data).unwrap();
        }
        let size = writer.bytes();
        let file = writer.into_inner().unwrap();
        prop_assert_eq!(size, file.len() as u64);
        let (got, error) = read(&file);
        prop_assert!(error.is_none(), "{error:?}");
        for (i, (got, (ns, more, data))) in got.iter().zip(&frames).enumerate() {
            prop_assert_eq!(got.sec * 1_000_000_000 + u64::from(got.nsec), *ns);
            prop_assert_eq!(&got.data, data);
            prop_assert_eq!(got.len, u32::try_from(data.len()).unwrap() + more);
            prop_assert_eq!(got.queue, Some(u32::try_from(i).unwrap() % queues));
            prop_assert_eq!(Some(got.interface), got.queue);
        }
        prop_assert_eq!(got.len(), frames.len());
    }
}

fn gap(reason: Reason, frames: u64) -> Gap {
    let mut lost = Ledger::default();
    lost[reason] = Count::new(frames, 0);
    Gap {
        from: None,
        until: Timestamp::new(5, 0),
        open: false,
        lost,
    }
}

#[test]
fn gap_is_at_the_next_frame_of_its_queue() {
    let mut writer = PcapngWriter::new(Vec::new(), &Section::default());
    let a = writer.interface(&Interface::default()).unwrap();
    let b = writer
        .interface(&Interface {
            queue: Some(1),
            ..Interface::default()
        })
        .unwrap();
    let frame = |writer: &mut PcapngWriter<_>, id| {
        writer
            .frame(id, Timestamp::new(9, 0), 60, &[0; 60])
            .unwrap();
    };
    frame(&mut writer, a);
    writer.gap(b, &gap(Reason::RingFull, 10)).unwrap();
    writer.gap(b, &gap(Reason::NicMissed, 2)).unwrap();
    frame(&mut writer, a);
    frame(&mut writer, b);
    frame(&mut writer, b);
    let (got, _) = read(&writer.into_inner().unwrap());
    assert_eq!(
        got.iter().map(|f| f.dropped).collect::<Vec<_>>(),
        [0, 0, 12, 0]
    );
    assert_eq!(got[2].queue, Some(1));
    assert_eq!(
        got[2].comment.as_deref(),
        Some("12 frames missing before this one: 10 ring_full, 2 nic_missed")
    );
    assert_eq!(got[3].comment, None);
}

#[test]
fn only_the_duplicate_has_a_comment() {
    let mut writer = PcapngWriter::new(Vec::new(), &Section::default());
    let a = writer.interface(&Interface::default()).unwrap();
    let b = writer.interface(&Interface::default()).unwrap();
    writer.duplicate(b).unwrap();
    for id in [a, b, b] {
        let time = Timestamp::new(9, 0);
        writer.frame(id, time, 60, &[0; 60]).unwrap();
    }
    let (got, _) = read(&writer.into_inner().unwrap());
    let comments: Vec<_> = got.iter().map(|f| f.comment.as_deref()).collect();
    assert_eq!(comments, [None, Some("duplicate"), None]);
    assert!(got.iter().all(|f| f.dropped == 0));
}

#[test]
fn statistics_equal_the_ledger() {
    let mut ledger = Ledger::default();
    for (reason, frames) in [
        (Reason::Captured, 100),
        (Reason::Duplicate, 1),
        (Reason::Filtered, 20),
        (Reason::NoListener, 3),
        (Reason::RingFull, 5),
        (Reason::NicMissed, 7),
        (Reason::NicError, 2),
        (Reason::Storage, 4),
    ] {
        ledger[reason] = Count::new(frames, 0);
    }
    let s = Statistics::of(&ledger, 96, Timestamp::new(9, 0));
    assert_eq!(
        (s.received, s.dropped, s.accepted, s.os_dropped, s.delivered),
        (Some(138), Some(9), Some(109), Some(9), Some(96))
    );
    let mut writer = PcapngWriter::new(Vec::new(), &Section::default());
    let id = writer.interface(&Interface::default()).unwrap();
    writer.statistics(id, &s).unwrap();
    let file = writer.into_inner().unwrap();
    // The last block is compared as bytes; its first option is number 4 (received).
    let body = [&0_u32.to_le_bytes()[..], &[0; 8]].concat();
    let at = file.len() - (12 + body.len() + 5 * 12 + 4);
    assert_eq!(file[at..at + 4], 5_u32.to_le_bytes());
    assert_eq!(
        file[at + 20..at + 32],
        LITTLE.option(4, &138_u64.to_le_bytes())[..]
    );
}

#[test]
fn interface_of_another_file_is_refused() {
    let mut one = PcapngWriter::new(Vec::new(), &Section::default());
    let id = one.interface(&Interface::default()).unwrap();
    let mut other = PcapngWriter::new(Vec::new(), &Section::default());
    assert!(other.frame(id, Timestamp::new(1, 0), 0, &[]).is_err());
    let link_type = 70_000;
    assert!(
        other
            .interface(&Interface {
                link_type,
                ..Interface::default()
            })
            .is_err()
    );
}

#[test]
fn frame_has_its_direction() {
    let mut writer = PcapngWriter::new(Vec::new(), &Section::default());
    let queue = Some(3);
    let interface = Interface {
        queue,
        ..Interface::default()
    };
    let id = writer.interface(&interface).unwrap();
    let mut frame = |direction, duplicate| {
        let start = writer.bytes();
        if let Some(direction) = direction {
            writer.direction(id, direction).unwrap();
        }
        if duplicate {
            writer.duplicate(id).unwrap();
        }
        writer.frame(id, Timestamp::default(), 4, b"data").unwrap();
        usize::try_from(start).unwrap()..usize::try_from(writer.bytes()).unwrap()
    };
    let inbound = frame(Some(Direction::Inbound), false);
    let outbound = frame(Some(Direction::Outbound), true);
    let unknown = frame(None, false);
    let file = writer.into_inner().unwrap();
    let flags = |n: u32| LITTLE.option(2, &n.to_le_bytes());
    let queue = [LITTLE.option(6, &3_u32.to_le_bytes()), vec![0; 4]].concat();
    let packet = |options: &[u8]| LITTLE.packet(0, 0, 4, b"data", options);
    assert_eq!(file[inbound], packet(&[flags(1), queue.clone()].concat()));
    let noted = [LITTLE.option(1, b"duplicate"), flags(2), queue.clone()].concat();
    assert_eq!(file[outbound], packet(&noted));
    assert_eq!(file[unknown], packet(&queue));
}

#[test]
fn unmarked_frame_was_received_when_directions_are_known() {
    let mut writer = PcapngWriter::new(Vec::new(), &Section::default());
    let interface = Interface {
        knows_directions: true,
        ..Interface::default()
    };
    let id = writer.interface(&interface).unwrap();
    for sent in [false, true, false] {
        let marks = Marks {
            sent,
            ..Marks::default()
        };
        writer.mark(id, &marks, 4, 4).unwrap();
        writer.frame(id, Timestamp::new(1, 0), 4, b"data").unwrap();
    }
    let file = writer.into_inner().unwrap();
    let mut reader = Reader::new(file.as_slice(), "test").unwrap();
    let mut directions = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        directions.push(frame.direction);
    }
    let (inbound, outbound) = (Some(Direction::Inbound), Some(Direction::Outbound));
    assert_eq!(directions, [inbound, outbound, inbound]);
}
