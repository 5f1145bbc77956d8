//! Tests of the ends of listeners and of the contents of gaps, both of which the producer decides.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::time::Duration;

use harness::{Attached, Bench, Seen, Shape, content, frames, read_all};
use hpcap::queue::QueueEnd;
use hpcap::raw::Gap;
use hpcap::{Contract, Count, Kind, Reason, Start, Waited};

fn attach(bench: &mut Bench) -> Attached {
    bench.attach(Contract::Lossless, Start::File).unwrap()
}

fn push(bench: &mut Bench, frames: std::ops::Range<u64>) {
    for n in frames {
        assert!(bench.push(&content(n, 60), n, 0));
    }
}

fn finish(bench: &mut Bench, attached: &Attached) {
    attached.listener.request_end();
    bench.service();
}

fn gaps(seen: &[Seen]) -> Vec<Gap> {
    let gap = |s: &Seen| match s {
        Seen::Gap(gap) => Some(**gap),
        _ => None,
    };
    seen.iter().filter_map(gap).collect()
}

#[test]
fn finished_listener_gets_nothing_more() {
    let mut bench = Bench::new(Shape::small());
    let mut early = attach(&mut bench);
    let mut late = attach(&mut bench);
    push(&mut bench, 1..10);
    finish(&mut bench, &early);
    push(&mut bench, 10..15);
    bench.service();
    assert_eq!(frames(&read_all(&mut early.listener)).len(), 9);
    let waited = early.listener.wait(1, Duration::from_secs(60)).unwrap();
    assert_eq!(waited, Waited::Ended);
    assert_eq!(frames(&read_all(&mut late.listener)).len(), 14);
    let end = early.listener.end().unwrap();
    assert_eq!(end.at.ledger[Reason::Captured].frames, 9);
    assert!(!end.killed);
}

#[test]
fn frames_after_the_last_finish_have_no_listener() {
    let mut bench = Bench::new(Shape::small());
    let only = attach(&mut bench);
    push(&mut bench, 1..10);
    finish(&mut bench, &only);
    push(&mut bench, 10..15);
    bench.service();
    let ledger = bench.queue.ledger().ledger;
    assert_eq!(ledger[Reason::Captured].frames, 9);
    assert_eq!(ledger[Reason::NoListener].frames, 5);
    let end = only.listener.end().unwrap();
    assert_eq!(end.at.ledger[Reason::NoListener].frames, 0);
}

#[test]
fn start_ignores_earlier_frames() {
    let mut bench = Bench::new(Shape::small());
    push(&mut bench, 1..8);
    bench.producer.account(Reason::NicMissed, Count::new(3, 0));
    let listener = attach(&mut bench);
    let start = listener.listener.start().ledger;
    assert_eq!(start[Reason::NoListener].frames, 7);
    assert_eq!(start[Reason::NicMissed].frames, 3);
}

/// A finished listener holds back only the part of the ring that it has not read.
#[test]
fn finished_listener_frees_the_ring_once_read() {
    let mut bench = Bench::new(Shape::small());
    let mut early = attach(&mut bench);
    let _other = bench.attach(Contract::Lossy, Start::Newest).unwrap();
    for n in 1..5 {
        assert!(bench.push(&content(n, 60_000), n, 0));
    }
    finish(&mut bench, &early);
    let mut taken = 0;
    while bench.push(&content(9, 60_000), 9, 0) {
        bench.service();
        taken += 1;
        assert!(taken < 100, "the ring does not wait for what is unread");
    }
    assert_eq!(frames(&read_all(&mut early.listener)).len(), 4);
    for n in 10..40 {
        assert!(bench.push(&content(n, 60_000), n, 0));
        bench.service();
    }
}

#[test]
fn killed_listener_keeps_published_frames() {
    let mut bench = Bench::new(Shape::small());
    let mut victim = attach(&mut bench);
    let _other = attach(&mut bench);
    push(&mut bench, 1..10);
    bench.producer.kill(victim.slot);
    push(&mut bench, 10..15);
    bench.service();
    for n in 1..10 {
        while !matches!(victim.listener.next_record().unwrap().map(Seen::from),
            Some(Seen::Frame { ns, .. }) if ns == n * 1_000_000_000)
        {}
    }
    let error = victim.listener.next_record().unwrap_err();
    assert_eq!(error.kind(), Kind::Killed);
    assert_eq!(victim.listener.end().unwrap().at.ledger, {
        let mut ledger = bench.queue.ledger().ledger;
        ledger[Reason::Captured] = Count::new(9, 540);
        ledger
    });
}

