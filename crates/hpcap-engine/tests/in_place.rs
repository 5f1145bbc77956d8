//! Tests of streams that look at frames where they are in the ring.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Bench, Shape, content};
use hpcap::filter::Filter;
use hpcap::stream::{Looked, RingFrame, RingStream};
use hpcap::{Contract, Event, Kind, Reason, Start};

/// Number of frames that fill the small ring several times.
const MANY: u64 = 20_000;

/// Attaches a lossy stream, and fixes its end after `frames`, which are pushed.
fn lossy(bench: &mut Bench, frames: std::ops::Range<u64>) -> RingStream {
    let attached = bench.attach(Contract::Lossy, Start::Newest).unwrap();
    bench.push_numbered(frames);
    attached.listener.request_end();
    bench.service();
    RingStream::from(attached.listener)
}

fn number_and_bytes(frame: &RingFrame<'_>) -> (u64, Vec<u8>) {
    let mut bytes = Vec::new();
    frame.bytes.copy_to(&mut bytes);
    (frame.time.sec(), bytes)
}

#[test]
fn look_shows_whole_frames() {
    let mut bench = Bench::new(Shape::small());
    let mut stream = lossy(&mut bench, 1..100);
    let mut next = 1;
    while let Some(looked) = stream.look(number_and_bytes).unwrap() {
        if let Looked::Frame((number, bytes)) = looked {
            assert_eq!((number, bytes), (next, content(next, 100)));
            next += 1;
        }
    }
    assert_eq!(next, 100);
}

#[test]
fn look_counts_every_missed_frame() {
    let mut bench = Bench::new(Shape::small());
    let mut stream = lossy(&mut bench, 1..MANY + 1);
    let (mut seen, mut missed) = (0, 0);
    while let Some(looked) = stream.look(number_and_bytes).unwrap() {
        match looked {
            Looked::Frame((number, bytes)) => {
                seen += 1;
                assert_eq!(number, missed + seen);
                assert_eq!(bytes, content(number, 100));
            }
            Looked::Event(Event::Missed(gap)) => {
                assert_eq!(gap.reason(), Reason::Overrun);
                missed += gap.frames();
            }
            Looked::Event(_) => {}
        }
    }
    assert!(missed > 0 && seen > 0, "{missed} missed, {seen} seen");
    assert_eq!(missed + seen, MANY);
}

/// The producer overwrites the whole ring while the first frame is looked at.
#[test]
fn look_drops_a_frame_overwritten_meanwhile() {
    let mut bench = Bench::new(Shape::small());
    let attached = bench.attach(Contract::Lossy, Start::Newest).unwrap();
    bench.push_numbered(1..11);
    let mut stream = RingStream::from(attached.listener);
    let mut shown = 0;
    let looked = loop {
        let looked = stream.look(|frame| {
            shown += 1;
            if shown == 4 {
                bench.push_numbered(11..MANY + 1);
            }
            frame.time.sec()
        });
        match looked.unwrap().unwrap() {
            Looked::Frame(number) => assert!(number < 4, "frame {number} is not certain"),
            looked => break looked,
        }
    };
    let Looked::Event(Event::Missed(gap)) = looked else {
        panic!("{looked:?}");
    };
    let missed = gap.frames();
    let Looked::Frame(next) = stream.look(|frame| frame.time.sec()).unwrap().unwrap() else {
        panic!("no frame after the missed ones");
    };
    // Three frames were whole, and the stream goes on right after the missed ones.
    assert_eq!(next, 3 + missed + 1);
}

#[test]
fn look_acknowledges_for_a_lossless_listener() {
    let mut bench = Bench::new(Shape::small());
    let attached = bench.attach(Contract::Lossless, Start::File).unwrap();
    let mut stream = RingStream::from(attached.listener);
    let mut next = 1;
    while next < MANY {
        // `push` asserts that the ring has room.
        bench.push_numbered(next..next + 64);
        let until = next + 64;
        while next < until {
            if let Looked::Frame(number) = stream.look(|f| f.time.sec()).unwrap().unwrap() {
                assert_eq!(number, next);
                next += 1;
            }
        }
    }
}

#[test]
fn look_ends_when_the_listener_is_killed() {
    let mut bench = Bench::new(Shape::small());
    let attached = bench.attach(Contract::Lossless, Start::File).unwrap();
    bench.push_numbered(1..4);
    bench.producer.kill(attached.slot);
    bench.service();
    let mut stream = RingStream::from(attached.listener);
    let mut seen = 0;
    let error = loop {
        match stream.look(|_| ()) {
            Ok(Some(Looked::Frame(()))) => seen += 1,
            Ok(looked) => assert!(looked.is_some()),
            Err(e) => break e,
        }
    };
    assert_eq!((seen, error.kind()), (3, Kind::Killed));
}

#[test]
fn filter_decides_in_the_ring() {
    let mut bench = Bench::new(Shape::small());
    let mut stream = lossy(&mut bench, 1..50);
    let filter = Filter::new("ether[0] & 1 = 1", 1).unwrap();
    let mut decided = 0;
    while let Some(looked) = stream
        .look(|frame| {
            let first = frame.bytes.u8(0).unwrap();
            let matches = filter.matches_in_ring(&frame.bytes, frame.len);
            assert_eq!(matches, first & 1 == 1);
        })
        .unwrap()
    {
        decided += u64::from(matches!(looked, Looked::Frame(())));
    }
    assert_eq!(decided, 49);
}
