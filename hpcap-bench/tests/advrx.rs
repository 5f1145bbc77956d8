//! Tests of the harvest of `kmod/core/advrx.h` with a NIC that writes anything into the descriptors
//! that it owns, and a driver that takes and releases any number of frames.

use std::collections::VecDeque;

use hpcap_bench::ring::advrx::{Descriptor, Ring, SLOT_BYTES};
use proptest::prelude::*;

/// Bits of the upper half of a descriptor (82599 datasheet 7.1.6.2).
const DD: u64 = 1 << 0;
const EOP: u64 = 1 << 1;
/// Wrong checksums of the sender: in the IP header, behind it, and in the header of a tunnel.
const IPE: u64 = 1 << 31;
const L4E: u64 = 1 << 30;
const OUTERIPER: u64 = 1 << 26;
/// Number of slots of the longest frame.
const CHAIN: usize = 8;

/// A frame or a descriptor that the NIC puts on its ring.
#[derive(Debug, Clone)]
enum Sent {
    /// A good frame of this many bytes.
    Frame(usize),
    /// A damaged frame of this many bytes, with this error bit.
    ErrorBit(usize, u32),
    /// A frame with a wrong checksum, which is not damaged.
    WrongChecksum(usize, u64),
    /// A descriptor that is not full, and is not the end of its frame.
    NoEnd(usize),
    /// A descriptor that states this length.
    Length(u16),
    /// A frame longer than any can be, with this many full descriptors before the last.
    TooLong(usize),
}

/// A step of the driver or of the NIC.
#[derive(Debug, Clone)]
enum Step {
    /// The NIC writes up to this many of the descriptors that it owns.
    Write(usize),
    /// The driver harvests up to this many frames, and releases this percentage of them.
    Take(usize, usize),
}

fn sent() -> impl Strategy<Value = Sent> {
    let len = prop_oneof![
        4 => 1..=1514_usize,
        1 => (1..=7_usize, -1..=1_isize).prop_map(|(n, d)| (n * SLOT_BYTES).saturating_add_signed(d)),
        2 => 1..=CHAIN * SLOT_BYTES,
    ];
    prop_oneof![
        12 => len.clone().prop_map(Sent::Frame),
        1 => (len.clone(), prop::sample::select(vec![24_u32, 25, 27, 28, 29])).prop_map(|(len, bit)| Sent::ErrorBit(len, bit)),
        1 => (len, prop::sample::select(vec![IPE, L4E, OUTERIPER]))
            .prop_map(|(len, bit)| Sent::WrongChecksum(len, bit)),
        1 => (0..SLOT_BYTES).prop_map(Sent::NoEnd),
        1 => prop_oneof![Just(0_u16), 2049..=u16::MAX].prop_map(Sent::Length),
        1 => (CHAIN..CHAIN + 4).prop_map(Sent::TooLong),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..40_usize).prop_map(Step::Write),
        (1..=256_usize, 0..=100_usize).prop_map(|(n, used)| Step::Take(n, used)),
    ]
}

/// The NIC, and what it expects the driver to find.
struct Nic {
    count: usize,
    /// Number of descriptors that it wrote, and number of those it was given, since the start.
    written: usize,
    given: usize,
    /// Descriptors to write, each with the result that the driver must find after it.
    waiting: VecDeque<(Vec<u8>, u64, Option<Found>)>,
    frames: VecDeque<(Vec<u8>, u32)>,
    errors: u64,
    serial: u32,
}

/// The result that the driver must find once it has the last descriptor of a frame.
enum Found {
    Frame(Vec<u8>, u32),
    Damaged,
}

impl Nic {
    fn new(ring: &Ring, count: usize) -> Self {
        Self {
            count,
            written: 0,
            given: ring.tail() as usize,
            waiting: VecDeque::new(),
            frames: VecDeque::new(),
            errors: 0,
            serial: 0,
        }
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        self.serial = self
            .serial
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let start = self.serial;
        (0..len as u32)
            .map(|i| (start.wrapping_add(i.wrapping_mul(2_654_435_761)) >> 24) as u8)
            .collect()
    }

