//! Tests of streams of events over a real ring.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Attached, Bench, Shape, content};
use hpcap::{Contract, Event, Kind, Reason, Start, Stream};

/// Number of frames that fill the small ring several times.
const MANY: u64 = 20_000;

fn finish(bench: &mut Bench, attached: Attached) -> Stream {
    attached.listener.request_end();
    bench.service();
    Stream::from(attached.listener)
}

#[test]
fn lossy_stream_counts_every_missed_frame() {
    let mut bench = Bench::new(Shape::small());
    let attached = bench.attach(Contract::Lossy, Start::Newest).unwrap();
    bench.push_numbered(1..MANY + 1);
    let mut stream = finish(&mut bench, attached);
    let (mut seen, mut missed) = (0, 0);
    while let Some(event) = stream.next().unwrap() {
        match event {
            Event::Frame(frame) => {
                seen += 1;
                // Frame n has second n, so the counts so far must lead exactly to this frame.
                assert_eq!(frame.time.sec(), missed + seen);
                assert_eq!(frame.data, content(missed + seen, 100));
            }
            Event::Missed(gap) => {
                assert_eq!(gap.reason(), Reason::Overrun);
                missed += gap.frames();
            }
            _ => {}
        }
    }
    assert!(missed > 0 && seen > 0, "{missed} missed, {seen} seen");
    assert_eq!(missed + seen, MANY);
}

#[test]
fn lossless_stream_acknowledges_while_it_reads() {
    let mut bench = Bench::new(Shape::small());
    let attached = bench.attach(Contract::Lossless, Start::File).unwrap();
    let mut stream = Stream::from(attached.listener);
    let mut next = 1;
    while next < MANY {
        // `push` asserts that the ring has room.
        bench.push_numbered(next..next + 64);
        let until = next + 64;
        while next < until {
            match stream.next().unwrap().unwrap() {
                Event::Frame(frame) => {
                    assert_eq!(frame.data, content(next, 100));
                    next += 1;
                }
                Event::Missed(gap) => panic!("{gap:?}"),
                _ => {}
            }
        }
    }
}

#[test]
fn killed_stream_ends_with_an_error() {
    let mut bench = Bench::new(Shape::small());
    let attached = bench.attach(Contract::Lossless, Start::File).unwrap();
    bench.push_numbered(1..4);
    bench.producer.kill(attached.slot);
    bench.service();
    let mut stream = Stream::from(attached.listener);
    let error = loop {
        match stream.next() {
            Ok(event) => assert!(event.is_some(), "no error"),
            Err(e) => break e,
        }
    };
    assert_eq!(error.kind(), Kind::Killed);
}
