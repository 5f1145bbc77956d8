//! Tests the memory orderings of the protocol between producer and listeners under every execution
//! that the C11 memory model allows (loom). spin checks the interleavings of the whole protocol
//! (`kmod/model/ring.pml`). These tests check what spin cannot: each pair of accesses with the
//! orderings that `kmod/core/ring.h` and this crate use.
//!
//! Each test but one has a twin that lacks the ordering and must fail, which shows that the test
//! can fail. The exception is acknowledging: loom runs the loads of a thread in order, so it cannot
//! show a read that happens after the acknowledgement that follows it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use loom::thread;

/// `hpcap_ring_publish` and `QueuePage::published`: a listener never sees an unwritten byte.
fn publish(store: Ordering, load: Ordering) {
    loom::model(move || {
        let byte = Arc::new(AtomicU32::new(0));
        let published = Arc::new(AtomicU64::new(0));
        let producer = {
            let (byte, published) = (byte.clone(), published.clone());
            thread::spawn(move || {
                byte.store(7, Relaxed);
                published.store(1, store);
            })
        };
        if published.load(load) == 1 {
            assert_eq!(byte.load(Relaxed), 7, "published, and not written");
        }
        producer.join().unwrap();
    });
}

#[test]
fn published_bytes_are_written() {
    publish(Release, Acquire);
}

#[test]
#[should_panic(expected = "published, and not written")]
fn publishing_without_release_is_caught() {
    publish(Relaxed, Acquire);
}

/// `hpcap_ring_refresh` and `Listener::ack`: a byte is read before it is acknowledged, and so
/// before it is overwritten.
fn acknowledge(store: Ordering, load: Ordering) {
    loom::model(move || {
        let byte = Arc::new(AtomicU32::new(1));
        let read_off = Arc::new(AtomicU64::new(0));
        let listener = {
            let (byte, read_off) = (byte.clone(), read_off.clone());
            thread::spawn(move || {
                let seen = byte.load(Relaxed);
                read_off.store(1, store);
                assert_eq!(seen, 1, "overwritten before it was read");
            })
        };
        if read_off.load(load) == 1 {
            byte.store(2, Relaxed);
        }
        listener.join().unwrap();
    });
}

#[test]
fn acknowledged_bytes_were_read() {
    acknowledge(Release, Acquire);
}

/// `hpcap_ring_room` and `Listener::next_record` of a lossy listener: bytes that the listener
/// accepts were not overwritten before.
fn overtake(producer_fence: bool, listener_fence: bool) {
    loom::model(move || {
        let byte = Arc::new(AtomicU32::new(1));
        let oldest = Arc::new(AtomicU64::new(0));
        let producer = {
            let (byte, oldest) = (byte.clone(), oldest.clone());
            thread::spawn(move || {
                oldest.store(1, Relaxed);
                if producer_fence {
                    fence(Release);
                }
                byte.store(2, Relaxed);
            })
        };
        let seen = byte.load(Relaxed);
        if listener_fence {
            fence(Acquire);
        }
        if oldest.load(Relaxed) == 0 {
            assert_eq!(seen, 1, "accepted, and torn");
        }
        producer.join().unwrap();
    });
}

#[test]
fn lossy_listener_accepts_only_whole_bytes() {
    overtake(true, true);
}

#[test]
#[should_panic(expected = "accepted, and torn")]
fn overwriting_without_a_barrier_is_caught() {
    overtake(false, true);
}

#[test]
#[should_panic(expected = "accepted, and torn")]
fn accepting_without_a_barrier_is_caught() {
    overtake(true, false);
}

/// `hpcap_ring_service` and `Listener::sleep`: either the producer sees that the listener waits, or
/// the listener sees what was published.
fn sleep(fences: bool) {
    loom::model(move || {
        let published = Arc::new(AtomicU64::new(0));
        let waiting = Arc::new(AtomicU32::new(0));
        let producer = {
            let (published, waiting) = (published.clone(), waiting.clone());
            thread::spawn(move || {
                published.store(1, Release);
                if fences {
                    fence(SeqCst);
                }
                waiting.load(Relaxed) == 1
            })
        };
        waiting.store(1, Release);
        if fences {
            fence(SeqCst);
        }
        let sleeps = published.load(Acquire) == 0;
        let woken = producer.join().unwrap();
        assert!(!sleeps || woken, "sleeps, and nobody wakes it");
    });
}

#[test]
fn no_wake_up_is_lost() {
    sleep(true);
}

#[test]
#[should_panic(expected = "sleeps, and nobody wakes it")]
fn sleeping_without_barriers_is_caught() {
    sleep(false);
}

/// `hpcap_ring_publish_ledger` and `QueuePage::ledger`: all numbers belong to one moment.
fn ledger(fences: bool) {
    loom::model(move || {
        let seq = Arc::new(AtomicU64::new(0));
        let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let producer = {
            let (seq, counts) = (seq.clone(), counts.clone());
            thread::spawn(move || {
                seq.store(1, Relaxed);
                if fences {
                    fence(Release);
                }
                counts[0].store(1, Relaxed);
                counts[1].store(1, Relaxed);
                seq.store(2, Release);
            })
        };
        let before = seq.load(Acquire);
        let seen = [counts[0].load(Relaxed), counts[1].load(Relaxed)];
        if fences {
            fence(Acquire);
        }
        if seq.load(Relaxed) == before && before.is_multiple_of(2) {
            assert_eq!(seen[0], seen[1], "of two moments");
        }
        producer.join().unwrap();
    });
}

#[test]
fn ledger_is_of_one_moment() {
    ledger(true);
}

#[test]
#[should_panic(expected = "of two moments")]
fn ledger_without_barriers_is_caught() {
    ledger(false);
}
