//! The software virtual function with a minimal driver, which sets it up as ixgbevf does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use proptest::prelude::*;
use vmlab::nic::faults::{FrameFault, RXE};
use vmlab::nic::vf::Vf;
use vmlab::nic::{Outcome, Receive, Wire};
use vmlab::pci::Function;
use vmlab::pci::interrupts::Messages;
use vmlab::pci::memory::GuestMemory;

const MAC: [u8; 6] = [2, 0, 0, 0, 0xBB, 1];
const IN_QUEUE: Outcome = Outcome::Delivered { queue: 0 };
const SPOILED: Outcome = Outcome::Spoiled { queue: 0 };

// Registers: datasheet, section 8.3.
const VFCTRL: u64 = 0x0000;
const VFLINKS: u64 = 0x0010;
const VTEICR: u64 = 0x0100;
const VTEIMS: u64 = 0x0108;
const VTEIAC: u64 = 0x0110;
const VTEIAM: u64 = 0x0114;
const VTIVAR: u64 = 0x0120;
const VTIVAR_MISC: u64 = 0x0140;
const VFMBMEM: u64 = 0x0200;
const VFMAILBOX: u64 = 0x02FC;
const RX: u64 = 0x1000;
const TX: u64 = 0x2000;
const BASE: u64 = 0x00;
const LEN: u64 = 0x08;
const HEAD: u64 = 0x10;
const SRRCTL: u64 = 0x14;
const TAIL: u64 = 0x18;
const DCTL: u64 = 0x28;
const VFGPRC: u64 = 0x101C;
const VFGORC: u64 = 0x1020;
const VFGPTC: u64 = 0x201C;

const RING: u32 = 8;
const BUFFER: u64 = 2048;
const RX_RING: u64 = 0;
const TX_RING: u64 = 0x1000;
const BUFFERS: u64 = 0x2000;
const TX_BUFFER: u64 = 0x1_0000;
/// An address without memory.
const NOWHERE: u64 = 1 << 40;

#[derive(Debug)]
struct Sent(Sender<u32>);

impl Messages for Sent {
    fn send(&mut self, _address: u64, data: u32) {
        // A test that has ended does not receive any more.
        let _ = self.0.send(data);
    }
}

struct Driver {
    nic: Vf,
    memory: Arc<GuestMemory>,
    fired: Receiver<u32>,
    next: u32,
}

impl Driver {
    fn bare() -> Self {
        let (sender, fired) = channel();
        let mut nic = Vf::new(MAC, Box::new(Sent(sender)));
        let memory = Arc::new(GuestMemory::alone(1 << 20).unwrap());
        nic.set_memory(Arc::clone(&memory));
        nic.config_write(0x04, 2, 0x0006);
        Self {
            nic,
            memory,
            fired,
            next: 0,
        }
    }

    /// Brings the function up in promiscuous mode, and offers all descriptors of the ring but one.
    fn new() -> Self {
        let mut this = Self::bare();
        this.nic.config_write(0x72, 2, 0x8000);
        for vector in 0..3 {
            this.nic.bar_write(3, 16 * vector + 8, 4, vector);
            this.nic.bar_write(3, 16 * vector + 12, 4, 0);
        }
        this.ask(&[0x0C, 3]);
        this.write(VTIVAR, 0x8080);
        this.write(VTIVAR_MISC, 0x81);
        for register in [VTEIAM, VTEIAC, VTEIMS] {
            this.write(register, 0b11);
        }
        this.rings();
        this
    }

    fn rings(&mut self) {
        for i in 0..RING {
            self.refill(i);
        }
        self.write(RX + BASE, RX_RING as u32);
        self.write(RX + LEN, RING * 16);
        self.write(RX + SRRCTL, 2 | 1 << 25);
        self.write(RX + HEAD, 0);
        self.write(RX + DCTL, 1 << 25);
        self.write(RX + TAIL, RING - 1);
        self.write(TX + BASE, TX_RING as u32);
        self.write(TX + LEN, RING * 16);
        self.write(TX + DCTL, 1 << 25);
        self.next = 0;
    }

    fn read(&mut self, offset: u64) -> u32 {
        self.nic.bar_read(0, offset, 4) as u32
    }

    fn write(&mut self, offset: u64, value: u32) {
        self.nic.bar_write(0, offset, 4, u64::from(value));
    }

    /// Sends a message to the physical function. Returns the words of the answer.
    fn ask(&mut self, words: &[u32]) -> Vec<u32> {
        self.write(VFMAILBOX, 1 << 2);
        assert_eq!(self.read(VFMAILBOX) & 1 << 2, 1 << 2);
        for (n, word) in (0..).zip(words) {
            self.write(VFMBMEM + 4 * n, *word);
        }
        self.write(VFMAILBOX, 1);
        assert_eq!(self.read(VFMAILBOX), 0x30);
        (0..16).map(|n| self.read(VFMBMEM + 4 * n)).collect()
    }

