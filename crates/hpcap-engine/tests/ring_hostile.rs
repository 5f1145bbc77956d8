//! A listener that writes anything into its slot harms only itself: the producer goes on, the other
//! listeners get every frame, and the bytes that they hold are never overwritten.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::sync::atomic::{AtomicU32, Ordering};

use harness::{Bench, Shape, content, frames, read_all};
use hpcap::abi;
use hpcap::{Contract, Count, Reason, Start};
use proptest::prelude::*;

/// An action of the hostile listener between two batches.
#[derive(Debug, Clone)]
enum Mischief {
    /// Writes these words from the start of its page on.
    Words(Vec<u64>),
    /// Writes one word that the producer reads: read_off, wait_off, waiting and file_seq, or
    /// finish.
    Word { at: usize, value: u64 },
    /// Writes a read offset at this distance from the published offset.
    Near(i64),
}

fn mischief() -> impl Strategy<Value = Mischief> {
    let value = prop_oneof![
        any::<u64>(),
        Just(0),
        Just(u64::MAX),
        Just(u64::MAX - 11),
        Just(1 << 63),
    ];
    prop_oneof![
        prop::collection::vec(any::<u64>(), 1..512).prop_map(Mischief::Words),
        (
            prop_oneof![Just(64usize), Just(72), Just(80), Just(88)],
            value
        )
            .prop_map(|(at, value)| Mischief::Word { at, value }),
        (-(1i64 << 21)..(1 << 21)).prop_map(Mischief::Near),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn hostile_slot_contents_disturb_nobody_else(
        contract in prop_oneof![Just(abi::HPCAP_LOSSLESS), Just(abi::HPCAP_LOSSY)],
        plan in prop::collection::vec((mischief(), 1..60u32, 1..1600usize), 1..60),
    ) {
        let mut bench = Bench::new(Shape { file_blocks: 4, ..Shape::small() });
        let mut honest = bench.attach(Contract::Lossless, Start::File).unwrap();
        let (slot, page) = bench.attach_hostile(contract, Start::Newest);
        let (mut taken, mut seen) = (Vec::new(), 0);
        let mut number = 0;
        for (mischief, n, bytes) in plan {
            let write = |at: usize, value: u64| {
                assert!(at + 8 <= page.bytes());
                // SAFETY: the word is inside the page, as just checked, aligned, and mapped.
                unsafe { page.as_ptr().add(at).cast::<u64>().write_volatile(value) }
            };
            match mischief {
                Mischief::Words(words) => {
                    for (i, word) in words.into_iter().enumerate() {
                        write(i * 8, word);
                    }
                }
                Mischief::Word { at, value } => write(at, value),
                Mischief::Near(by) => {
                    let near = bench.queue.page().published().wrapping_add_signed(by);
                    write(64, near);
                }
            }
            for _ in 0..n {
                if bench.push(&content(number, bytes), 1, 1) {
                    taken.push((number, bytes));
                } else {
                    // Only a lossless listener can make the ring full.
                    prop_assert_eq!(contract, abi::HPCAP_LOSSLESS);
                    bench.producer.account(Reason::RingFull, Count::new(1, bytes as u64));
                }
                number += 1;
            }
            bench.service();
            for frame in frames(&read_all(&mut honest.listener)) {
                let (number, bytes) = taken[seen];
                prop_assert!(frame == content(number, bytes));
                seen += 1;
            }
            let believed = bench.producer_listener(slot).read_off;
            prop_assert!(believed <= bench.queue.page().published());
        }
        prop_assert_eq!(seen, taken.len());
        // Like any lossless listener it may hold the ring back, until it is killed.
        bench.producer.kill(slot);
        prop_assert!(bench.push(&content(7, 1500), 1, 1));
        bench.service();
        prop_assert_eq!(frames(&read_all(&mut honest.listener)), [content(7, 1500)]);
        let ledger = bench.queue.ledger().ledger;
        prop_assert_eq!(ledger[Reason::Captured].frames as usize, taken.len() + 1);
        prop_assert_eq!(ledger.on_the_wire().frames, number + 1);
    }
}

/// Time in which a queue wakes at most [`WAKES`] listeners (`HPCAP_RING_WAKE_NS`).
const WAKE_NS: u64 = 50_000;
const WAKES: u64 = 4;
/// Longest time between two services of the test.
const STEP_NS: u64 = 200_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    /// Listeners that wait again and again, all at once, take a limited part of the producer's time, and
    /// each of them is woken in its turn.
    #[test]
    fn listeners_are_woken_in_turn_and_within_a_budget(
        steps in prop::collection::vec(prop_oneof![1..2_000u64, 1..STEP_NS], 100..400),
    ) {
        let mut bench = Bench::new(Shape::small());
        let pages: Vec<_> = (0..abi::HPCAP_SLOTS)
            .map(|_| bench.attach_hostile(abi::HPCAP_LOSSY, Start::Newest).1)
            .collect();
        let words: Vec<&AtomicU32> = pages
            .iter()
            .map(|page| {
                let at = std::mem::offset_of!(abi::hpcap_slot, waiting);
                // SAFETY: the word is inside the page and aligned, and `pages` keeps the page mapped.
                unsafe { AtomicU32::from_ptr(page.as_ptr().add(at).cast()) }
            })
            .collect();
        // Past the limit of each listener by itself.
        bench.pass(STEP_NS);
        let (mut now, mut woken) = (0, 0);
        let mut last = vec![0; words.len()];
        for step in steps {
            for word in &words {
                word.store(1, Ordering::Relaxed);
            }
            bench.pass(step);
            now += step;
            for (word, last) in words.iter().zip(&mut last) {
                let turn = now - *last;
                let turns = words.len() as u64 / WAKES;
                prop_assert!(turn <= (turns + 1) * (WAKE_NS + STEP_NS), "{turn} ns");
                if word.load(Ordering::Relaxed) == 0 {
                    *last = now;
                    woken += 1;
                }
            }
            prop_assert!(woken <= WAKES * (now / WAKE_NS + 1), "{woken} in {now} ns");
        }
    }
}
