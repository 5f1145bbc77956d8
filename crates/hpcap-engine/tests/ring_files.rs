//! Tests of files in the stream: where they end, which records are there, and where recorders
//! start. The tests named `dg_*` cover the bugs in the developer guide, and `integrity_*` the list
//! of data-integrity defects of the original.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Bench, Seen, Shape, content, frames, read_all};
use hpcap::abi;
use hpcap::raw::Event;
use hpcap::{Contract, Count, Reason, Start};

/// Reads everything with a lossless listener. Returns the events of each file. Asserts that every
/// file consists of whole blocks, begins and ends as the format demands, and that no record crosses
/// its end.
fn files(bench: &mut Bench, attached: &mut harness::Attached, shape: Shape) -> Vec<Vec<Seen>> {
    bench.service();
    let block_bytes = bench.block_bytes;
    let mut files: Vec<Vec<Seen>> = Vec::new();
    let mut file_start = attached.listener.position();
    loop {
        let at = attached.listener.position();
        let starts = at.is_multiple_of(block_bytes)
            && attached
                .listener
                .block_entry(at / block_bytes)
                .is_some_and(|e| e.file_off == at && e.first_off == at);
        let Some(event) = attached.listener.next_record().unwrap() else {
            break;
        };
        let event = Seen::from(event);
        if starts || files.is_empty() {
            if let Some(last) = files.last() {
                let end = last.last().unwrap();
                assert!(
                    matches!(end, Seen::Padding(_)),
                    "a file ends with padding: {end:?}"
                );
                assert!(at - file_start <= shape.file_blocks * block_bytes);
                assert_eq!((at - file_start) % block_bytes, 0, "whole blocks");
            }
            if !shape.plain {
                assert_eq!(event, Seen::FileHeader, "at {at}");
            }
            files.push(Vec::new());
            file_start = at;
        } else if !shape.plain {
            assert_ne!(event, Seen::FileHeader, "in the middle of a file, at {at}");
        }
        let end = attached.listener.position();
        let file_end = file_start + shape.file_blocks * block_bytes;
        assert!(
            end <= file_end,
            "a record from {at} to {end} crosses {file_end}"
        );
        files.last_mut().unwrap().push(event);
    }
    attached.listener.ack().unwrap();
    files
}

/// Fills the current file until `left` bytes remain to its end. Returns the number of frames
/// pushed.
fn fill_until(
    bench: &mut Bench,
    attached: &mut harness::Attached,
    file_end: u64,
    left: u64,
) -> u64 {
    let mut pushed = 0;
    loop {
        let room = file_end - bench.head() - left;
        let n = match room {
            0 => return pushed,
            // The rest must again have room for a record.
            1..=1511 => room,
            1512..=3000 => room / 2,
            _ => 1512,
        };
        assert!(n >= 12, "cannot leave exactly {left} bytes");
        assert!(bench.push(&content(pushed, n as usize - 12), 1, 1));
        pushed += 1;
        bench.service();
        read_all(&mut attached.listener);
    }
}

/// In the original, a frame that left room for exactly two headers before the file's end made the
/// padding zero bytes long. The padding was then not written, and all later frames were lost.
#[test]
fn dg_3_8_8_loss_of_all_frames_at_exact_padding_fit() {
    for plain in [true, false] {
        let shape = Shape {
            plain,
            ..Shape::small()
        };
        // These are all distances from 60 bytes before the room that a frame needs to 60 bytes
        // after it.
        let ledger = size_of::<abi::hpcap_ledger_tag>() as u64;
        let tail = if plain { 12 } else { 12 + 12 + ledger };
        for left in (tail + 72 - 60)..=(tail + 72 + 60) {
            let mut bench = Bench::new(shape);
            let mut watch = bench.attach(Contract::Lossless, Start::File).unwrap();
            let mut reader = bench.attach(Contract::Lossless, Start::File).unwrap();
            let file_end = watch.listener.position() + shape.file_blocks * bench.block_bytes;
            let before = fill_until(&mut bench, &mut reader, file_end, left);
            for number in 0..10 {
                assert!(bench.push(&content(1000 + number, 60), 2, 2), "left {left}");
                bench.service();
            }
            let files = files(&mut bench, &mut watch, shape);
            assert_eq!(files.len(), 2, "left {left}");
            let all: Vec<_> = files.iter().flat_map(|f| frames(f)).collect();
            assert_eq!(all.len() as u64, before + 10);
            for (number, frame) in all[before as usize..].iter().enumerate() {
                assert_eq!(*frame, content(1000 + number as u64, 60), "left {left}");
            }
            let fits = left >= tail + 72;
            assert_eq!(
                frames(&files[0]).len() as u64,
                before + u64::from(fits),
                "left {left}"
            );
        }
    }
}