/// The slot may be given to another listener at once, because the end is in the listener's own
/// page.
#[test]
fn end_outlives_the_slot() {
    let mut bench = Bench::new(Shape::small());
    let victim = attach(&mut bench);
    push(&mut bench, 1..10);
    bench.producer.kill(victim.slot);
    bench.producer.detach(victim.slot);
    let other = attach(&mut bench);
    assert_eq!(other.slot, victim.slot);
    let end = victim.listener.end().unwrap();
    assert!(end.killed && end.at.ledger[Reason::Captured].frames == 9);
}

#[test]
fn end_of_the_queue_is_the_listeners_end() {
    let mut bench = Bench::new(Shape::small());
    let mut listener = attach(&mut bench);
    push(&mut bench, 1..10);
    bench.producer.account(Reason::NicMissed, Count::new(3, 0));
    bench.producer.end(QueueEnd::Ended);
    let seen = read_all(&mut listener.listener);
    assert_eq!((frames(&seen).len(), gaps(&seen).len()), (9, 1));
    assert_eq!(listener.listener.end().unwrap().at.off, bench.head());
}

/// The ring has no room for a gap record, so the listener's end reports the loss.
#[test]
fn loss_without_a_gap_is_in_the_end() {
    let mut bench = Bench::new(Shape::small());
    let mut listener = attach(&mut bench);
    let mut lost = 0;
    while lost < 5 {
        if !bench.push(&content(1, 60_000), 1, 0) {
            bench
                .producer
                .account(Reason::RingFull, Count::new(1, 60_000));
            lost += 1;
        }
        bench.service();
    }
    finish(&mut bench, &listener);
    let end = listener.listener.end().unwrap();
    assert_eq!(end.untold[Reason::RingFull], Count::new(5, 300_000));
    assert_eq!(end.at.ledger[Reason::RingFull].frames, 5);
    assert_eq!(gaps(&read_all(&mut listener.listener)), []);
}

/// The times of a gap are those of the frames around it, whenever the producer was serviced.
#[test]
fn gap_spans_from_frame_to_frame() {
    let mut bench = Bench::new(Shape::small());
    let mut listener = attach(&mut bench);
    assert!(bench.push(&content(1, 60), 100, 1));
    bench.service();
    bench.producer.account(Reason::NicMissed, Count::new(3, 0));
    bench.service();
    bench.producer.account(Reason::NicError, Count::new(2, 0));
    assert!(bench.push(&content(2, 60), 103, 2));
    bench.service();
    let gaps = gaps(&read_all(&mut listener.listener));
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].from.unwrap().as_ns(), 100_000_000_001);
    assert_eq!(gaps[0].until.as_ns(), 103_000_000_002);
    assert!(!gaps[0].open);
    assert_eq!(gaps[0].lost.lost().frames, 5);
}

#[test]
fn gap_before_an_idle_link_is_open() {
    let mut bench = Bench::new(Shape::small());
    let mut listener = attach(&mut bench);
    push(&mut bench, 1..2);
    bench.producer.account(Reason::NicMissed, Count::new(7, 0));
    bench.service();
    assert_eq!(gaps(&read_all(&mut listener.listener)), []);
    bench.pass(600_000_000);
    bench.service();
    let seen = gaps(&read_all(&mut listener.listener));
    assert_eq!(seen.len(), 1);
    assert!(seen[0].open && seen[0].lost[Reason::NicMissed].frames == 7);
}

#[test]
fn gap_is_written_before_a_finish() {
    let mut bench = Bench::new(Shape::small());
    let mut listener = attach(&mut bench);
    push(&mut bench, 1..2);
    bench.producer.account(Reason::NicMissed, Count::new(7, 0));
    finish(&mut bench, &listener);
    assert_eq!(gaps(&read_all(&mut listener.listener)).len(), 1);
    let end = listener.listener.end().unwrap();
    assert_eq!(end.untold[Reason::NicMissed].frames, 0);
}

/// Losses from before a listener attached are in no gap that it gets.
#[test]
fn new_listener_gets_no_older_gap() {
    let mut bench = Bench::new(Shape::small());
    let _first = attach(&mut bench);
    bench.producer.account(Reason::NicMissed, Count::new(7, 0));
    for start in [Start::Newest, Start::File] {
        let mut new = bench.attach(Contract::Lossless, start).unwrap();
        push(&mut bench, 1..3);
        bench.service();
        assert_eq!(gaps(&read_all(&mut new.listener)), [], "{start:?}");
        bench.producer.account(Reason::NicMissed, Count::new(1, 0));
    }
}
