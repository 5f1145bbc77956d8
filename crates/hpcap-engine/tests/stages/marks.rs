//! Tests of the tags before frames in the stream: that a frame is a duplicate, that this machine sent it, or that its
//! time was altered. All tags of a frame are right before it, in the same file.

use hpcap::{Contract, Reason, Start};
use hpcap_source::Frame;
use proptest::prelude::*;

use crate::harness::{Attached, Bench, Seen, Shape, content, read_all};

/// The tags of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tags {
    duplicate: bool,
    sent: bool,
    altered: bool,
}

const ALL: Tags = Tags {
    duplicate: true,
    sent: true,
    altered: true,
};

/// The pushed frames that were not read yet, with their tags.
#[derive(Default)]
struct Expected(std::collections::VecDeque<(Vec<u8>, Tags)>);

impl Expected {
    /// Checks `seen` against the pushed frames: each frame follows its tags, and each tag has a frame. The tags have
    /// one order, in which the newest kind is first: a reader that does not know it finds the others as before.
    fn check(&mut self, seen: Vec<Seen>) {
        let mut tags = Tags::default();
        for item in seen {
            match item {
                Seen::Sent => {
                    assert_eq!(tags, Tags::default());
                    tags.sent = true;
                }
                Seen::Altered(_) => {
                    assert!(!tags.altered && !tags.duplicate, "{tags:?}");
                    tags.altered = true;
                }
                Seen::Duplicate => {
                    assert!(!tags.duplicate, "two marks");
                    tags.duplicate = true;
                }
                Seen::Frame { data, .. } => {
                    let expected = self.0.pop_front().unwrap();
                    assert_eq!((data, tags), expected);
                    tags = Tags::default();
                }
                other => assert_eq!(tags, Tags::default(), "tags before {other:?}"),
            }
        }
        assert_eq!(tags, Tags::default(), "tags at the end");
    }
}

fn push(bench: &mut Bench, expected: &mut Expected, data: Vec<u8>, tags: Tags) -> bool {
    // A record cannot hold the time 0.
    let sec = u64::from(!tags.altered);
    let mut frame = Frame::new(&data, data.len() as u32, sec, 0);
    if tags.sent {
        frame.set_sent();
    }
    let taken = bench
        .producer
        .push_marked(&[frame], &[u8::from(tags.duplicate)])
        == 1;
    if taken {
        expected.0.push_back((data, tags));
    }
    taken
}

fn tags() -> impl Strategy<Value = Tags> {
    any::<[bool; 3]>().prop_map(|[duplicate, sent, altered]| Tags {
        duplicate,
        sent,
        altered,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The files have one block, so that many end. The ring is full now and then, and frames are
    /// lost.
    #[test]
    fn tags_stay_with_their_frame(
        frames in prop::collection::vec(
            (prop_oneof![8 => 0..200_usize, 4 => 1000..1600_usize, 1 => 30_000..=65_535_usize], tags()),
            1..1500,
        ),
        read_every in 1..300_usize,
    ) {
        let shape = Shape { file_blocks: 1, ..Shape::small() };
        let mut bench = Bench::new(shape);
        let Attached { mut listener, .. } = bench.attach(Contract::Lossless, Start::File).unwrap();
        let mut expected = Expected::default();
        let (mut marks, mut refused) = (0, 0);
        for (i, (bytes, tags)) in frames.into_iter().enumerate() {
            if push(&mut bench, &mut expected, content(i as u64, bytes), tags) {
                marks += u64::from(tags.duplicate);
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

/// The ring has room for the tags but not for the frame. It takes none of them, and the next frame has no tag.
#[test]
fn full_ring_takes_no_tag_alone() {
    let mut bench = Bench::new(Shape::small());
    let Attached { mut listener, .. } = bench.attach(Contract::Lossless, Start::File).unwrap();
    let mut expected = Expected::default();
    let mut number = 0;
    while push(&mut bench, &mut expected, content(number, 1000), ALL) {
        number += 1;
    }
    assert!(number > 100);
    bench.service();
    expected.check(read_all(&mut listener));
    assert!(expected.0.is_empty());
    assert!(push(
        &mut bench,
        &mut expected,
        content(number, 60),
        Tags::default()
    ));
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
        assert!(push(&mut bench, &mut pushed, content(number, 60), ALL));
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