    fn refill(&self, i: u32) {
        let at = RX_RING + 16 * u64::from(i);
        let buffer = BUFFERS + BUFFER * u64::from(i);
        self.memory.store(at, buffer).unwrap();
        self.memory.store(at + 8, 0).unwrap();
    }

    /// Returns the last word and the bytes of each received frame, and returns the descriptors to
    /// the NIC.
    fn take(&mut self) -> Vec<(u64, Vec<u8>)> {
        let mut done = Vec::new();
        loop {
            let i = self.next;
            let word = self.memory.load(RX_RING + 16 * u64::from(i) + 8).unwrap();
            if word & 1 == 0 {
                let tail = (self.next + RING - 1) % RING;
                self.write(RX + TAIL, tail);
                return done;
            }
            let mut bytes = vec![0; (word >> 32 & 0xFFFF) as usize];
            let buffer = BUFFERS + BUFFER * u64::from(i);
            self.memory.read(buffer, &mut bytes).unwrap();
            done.push((word, bytes));
            self.refill(i);
            self.next = (i + 1) % RING;
        }
    }
}

fn frame(number: u8, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|i| i as u8 ^ number).collect();
    frame[..6].copy_from_slice(&MAC);
    frame[12..14].copy_from_slice(&[8, 0]);
    frame
}

#[test]
fn vf_receives_frames_in_order() {
    let mut driver = Driver::new();
    for round in 0..5 {
        let sent: Vec<_> = (0..5).map(|n| frame(n, 60 + 300 * n as usize)).collect();
        for frame in &sent {
            assert!(driver.nic.has_room(frame));
            assert_eq!(driver.nic.receive(frame), IN_QUEUE);
        }
        driver.nic.flush();
        assert_eq!(driver.fired.try_iter().collect::<Vec<_>>(), [0], "{round}");
        let got = driver.take();
        assert!(got.iter().all(|(word, _)| word & 3 == 3));
        let bytes: Vec<_> = got.into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(bytes, sent);
        driver.write(VTEIMS, 1);
    }
    assert_eq!(driver.read(VFGPRC), 25);
    let bytes = 5 * (0..5).map(|n| 60 + 300 * n + 4).sum::<u32>();
    assert_eq!(driver.read(VFGORC), bytes);
    assert_eq!(driver.read(VFGPRC), 25, "counters run on");
}

#[test]
fn long_frame_spans_descriptors() {
    let mut driver = Driver::new();
    driver.ask(&[0x05, 9018]);
    let sent = frame(7, 5000);
    assert_eq!(driver.nic.receive(&sent), IN_QUEUE);
    let got = driver.take();
    let ends: Vec<_> = got.iter().map(|(word, _)| word & 2 != 0).collect();
    assert_eq!(ends, [false, false, true]);
    assert_eq!(
        got.into_iter().flat_map(|(_, b)| b).collect::<Vec<_>>(),
        sent
    );
}

#[test]
fn vf_misses_frame_without_descriptor() {
    let mut driver = Driver::new();
    for n in 0..7 {
        assert_eq!(driver.nic.receive(&frame(n, 60)), IN_QUEUE);
    }
    assert!(!driver.nic.has_room(&frame(7, 60)));
    for n in 7..10 {
        assert_eq!(driver.nic.receive(&frame(n, 60)), Outcome::Missed);
    }
    assert_eq!(driver.read(VFGPRC), 7);
    assert_eq!(driver.nic.counts().missed, 3);
    assert_eq!(driver.take().len(), 7);
    assert_eq!(driver.nic.receive(&frame(10, 60)), IN_QUEUE);
}

#[test]
fn vf_receives_only_requested_frames() {
    let mut driver = Driver::new();
    driver.ask(&[0x0C, 0]);
    let mut other = frame(0, 60);
    assert_eq!(driver.nic.receive(&other), IN_QUEUE);
    other[5] ^= 1;
    assert!(driver.nic.has_room(&other), "it takes no descriptor");
    assert_eq!(driver.nic.receive(&other), Outcome::Filtered);
    assert_eq!(driver.take().len(), 1);
}

#[test]
fn link_flap_interrupts_the_guest() {
    let mut driver = Driver::new();
    assert_eq!(driver.read(VFLINKS), 0x7000_0000);
    driver.nic.set_link(false);
    assert_eq!(driver.read(VFLINKS), 0);
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Down);
    assert_eq!(driver.fired.try_iter().collect::<Vec<_>>(), [1]);
    assert_eq!(driver.read(VFMAILBOX) & 0x10, 0x10);
    assert_eq!(driver.read(VFMBMEM), 0x2000_0100);
    driver.write(VTEIMS, 0b10);
    driver.nic.set_link(true);
    assert_eq!(driver.fired.try_iter().collect::<Vec<_>>(), [1]);
    assert_eq!(driver.nic.receive(&frame(0, 60)), IN_QUEUE);
}