/// The same test for every distance up to a header and one byte, for records of all usual sizes, and with stream
/// offsets near and beyond 2^32 and 2^40.
#[test]
fn records_near_a_file_end_are_whole() {
    for start_off in [0, (1 << 32) - (128 << 10), 1 << 40, u64::MAX / 2] {
        for (caplen, distance) in [0, 1, 48, 60, 1514, 9000, 65_535]
            .into_iter()
            .flat_map(|caplen| (0..=13).map(move |d| (caplen, d)))
        {
            let shape = Shape {
                plain: true,
                start_off,
                ..Shape::small()
            };
            let mut bench = Bench::new(shape);
            let mut watch = bench.attach(Contract::Lossless, Start::File).unwrap();
            let mut reader = bench.attach(Contract::Lossless, Start::File).unwrap();
            let file_end = watch.listener.position() + shape.file_blocks * bench.block_bytes;
            // The record would end `distance` bytes before the end of the file.
            let left = caplen as u64 + 12 + distance;
            let before = fill_until(&mut bench, &mut reader, file_end, left);
            assert!(bench.push(&content(7, caplen), 3, 3));
            assert!(bench.push(&content(8, 60), 3, 4));
            let files = files(&mut bench, &mut watch, shape);
            assert_eq!(files.len(), 2, "{caplen} {distance}");
            let in_first = frames(&files[0]).len() as u64 - before;
            // The record fits if a header fits behind it. With 13 bytes, the padding has a body of
            // one byte.
            assert_eq!(in_first, u64::from(distance >= 12), "{caplen} {distance}");
            let all: Vec<_> = files.iter().flat_map(|f| frames(f)).collect();
            assert_eq!(all[before as usize], content(7, caplen));
            assert_eq!(all[before as usize + 1], content(8, 60));
        }
    }
}

/// A recorder that starts after another one has left begins at the start of a file, and not in the
/// middle of the frame at which the other stopped.
#[test]
fn dg_3_8_5_corrupted_captures_after_a_restart() {
    let shape = Shape::small();
    let mut bench = Bench::new(shape);
    let mut first = bench.attach(Contract::Lossless, Start::File).unwrap();
    for number in 0..100 {
        assert!(bench.push(&content(number, 333), 1, 1));
    }
    bench.service();
    // The first recorder leaves in the middle of the captured frames.
    first.listener.next_record().unwrap();
    first.listener.ack().unwrap();
    bench.detach(first);
    let mut second = bench.attach(Contract::Lossless, Start::File).unwrap();
    assert_eq!(second.listener.position() % bench.block_bytes, 0);
    assert!(bench.push(&content(500, 99), 2, 2));
    let files = files(&mut bench, &mut second, shape);
    assert_eq!(frames(&files[0]), [content(500, 99)]);
}

/// The file of a restarted recorder has its full length: its end is counted from its own start, and
/// not from that of the earlier recorder.
#[test]
fn dg_3_8_12_padding_in_the_middle_after_a_restart() {
    let shape = Shape::small();
    let mut bench = Bench::new(shape);
    let first = bench.attach(Contract::Lossless, Start::File).unwrap();
    for number in 0..70 {
        assert!(bench.push(&content(number, 1500), 1, 1));
    }
    bench.service();
    bench.detach(first);
    let mut second = bench.attach(Contract::Lossless, Start::File).unwrap();
    let mut reader = bench.attach(Contract::Lossless, Start::File).unwrap();
    let start = second.listener.position();
    let file_end = start + shape.file_blocks * bench.block_bytes;
    fill_until(
        &mut bench,
        &mut reader,
        file_end,
        12 + 12 + size_of::<abi::hpcap_ledger_tag>() as u64 + 72,
    );
    assert!(bench.push(&content(1, 60), 1, 1));
    assert!(bench.push(&content(2, 60), 1, 1));
    let files = files(&mut bench, &mut second, shape);
    assert_eq!(files.len(), 2);
    let padding = files[0]
        .iter()
        .filter(|s| matches!(s, Seen::Padding(_)))
        .count();
    assert_eq!(padding, 1, "padding at the end only");
}

