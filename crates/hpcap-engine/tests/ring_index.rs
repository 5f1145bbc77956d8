//! Tests of the block index in the queue page: the times of each block are those of its frames.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Attached, Bench, Seen, Shape, content};
use hpcap::{Contract, Start};
use proptest::prelude::*;

/// The first, the earliest and the latest time of a block's frames; zeroes without a frame.
type Times = (u64, u64, u64);

fn with(times: Times, ns: u64) -> Times {
    match times {
        (0, ..) => (ns, ns, ns),
        (first, earliest, latest) => (first, earliest.min(ns), latest.max(ns)),
    }
}

/// Reads everything that is published, and compares the index entry of each block that is read with
/// the times of the frames in the block. `times` are those of the block that the listener is in.
fn compare(bench: &mut Bench, attached: &mut Attached, times: &mut (u64, Times)) {
    bench.service();
    let block_bytes = bench.block_bytes;
    let listener = &mut attached.listener;
    loop {
        let number = listener.position() / block_bytes;
        if number != times.0 {
            let entry = listener.block_entry(times.0).unwrap();
            let written = (entry.first_ns, entry.earliest_ns, entry.latest_ns);
            assert_eq!(written, times.1, "block {}", times.0);
            *times = (number, (0, 0, 0));
        }
        match listener.next_record().unwrap().map(Seen::from) {
            None => break,
            Some(Seen::Frame { ns, .. }) => times.1 = with(times.1, ns),
            Some(_) => {}
        }
    }
    // The entry of a block that is published in part has the times of this part.
    if let Some(entry) = listener.block_entry(times.0) {
        let written = (entry.first_ns, entry.earliest_ns, entry.latest_ns);
        assert_eq!(written, times.1, "part of block {}", times.0);
    }
    listener.ack().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn index_has_times_of_each_block(
        plain: bool,
        frames in proptest::collection::vec(
            (prop_oneof![0..200usize, 8000..30_000usize], -3..4i64, 0..3u32, 0..8u8),
            50..400,
        ),
    ) {
        let mut bench = Bench::new(Shape { plain, ..Shape::small() });
        let mut attached = bench.attach(Contract::Lossless, Start::File).unwrap();
        let mut times = (attached.listener.position() / bench.block_bytes, (0, 0, 0));
        let mut second = 1000_u64;
        for (i, (bytes, step, nsec, read)) in frames.into_iter().enumerate() {
            // The clock goes forward, stands still, or is set back.
            second = second.saturating_add_signed(step);
            let data = content(i as u64, bytes);
            // The times of 0 and of 0xffffffff seconds and a second of ns are altered by the ring.
            let (sec, nsec) = match i % 50 {
                48 => (0, 0),
                49 => (1 << 33, nsec),
                _ => (second, nsec),
            };
            while !bench.push(&data, sec, nsec) {
                compare(&mut bench, &mut attached, &mut times);
            }
            if read == 0 {
                compare(&mut bench, &mut attached, &mut times);
            }
        }
        compare(&mut bench, &mut attached, &mut times);
    }
}