#[test]
fn vf_spoils_requested_frames() {
    let mut driver = Driver::new();
    let sent = frame(1, 100);
    for fault in [
        FrameFault::WithoutEop,
        FrameFault::Status(RXE),
        FrameFault::Length(3000),
    ] {
        driver.nic.add_frame_fault(fault);
        assert_eq!(driver.nic.receive(&sent), SPOILED);
    }
    driver.nic.add_frame_fault(FrameFault::Crc);
    assert_eq!(driver.nic.receive(&sent), Outcome::Error);
    let words: Vec<_> = driver.take().into_iter().map(|(word, _)| word).collect();
    assert_eq!(words[0] & 3, 1);
    assert_eq!(words[1] as u32 & RXE, RXE);
    assert_eq!(words[2] >> 32 & 0xFFFF, 3000);
    assert_eq!(words.len(), 3);
}

#[test]
fn stalled_vf_misses_frames() {
    let mut driver = Driver::new();
    driver.nic.stall(true);
    assert!(!driver.nic.has_room(&frame(0, 60)));
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Missed);
    driver.nic.stall(false);
    assert_eq!(driver.nic.receive(&frame(0, 60)), IN_QUEUE);
    driver.nic.remove();
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Down);
    for offset in [VFLINKS, VFMAILBOX, VFGPRC] {
        assert_eq!(driver.read(offset), u32::MAX);
    }
    assert_eq!(driver.nic.config_read(0, 4), u32::MAX);
    assert_eq!(driver.nic.config_read(0, 2), 0xFFFF);
}

#[test]
fn vf_transmits_to_the_wire() {
    struct Echo;
    impl Wire for Echo {
        fn transmitted(&mut self, frame: &[u8], answers: &mut Vec<Vec<u8>>) {
            let mut back = frame.to_vec();
            back[..6].copy_from_slice(&MAC);
            answers.push(back);
        }
    }
    let mut driver = Driver::new();
    driver.nic.set_wire(Box::new(Echo));
    let sent = frame(9, 42);
    driver.memory.write(TX_BUFFER, &sent).unwrap();
    driver.memory.store(TX_RING, TX_BUFFER).unwrap();
    // The descriptor is a data descriptor: EOP, RS, DEXT, type 3.
    let word = 42 | 3 << 20 | 1 << 24 | 1 << 27 | 1 << 29 | 42 << 46;
    driver.memory.store(TX_RING + 8, word).unwrap();
    driver.write(TX + TAIL, 1);
    assert_eq!(
        driver.memory.load(TX_RING + 8).unwrap() >> 32 & 1,
        1,
        "done"
    );
    assert_eq!(driver.read(TX + HEAD), 1);
    assert_eq!(driver.read(VFGPTC), 1);
    let got = driver.take();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].1.len(), 60, "padded on the wire");
    assert_eq!(got[0].1[12..42], sent[12..]);
}

#[test]
fn reset_stops_rings_but_not_counters() {
    let mut driver = Driver::new();
    driver.nic.receive(&frame(0, 60));
    driver.write(VFCTRL, 1 << 26);
    assert!(!driver.nic.is_up());
    assert_eq!(driver.read(RX + LEN), 0);
    assert_eq!(driver.read(VFGPRC), 1);
    assert_eq!(driver.ask(&[1])[..3], [0x8000_0001, 2, 0x01BB]);
    driver.ask(&[0x0C, 3]);
    driver.rings();
    assert_eq!(driver.nic.receive(&frame(0, 60)), IN_QUEUE);
}

#[test]
fn ring_outside_memory_is_harmless() {
    let mut driver = Driver::new();
    driver.write(RX + BASE + 4, (NOWHERE >> 32) as u32);
    for n in 0..7 {
        driver.nic.receive(&frame(n, 60));
    }
    driver.nic.flush();
    assert!(driver.nic.counts().dma_errors >= 7);
}

#[test]
fn vf_waits_for_bus_master_enable() {
    let mut driver = Driver::new();
    driver.nic.config_write(0x04, 2, 0x0002);
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Missed);
    assert!(driver.take().is_empty());
}

proptest! {
    #[test]
    fn vf_survives_any_access(
        accesses in proptest::collection::vec(
            (any::<bool>(), 0u8..5, 0u64..0x4010, prop::sample::select(vec![1u8, 2, 4, 8]), any::<u64>()),
            0..200,
        ),
    ) {
        let mut driver = Driver::new();
        for (write, bar, offset, bytes, value) in accesses {
            match (write, bar) {
                (true, 4) => driver.nic.config_write(offset as u32 % 256, bytes.min(4), value as u32),
                (false, 4) => _ = driver.nic.config_read(offset as u32 % 256, bytes.min(4)),
                (true, _) => driver.nic.bar_write(bar, offset, bytes, value),
                (false, _) => _ = driver.nic.bar_read(bar, offset, bytes),
            }
            driver.nic.receive(&frame(1, 60));
            driver.nic.flush();
        }
        driver.read(VTEICR);
    }
}