/// Two listeners get the same frames from where they attached, and a listener that attaches after
/// another has left gets a new id.
#[test]
fn dg_3_8_10_concurrent_listeners_and_reused_ids() {
    let mut bench = Bench::new(Shape::small());
    let mut idle = bench.attach(Contract::Lossless, Start::File).unwrap();
    assert!(bench.push(&content(1, 100), 1, 1));
    let mut second = bench.attach(Contract::Lossless, Start::Oldest).unwrap();
    bench.service();
    assert_eq!(read_all(&mut idle.listener), read_all(&mut second.listener));
    let ids = (idle.listener.id(), second.listener.id());
    bench.detach(idle);
    let mut third = bench.attach(Contract::Lossless, Start::Newest).unwrap();
    assert!(third.listener.id() > ids.1);
    assert!(bench.push(&content(2, 100), 1, 1));
    bench.service();
    assert_eq!(frames(&read_all(&mut second.listener)), [content(2, 100)]);
    assert_eq!(frames(&read_all(&mut third.listener)), [content(2, 100)]);
}

/// A recorder that joins another one late starts at the start of a file, on a block boundary.
#[test]
fn integrity_07_late_joining_block_client_starts_at_a_file() {
    let shape = Shape::small();
    let mut bench = Bench::new(shape);
    let mut first = bench.attach(Contract::Lossless, Start::File).unwrap();
    for number in 0..50 {
        assert!(bench.push(&content(number, 777), 1, 1));
    }
    let mut late = bench.attach(Contract::Lossless, Start::File).unwrap();
    for number in 50..60 {
        assert!(bench.push(&content(number, 777), 1, 1));
    }
    let late_start = late.listener.position();
    assert_eq!(late_start % bench.block_bytes, 0);
    let late_files = files(&mut bench, &mut late, shape);
    assert_eq!(frames(&late_files[0]).len(), 10);
    // The first recorder's file ends where the late one's file starts, without loss.
    let first_files = files(&mut bench, &mut first, shape);
    assert_eq!(first_files.len(), 2);
    let all: Vec<_> = first_files.iter().flat_map(|f| frames(f)).collect();
    assert_eq!(all, (0..60).map(|n| content(n, 777)).collect::<Vec<_>>());
}

/// The rings do not all divide 4 GiB, and the stream offsets overflow 32 bits.
#[test]
fn integrity_09_offsets_of_64_bits() {
    for ring_bytes in [
        512 << 10,
        516 << 10,
        768 << 10,
        3 << 20,
        5 << 20,
        (20 << 20) + 4096,
    ] {
        for start_off in [0, (1u64 << 32) - 300_000, (1 << 40) - 300_000, 1 << 62] {
            let shape = Shape {
                ring_bytes,
                start_off,
                file_blocks: 3,
                ..Shape::small()
            };
            let mut bench = Bench::new(shape);
            let mut listener = bench.attach(Contract::Lossless, Start::File).unwrap();
            let mut next = 0;
            // The frames go around the ring at least three times.
            for number in 0..(4 * ring_bytes / 1_500) {
                assert!(bench.push(&content(number, 1_450), 1, 1), "{shape:?}");
                if number % 50 == 0 {
                    bench.service();
                    for frame in frames(&read_all(&mut listener.listener)) {
                        assert_eq!(frame, content(next, 1_450), "{shape:?} {next}");
                        next += 1;
                    }
                }
            }
            assert_eq!(
                listener.listener.ledger().ledger[Reason::RingFull],
                Count::default()
            );
        }
    }
}

