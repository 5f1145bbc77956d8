//! Tests of the marks of duplicates in the stream: each mark is right before its frame, in the same
//! file.

use hpcap::{Contract, Reason, Start};
use hpcap_source::Frame;
use proptest::prelude::*;

use crate::harness::{Attached, Bench, Seen, Shape, content, read_all};

/// The pushed frames that were not read yet, with their marks.
#[derive(Default)]
struct Expected(std::collections::VecDeque<(Vec<u8>, bool)>);

impl Expected {
    /// Checks `seen` against the pushed frames: each marked frame follows a mark, and each mark has
    /// a frame.
    fn check(&mut self, seen: Vec<Seen>) {
        let mut marked = false;
        for item in seen {
            match item {
                Seen::Duplicate => {
                    assert!(!marked, "two marks");
                    marked = true;
                }
                Seen::Frame { data, .. } => {
                    let (expected, mark) = self.0.pop_front().unwrap();
                    assert_eq!(data, expected);
                    assert_eq!(mark, marked);
                    marked = false;
                }
                other => assert!(!marked, "a mark before {other:?}"),
            }
        }
        assert!(!marked, "a mark at the end");
    }
}

fn push(bench: &mut Bench, expected: &mut Expected, data: Vec<u8>, mark: bool) -> bool {
    let frame = Frame::new(&data, data.len() as u32, 1, 1);
    let taken = bench.producer.push_marked(&[frame], &[u8::from(mark)]) == 1;
    if taken {
        expected.0.push_back((data, mark));
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The files have one block, so that many end. The ring is full now and then, and frames are
    /// lost.
    #[test]
    fn mark_stays_with_its_frame(
        frames in prop::collection::vec(
            (prop_oneof![8 => 0..200_usize, 4 => 1000..1600_usize, 1 => 30_000..=65_535_usize], any::<bool>()),
            1..1500,
        ),
        read_every in 1..300_usize,
    ) {
        let shape = Shape { file_blocks: 1, ..Shape::small() };
        let mut bench = Bench::new(shape);
        let Attached { mut listener, .. } = bench.attach(Contract::Lossless, Start::File).unwrap();
        let mut expected = Expected::default();
        let (mut marks, mut refused) = (0, 0);
        for (i, (bytes, mark)) in frames.into_iter().enumerate() {
            if push(&mut bench, &mut expected, content(i as u64, bytes), mark) {
                marks += u64::from(mark);
            } else {
                bench.producer.account(Reason::RingFull, hpcap::Count::new(1, bytes as u64));
                refused += 1;
            }
            if i % read_every == 0 {
                bench.service();
                expected.check(read_all(&mut listener));
            }
        }
        for _ in 0..3 {
            bench.service();
            expected.check(read_all(&mut listener));
        }
        prop_assert!(expected.0.is_empty());
        let ledger = bench.queue.ledger();
        prop_assert_eq!(ledger.duplicates_marked, marks);
        prop_assert_eq!(ledger.ledger[Reason::RingFull].frames, refused);
    }
}

/// The ring has room for the mark but not for the frame. It takes neither, and the next frame is
/// not marked as a duplicate.
#[test]
fn full_ring_takes_no_mark_alone() {
    let mut bench = Bench::new(Shape::small());
    let Attached { mut listener, .. } = bench.attach(Contract::Lossless, Start::File).unwrap();
    let mut expected = Expected::default();
    let mut number = 0;
    while push(&mut bench, &mut expected, content(number, 1000), true) {
        number += 1;
    }
    assert!(number > 100);
    bench.service();
    expected.check(read_all(&mut listener));
    assert!(expected.0.is_empty());
    assert!(push(&mut bench, &mut expected, content(number, 60), false));
    bench.service();
    expected.check(read_all(&mut listener));
    assert_eq!(bench.queue.ledger().duplicates_marked, number);
}

#[test]
fn plain_stream_has_no_marks() {
    let shape = Shape {
        plain: true,
        ..Shape::small()
    };
    let mut bench = Bench::new(shape);
    let Attached { mut listener, .. } = bench.attach(Contract::Lossless, Start::File).unwrap();
    let mut pushed = Expected::default();
    for number in 0..10 {
        assert!(push(&mut bench, &mut pushed, content(number, 60), true));
    }
    bench.service();
    let seen = read_all(&mut listener);
    assert_eq!(seen.len(), 10);
    assert!(seen.iter().all(|item| matches!(item, Seen::Frame { .. })));
    assert_eq!(bench.queue.ledger().duplicates_marked, 0);
}

/// Without a listener, a frame counts as `no_listener`, marked or not.
#[test]
fn without_listeners_marks_do_not_matter() {
    let mut bench = Bench::new(Shape::small());
    let data = content(1, 60);
    let frame = Frame::new(&data, 60, 1, 1);
    assert_eq!(bench.producer.push_marked(&[frame; 3], &[1, 0, 1]), 3);
    bench.service();
    let ledger = bench.queue.ledger();
    assert_eq!(ledger.ledger[Reason::NoListener].frames, 3);
    assert_eq!(ledger.duplicates_marked, 0);
}
