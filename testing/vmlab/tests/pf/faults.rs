//! Faults on demand.

use vmlab::nic::faults::RXE;
use vmlab::nic::registers::Register;
use vmlab::nic::{Outcome, Receive};
use vmlab::pci::Function;

use super::driver::{Driver, RING, frame};

const DELIVERED: Outcome = Outcome::Delivered { queue: 0 };
const SPOILED: Outcome = Outcome::Spoiled { queue: 0 };

#[test]
fn unfinished_frame_reaches_the_driver() {
    let mut driver = Driver::new(1);
    driver.nic.next_frame_without_eop();
    assert_eq!(driver.nic.receive(&frame(0, 60)), SPOILED);
    assert_eq!(driver.nic.receive(&frame(1, 60)), DELIVERED);
    assert_eq!(driver.descriptor(0, 0).1, 60 << 32 | 1);
    assert_eq!(driver.descriptor(0, 1).1, 60 << 32 | 3, "the next is whole");
}

#[test]
fn error_bits_reach_the_descriptor() {
    let mut driver = Driver::new(1);
    driver.nic.next_frame_error(RXE);
    driver.nic.next_frame_error(1 << 30);
    driver.nic.next_frame_error(0);
    assert_eq!(driver.nic.receive(&frame(0, 60)), SPOILED);
    assert_eq!(driver.nic.receive(&frame(1, 60)), SPOILED);
    assert_eq!(driver.nic.receive(&frame(2, 60)), Outcome::Error);
    assert_eq!(driver.nic.receive(&frame(3, 60)), DELIVERED);
    assert_eq!(driver.read(Register::CRCERRS, 0), 1);
    let received = driver.take(0);
    let errors: Vec<_> = received
        .iter()
        .map(|f| (f.bytes[15], f.high as u32 & !3))
        .collect();
    assert_eq!(errors, [(0, RXE), (1, 1 << 30), (3, 0)]);
}

#[test]
fn wrong_length_reaches_the_descriptor() {
    let mut driver = Driver::new(1);
    driver.nic.wrong_length(0xFFFF);
    assert_eq!(driver.nic.receive(&frame(0, 60)), SPOILED);
    assert_eq!(driver.descriptor(0, 0).1, 0xFFFF << 32 | 3);
}

#[test]
fn stalled_nic_misses_frames() {
    let mut driver = Driver::new(1);
    driver.nic.limit_packet_buffer(Some(10 * 60));
    driver.nic.stall(true);
    let outcomes: Vec<_> = (0..12).map(|i| driver.nic.receive(&frame(i, 60))).collect();
    assert_eq!(
        outcomes
            .iter()
            .filter(|&&outcome| outcome == DELIVERED)
            .count(),
        10
    );
    driver.nic.flush();
    assert!(driver.take(0).is_empty());
    assert!(driver.vectors().is_empty());
    assert_eq!(driver.read(Register::RXMPC, 0), 2);
    driver.nic.stall(false);
    assert_eq!(driver.take(0).len(), 10);
    assert_eq!(driver.vectors(), [0]);
}

#[test]
fn removed_device_reads_as_all_ones() {
    let mut driver = Driver::new(1);
    driver.nic.remove();
    assert_eq!(driver.read(Register::STATUS, 0), u32::MAX);
    assert_eq!(driver.nic.bar_read(0, 0, 8), u64::MAX);
    assert_eq!(driver.nic.bar_read(4, 0, 1), 0xFF);
    assert_eq!(driver.nic.config_read(0, 4), u32::MAX);
    assert_eq!(driver.nic.config_read(0, 2), 0xFFFF);
    driver.write(Register::RDT, 0, RING - 1);
    driver.nic.config_write(4, 2, 0);
    assert!(!driver.nic.is_up());
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Down);
    driver.nic.set_link(false);
    driver.nic.flush();
    assert!(driver.vectors().is_empty());
    assert!(driver.take(0).is_empty());
}