/// A requested file begins at the next block, and no frame is lost before it.
#[test]
fn file_begins_on_request() {
    let shape = Shape {
        file_blocks: 4,
        ring_bytes: 2 << 20,
        ..Shape::small()
    };
    let mut bench = Bench::new(shape);
    let mut recorder = bench.attach(Contract::Lossless, Start::File).unwrap();
    for number in 0..5 {
        assert!(bench.push(&content(number, 60), 1, 1));
    }
    recorder.listener.request_file();
    // Frames that are pushed meanwhile are in the old file or in the new one.
    for number in 5..50 {
        bench.pass(50_000_000);
        assert!(bench.push(&content(number, 60), 1, 1));
    }
    let files = files(&mut bench, &mut recorder, shape);
    assert_eq!(files.len(), 2);
    assert!(frames(&files[0]).len() >= 5);
    let all: Vec<_> = files.iter().flat_map(|f| frames(f)).collect();
    assert_eq!(all, (0..50).map(|n| content(n, 60)).collect::<Vec<_>>());
    assert!(
        files[0].contains(&Seen::Ledger),
        "the ledger closes the file"
    );
}

/// Returns how many blocks pass in 12 s while a listener requests a file every millisecond, on an
/// almost idle link with 10 frames per second.
fn blocks_of_requests(contract: Contract) -> u64 {
    let mut bench = Bench::new(Shape::small());
    let mut recorder = bench.attach(Contract::Lossless, Start::File).unwrap();
    let mut spiteful = bench.attach(contract, Start::File).unwrap();
    let before = bench.head();
    for number in 0..120 {
        assert!(bench.push(&content(number, 60), 1, 1));
        for _ in 0..100 {
            spiteful.listener.request_file();
            bench.pass(1_000_000);
        }
        read_all(&mut recorder.listener);
        if contract == Contract::Lossless {
            read_all(&mut spiteful.listener);
        }
    }
    (bench.head() - before) / bench.block_bytes
}

#[test]
fn lossless_requests_are_limited_in_rate() {
    let blocks = blocks_of_requests(Contract::Lossless);
    assert!((10..=13).contains(&blocks), "{blocks} blocks in 12 s");
}

#[test]
fn lossy_requests_start_no_file() {
    assert_eq!(blocks_of_requests(Contract::Lossy), 0);
}

/// An overrun listener cannot continue at its position, and the next file of 2 GiB may be far off.
#[test]
fn overrun_listener_gets_a_file() {
    let shape = Shape {
        file_blocks: 64,
        ..Shape::small()
    };
    let mut bench = Bench::new(shape);
    let mut slow = bench.attach(Contract::Lossy, Start::File).unwrap();
    let file = bench.queue.page().file_off();
    for number in 0..1000 {
        assert!(bench.push(&content(number, 1500), 1, 1));
    }
    assert!(slow.listener.next_record().is_err(), "it was overrun");
    slow.listener.request_file();
    for _ in 0..200 {
        bench.pass(10_000_000);
    }
    assert!(bench.queue.page().file_off() > file);
    assert!(bench.push(&content(1000, 1500), 1, 1));
    bench.service();
    assert!(slow.listener.resync(Start::File).is_ok());
}

/// Who passes over old blocks has not read them: that the producer overwrites them is no overrun.
#[test]
fn blocks_passed_over_are_acknowledged() {
    let mut bench = Bench::new(Shape::small());
    let mut reader = bench.attach(Contract::Lossy, Start::Oldest).unwrap();
    let goal = reader.listener.position() / bench.block_bytes + 2;
    let mut number = 0;
    let mut push_until = |bench: &mut Bench, off: u64| {
        while bench.head() < off {
            assert!(bench.push(&content(number, 1500), 1, 1));
            number += 1;
        }
        bench.service();
    };
    let published = (goal + 1) * bench.block_bytes;
    push_until(&mut bench, published);
    assert!(reader.listener.skip_to_block(goal).unwrap());
    let passed = reader.listener.position();
    // The ring is one block short of overwriting the first block that the listener has not passed over.
    let end = reader.listener.info().ring_bytes + (goal - 1) * bench.block_bytes;
    push_until(&mut bench, end);
    let oldest = bench.queue.page().oldest();
    assert!(oldest > 0 && oldest <= passed, "{oldest} {passed}");
    let event = reader.listener.next_record().unwrap();
    assert!(event.is_some());
    reader.listener.ack().unwrap();
    assert_eq!(reader.listener.missed(), Count::default());
    // What the listener has read and not acknowledged is an overrun, as ever.
    assert!(reader.listener.next_record().unwrap().is_some());
    let end = end + 3 * bench.block_bytes;
    push_until(&mut bench, end);
    let goal = end / bench.block_bytes - 1;
    assert!(reader.listener.skip_to_block(goal).is_err());
}