    fn queue(&mut self, sent: &Sent) {
        let (len, bits) = match *sent {
            Sent::Frame(len) => (len, 0),
            Sent::ErrorBit(len, bit) => (len, 1 << bit),
            Sent::WrongChecksum(len, bit) => (len, bit),
            Sent::NoEnd(len) => {
                let bytes = self.bytes(len);
                let high = DD | (len as u64) << 32;
                return self.waiting.push_back((bytes, high, Some(Found::Damaged)));
            }
            Sent::Length(len) => {
                let high = DD | EOP | u64::from(len) << 32;
                return self.waiting.push_back((vec![], high, Some(Found::Damaged)));
            }
            Sent::TooLong(slots) => (slots * SLOT_BYTES + 1, 0),
        };
        let bytes = self.bytes(len);
        let mut parts: Vec<_> = bytes.chunks(SLOT_BYTES).collect();
        let last = parts.pop().expect("a frame has bytes");
        for part in parts {
            self.waiting
                .push_back((part.to_vec(), DD | (SLOT_BYTES as u64) << 32, None));
        }
        let damaged = bits & !(IPE | L4E | OUTERIPER) != 0 || len > CHAIN * SLOT_BYTES;
        let found = if damaged {
            Found::Damaged
        } else {
            Found::Frame(bytes.clone(), self.serial)
        };
        self.waiting.push_back((
            last.to_vec(),
            DD | EOP | bits | (last.len() as u64) << 32,
            Some(found),
        ));
    }

    /// Writes the next descriptor, if one is waiting and the NIC owns the next one of the ring.
    fn write(&mut self, ring: &mut Ring) -> bool {
        if self.written == self.given || self.waiting.is_empty() {
            return false;
        }
        let at = self.written % self.count;
        let armed = Descriptor {
            low: ring.address(at),
            high: 0,
        };
        assert_eq!(ring.descriptor(at), armed, "descriptor {at} is not armed");
        let (bytes, high, found) = self.waiting.pop_front().expect("not empty");
        // The last descriptor has a hash and its type; for half of the frames the type is missing.
        let low = match &found {
            Some(Found::Frame(_, hash)) if hash & 1 == 1 => u64::from(*hash) << 32 | 3,
            Some(Found::Frame(_, hash)) => u64::from(*hash) << 32,
            _ => 0,
        };
        ring.write_back(at, &bytes, Descriptor { low, high });
        self.written += 1;
        match found {
            Some(Found::Frame(bytes, hash)) => self
                .frames
                .push_back((bytes, if hash & 1 == 1 { hash } else { 0 })),
            Some(Found::Damaged) => self.errors += 1,
            None => {}
        }
        true
    }

    /// Receives a write to the tail register.
    fn give(&mut self, tail: u32) {
        let ahead = (tail as usize + self.count - self.given % self.count) % self.count;
        self.given += ahead;
        assert!(
            self.given - self.written < self.count,
            "the tail has overtaken the NIC"
        );
    }
}

/// Harvests, compares, and releases `used` percent of the frames. Returns the number of frames that
/// were found, and of damaged ones that were reported.
fn take(ring: &mut Ring, nic: &mut Nic, n: usize, used: usize) -> (usize, u64) {
    let batch = ring.harvest(n);
    assert!(batch.frames.len() <= n);
    for (i, frame) in batch.frames.iter().enumerate() {
        assert!(
            nic.frames.get(i) == Some(frame),
            "frame {i} is not what was sent"
        );
    }
    let used = batch.frames.len() * used / 100;
    let released = ring.release(used);
    let bytes: usize = nic.frames.drain(..used).map(|(bytes, _)| bytes.len()).sum();
    assert_eq!(released.bytes, bytes as u64);
    if let Some(tail) = released.tail {
        nic.give(tail);
    }
    (batch.frames.len(), batch.errors)
}