#[test]
fn file_without_frames_is_not_ended() {
    let mut bench = Bench::new(Shape::small());
    let mut recorder = bench.attach(Contract::Lossless, Start::File).unwrap();
    let before = bench.queue.page().file_off();
    for _ in 0..100 {
        recorder.listener.request_file();
        // A gap record does not count as a frame.
        bench.producer.account(Reason::NicMissed, Count::new(1, 0));
        bench.pass(100_000_000);
        read_all(&mut recorder.listener);
    }
    assert_eq!(bench.queue.page().file_off(), before);
}

/// Rotation by size at full speed must not wait for a second.
#[test]
fn file_of_half_a_block_is_ended_after_100_ms() {
    let mut bench = Bench::new(Shape::small());
    let mut recorder = bench.attach(Contract::Lossless, Start::File).unwrap();
    let before = bench.queue.page().file_off();
    for number in 0..bench.block_bytes / 2 / 1512 + 1 {
        assert!(bench.push(&content(number, 1500), 1, 1));
    }
    recorder.listener.request_file();
    for _ in 0..12 {
        bench.pass(10_000_000);
        read_all(&mut recorder.listener);
    }
    let start = bench.queue.page().file_off();
    assert_eq!(start, before + bench.block_bytes);
    assert_eq!(bench.queue.page().file_number(), 1);
}

/// Repeated attaching starts no more files either: a listener that attaches soon after the start of
/// a file waits for the next one.
#[test]
fn files_of_new_listeners_are_limited_in_rate() {
    for contract in [abi::HPCAP_LOSSLESS, abi::HPCAP_LOSSY] {
        let mut bench = Bench::new(Shape::small());
        let mut recorder = bench.attach(Contract::Lossless, Start::File).unwrap();
        let before = bench.head();
        for number in 0..120 {
            assert!(bench.push(&content(number, 60), 1, 1));
            let (slot, _page) = bench.attach_hostile(contract, Start::File);
            bench.pass(100_000_000);
            bench.producer.detach(slot);
            read_all(&mut recorder.listener);
        }
        let blocks = (bench.head() - before) / bench.block_bytes;
        assert!(blocks <= 13, "{blocks} blocks for 120 listeners in 12 s");
        assert!(bench.attach(Contract::Lossy, Start::File).is_some());
    }
}

/// A plain stream consists of frames and padding.
#[test]
fn plain_mode_has_no_tags() {
    let shape = Shape {
        plain: true,
        ..Shape::small()
    };
    let mut bench = Bench::new(shape);
    let mut listener = bench.attach(Contract::Lossless, Start::File).unwrap();
    assert!(bench.push(&content(1, 60), 1, 1));
    bench.producer.account(Reason::NicMissed, Count::new(5, 0));
    assert!(bench.push(&content(2, 60), 1, 2));
    bench.service();
    let seen = read_all(&mut listener.listener);
    assert!(
        seen.iter().all(|s| matches!(s, Seen::Frame { .. })),
        "{seen:?}"
    );
    assert_eq!(bench.queue.ledger().ledger[Reason::NicMissed].frames, 5);
}