fn run(count: usize, chunk_shift: u32, sent: &[Sent], steps: &[Step]) {
    let mut ring = Ring::new(count, chunk_shift);
    let mut nic = Nic::new(&ring, count);
    let mut errors = 0;
    for frame in sent {
        nic.queue(frame);
    }
    for step in steps {
        match *step {
            Step::Write(n) => (0..n).for_each(|_| _ = nic.write(&mut ring)),
            Step::Take(n, used) => errors += take(&mut ring, &mut nic, n, used).1,
        }
        assert!(errors <= nic.errors, "a damaged frame was counted twice");
    }
    // After any steps, the driver finds all frames in the end.
    for _ in 0..10 * (nic.waiting.len() + nic.frames.len() + 10) {
        while nic.write(&mut ring) {}
        errors += take(&mut ring, &mut nic, 256, 100).1;
        if nic.waiting.is_empty() && nic.frames.is_empty() && errors == nic.errors {
            return;
        }
    }
    panic!(
        "{} descriptors and {} frames are left, {errors} of {} damaged ones were counted",
        nic.waiting.len(),
        nic.frames.len(),
        nic.errors
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// The driver finds each good frame once, in order, byte for byte, with its hash. It counts
    /// each damaged frame once, and arms every descriptor with its own slot before the NIC owns it
    /// again.
    #[test]
    fn every_sent_frame_is_harvested(
        order in 6..9_u32,
        chunk in 1..8_u32,
        sent in prop::collection::vec(sent(), 1..120),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        run(1 << order, chunk.min(order), &sent, &steps);
    }
}

/// Frames of about a multiple of the slot size come to lie at every place of the ring.
#[test]
fn frames_cross_the_ends_of_ring_and_chunks() {
    for len in [
        SLOT_BYTES,
        SLOT_BYTES + 1,
        3 * SLOT_BYTES - 1,
        CHAIN * SLOT_BYTES,
    ] {
        run(64, 2, &vec![Sent::Frame(len); 200], &[]);
    }
}

/// A harvest without room for all frames is followed by one that begins with the rest.
#[test]
fn frames_beyond_the_buffer_come_next() {
    let mut ring = Ring::new(64, 1);
    let mut nic = Nic::new(&ring, 64);
    for _ in 0..7 {
        nic.queue(&Sent::Frame(CHAIN * SLOT_BYTES));
    }
    while nic.write(&mut ring) {}
    assert_eq!(
        take(&mut ring, &mut nic, 256, 100),
        (4, 0),
        "there is room for four"
    );
    assert_eq!(take(&mut ring, &mut nic, 256, 100), (3, 0));
}

/// Frames that are not released are harvested again; a damaged frame among them counts once.
#[test]
fn unreleased_frames_come_again() {
    let mut ring = Ring::new(64, 4);
    let mut nic = Nic::new(&ring, 64);
    for sent in [
        Sent::Frame(60),
        Sent::Frame(61),
        Sent::ErrorBit(62, 24),
        Sent::Frame(63),
    ] {
        nic.queue(&sent);
    }
    while nic.write(&mut ring) {}
    assert_eq!(take(&mut ring, &mut nic, 256, 0), (3, 1));
    assert_eq!(take(&mut ring, &mut nic, 256, 34), (3, 0));
    assert_eq!(take(&mut ring, &mut nic, 1, 0), (1, 0));
    assert_eq!(take(&mut ring, &mut nic, 256, 100), (2, 0));
    assert_eq!(take(&mut ring, &mut nic, 256, 100), (0, 0));
}

/// Positions wrap at 2^32, after five minutes at line rate, and damaged frames are rare. Each of
/// them must count, however many good frames came before it.
#[test]
fn damaged_frame_counts_at_any_position() {
    let mut ring = Ring::new(64, 4);
    let mut nic = Nic::new(&ring, 64);
    for _ in 0..9 {
        for _ in 0..3 {
            ring.skip_turns((1 << 28) / 64);
            assert_eq!(take(&mut ring, &mut nic, 256, 100), (0, 0));
        }
        nic.queue(&Sent::ErrorBit(60, 24));
        nic.queue(&Sent::Frame(60));
        while nic.write(&mut ring) {}
        assert_eq!(take(&mut ring, &mut nic, 256, 100), (1, 1));
        ring.skip_turns((1 << 31) / 64 - (1 << 28) / 64);
        assert_eq!(take(&mut ring, &mut nic, 256, 100), (0, 0));
    }
}

/// The NIC fills its ring with one frame that never ends. The frame is damaged, and the ring goes
/// on.
#[test]
fn endless_frame_does_not_stop_the_ring() {
    let mut ring = Ring::new(64, 4);
    let mut nic = Nic::new(&ring, 64);
    let full = Descriptor {
        low: 0,
        high: DD | (SLOT_BYTES as u64) << 32,
    };
    for i in 0..62 {
        ring.write_back(i, &[], full);
        nic.written += 1;
        assert_eq!(take(&mut ring, &mut nic, 256, 100), (0, 0), "{i}");
    }
    ring.write_back(62, &[], full);
    nic.written += 1;
    assert_eq!(take(&mut ring, &mut nic, 256, 100), (0, 1));
    nic.queue(&Sent::Frame(100));
    assert!(nic.write(&mut ring), "the NIC got its descriptors back");
    assert_eq!(take(&mut ring, &mut nic, 256, 100), (1, 0));
}

/// A few descriptors are not worth a write to the tail register.
#[test]
fn descriptors_are_given_back_64_at_a_time() {
    let mut ring = Ring::new(256, 4);
    let mut nic = Nic::new(&ring, 256);
    let mut tails = Vec::new();
    for _ in 0..200 {
        nic.queue(&Sent::Frame(60));
        assert!(nic.write(&mut ring));
        let batch = ring.harvest(256);
        assert_eq!(batch.frames.len(), 1);
        tails.extend(ring.release(1).tail);
    }
    assert_eq!(tails, [63, 127, 191]);
}

/// The driver does not trust a device that writes to a descriptor that it does not own.
#[test]
fn harvest_takes_at_most_one_ring() {
    let mut ring = Ring::new(64, 4);
    for i in 0..64 {
        ring.write_back(
            i,
            &[1],
            Descriptor {
                low: 0,
                high: DD | EOP | 1 << 32,
            },
        );
    }
    assert_eq!(ring.harvest(256).frames.len(), 63);
}