/// A gap record is exactly where the frames are missing, with the reasons.
#[test]
fn integrity_16_a_gap_marks_where_frames_are_missing() {
    let mut bench = Bench::new(Shape::small());
    let mut listener = bench.attach(Contract::Lossless, Start::File).unwrap();
    assert!(bench.push(&content(1, 60), 10, 5));
    bench.producer.account(Reason::NicMissed, Count::new(3, 0));
    bench.producer.account(Reason::NicError, Count::new(2, 100));
    assert!(bench.push(&content(2, 60), 11, 6));
    bench.service();
    let mut order = Vec::new();
    while let Some(event) = listener.listener.next_record().unwrap() {
        match event {
            Event::Frame(f) => order.push(format!("frame {}", f.time.sec())),
            Event::Missed(gap) => {
                assert_eq!(gap.lost[Reason::NicMissed].frames, 3);
                assert_eq!(gap.lost[Reason::NicError], Count::new(2, 100));
                assert_eq!(gap.from.unwrap().as_ns(), 10_000_000_005);
                order.push("gap".into());
            }
            _ => {}
        }
    }
    assert_eq!(order, ["frame 10", "gap", "frame 11"]);
}

/// The frames have times that would read as padding or do not fit into 32 bits, or lengths that do
/// not fit into 16 bits.
#[test]
fn unstorable_times_and_lengths_are_altered() {
    let mut bench = Bench::new(Shape::small());
    let mut listener = bench.attach(Contract::Lossless, Start::File).unwrap();
    let long = content(1, 70_000);
    assert!(bench.push(&[], 0, 0));
    assert!(bench.push(&[1], 1 << 32, 0));
    assert!(bench.push(&[2], u64::from(u32::MAX), 999_999_999));
    assert!(bench.push(&[3], 5, 2_000_000_000));
    assert!(bench.push(&long, 1, 1));
    assert!(bench.push_long(&[4], 100_000, 1, 1));
    bench.service();
    let events = read_all(&mut listener.listener);
    let seen: Vec<_> = events
        .iter()
        .filter_map(|s| match s {
            Seen::Frame { ns, len, data } => Some((*ns, *len, data.len())),
            _ => None,
        })
        .collect();
    let last = u64::from(u32::MAX) * 1_000_000_000 + 999_999_999;
    assert_eq!(
        seen,
        [
            (1, 0, 0),
            (last, 1, 1),
            (last, 1, 1),
            (5_999_999_999, 1, 1),
            (1_000_000_001, 65_535, 65_535),
            (1_000_000_001, 65_535, 1)
        ]
    );
    let ledger = bench.queue.ledger();
    assert_eq!(ledger.times_adjusted, 3);
    assert_eq!(ledger.frames_cut, 2);
    let altered = |s: &Seen| match s {
        Seen::Altered(had) => Some((had.sec, had.nsec, had.len)),
        _ => None,
    };
    let altered: Vec<_> = events.iter().filter_map(altered).collect();
    assert_eq!(
        altered,
        [
            (0, 0, 0),
            (1 << 32, 0, 1),
            (5, 2_000_000_000, 1),
            (1, 1, 70_000),
            (1, 1, 100_000)
        ]
    );
}

/// A record across the ring's end is whole, both for a listener that reads the ring in place and
/// for one that copies.
#[test]
fn integrity_02_records_across_the_rings_edge() {
    let shape = Shape {
        ring_bytes: 516 << 10,
        ..Shape::small()
    };
    for contract in [Contract::Lossless, Contract::Lossy] {
        let mut bench = Bench::new(shape);
        let mut attached = bench.attach(contract, Start::File).unwrap();
        let (mut across, mut next) = (0, 0);
        for number in 0..4000 {
            assert!(bench.push(&content(number, 1_111), 1, 1));
            bench.service();
            loop {
                let from = attached.listener.position();
                let Some(event) = attached.listener.next_record().unwrap() else {
                    break;
                };
                let Event::Frame(frame) = event else { continue };
                assert!(frame.data == content(next, 1_111), "{contract:?} {next}");
                next += 1;
                let in_ring = from % shape.ring_bytes;
                across += u32::from(in_ring + 12 + 1_111 > shape.ring_bytes);
            }
            attached.listener.ack().unwrap();
        }
        assert_eq!(next, 4000);
        assert!(across >= 5, "{across} records ran over the edge");
    }
}
