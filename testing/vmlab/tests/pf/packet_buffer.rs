//! Frames that wait in the packet buffer, and their outcomes.

use vmlab::nic::registers::{Register, bits};
use vmlab::nic::{Outcome, Receive};

use super::driver::{Driver, RING, frame};

const DELIVERED: Outcome = Outcome::Delivered { queue: 0 };

/// Sets RSS up to select `queue`, and returns an IPv4 frame.
fn to_queue(driver: &mut Driver, queue: u32, number: u16) -> Vec<u8> {
    driver.write(Register::MRQC, 0, 1 | bits::MRQC_IPV4);
    for n in 0..32 {
        driver.write(Register::RETA, n, queue * 0x0101_0101);
    }
    let mut frame = frame(number, 60);
    frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
    frame
}

#[test]
fn packet_buffer_holds_frames_without_descriptor() {
    let mut driver = Driver::new(1);
    driver.nic.limit_packet_buffer(Some(3 * 60));
    let outcomes: Vec<_> = (0..20).map(|i| driver.nic.receive(&frame(i, 60))).collect();
    let kept = RING as usize - 1 + 3;
    assert!(outcomes[..kept].iter().all(|&outcome| outcome == DELIVERED));
    assert!(
        outcomes[kept..]
            .iter()
            .all(|&outcome| outcome == Outcome::Missed)
    );
    assert!(!driver.nic.has_room(&frame(0, 60)));
    let first = driver.take(0);
    assert_eq!(first.len(), 15);
    driver.give_back(0);
    let then = driver.take(0);
    let numbers: Vec<_> = then.iter().map(|frame| frame.bytes[15]).collect();
    assert_eq!(
        numbers,
        [15, 16, 17],
        "in order, as soon as there are descriptors"
    );
    assert_eq!(driver.read(Register::RXMPC, 0), 2);
    assert_eq!(
        driver.read(Register::GPRC, 0),
        20,
        "with those that were missed"
    );
    assert_eq!(driver.read(Register::QPRC, 0), 18);
    assert!(driver.nic.has_room(&frame(0, 60)));
}

#[test]
fn packet_buffer_has_configured_size() {
    let mut driver = Driver::new(1);
    driver.write(Register::RXPBSIZE, 0, 2 << 10);
    let outcomes: Vec<_> = (0..60).map(|i| driver.nic.receive(&frame(i, 64))).collect();
    let kept = outcomes
        .iter()
        .filter(|&&outcome| outcome == DELIVERED)
        .count();
    assert_eq!(kept, 15 + 2048 / 64);
}

#[test]
fn queue_without_descriptors_blocks_others() {
    let mut driver = Driver::new(2);
    for i in 0..16 {
        assert_eq!(driver.nic.receive(&frame(i, 60)), DELIVERED);
    }
    let other = to_queue(&mut driver, 1, 16);
    assert!(!driver.nic.has_room(&other));
    assert_eq!(driver.nic.receive(&other), Outcome::Delivered { queue: 1 });
    assert!(
        driver.take(1).is_empty(),
        "one store for both: it waits behind queue 0"
    );
    driver.take(0);
    driver.give_back(0);
    assert_eq!(driver.take(1).len(), 1);
}

#[test]
fn dropping_queue_does_not_block_others() {
    let mut driver = Driver::new(2);
    driver.write(Register::SRRCTL, 0, 2 | 1 << 25 | bits::SRRCTL_DROP_EN);
    driver.write(Register::RQSMR, 0, 0x0005);
    for i in 0..15 {
        assert_eq!(driver.nic.receive(&frame(i, 60)), DELIVERED);
    }
    assert_eq!(driver.nic.receive(&frame(15, 60)), Outcome::Missed);
    assert_eq!(
        driver.read(Register::QPRDC, 5),
        1,
        "where RQSMR maps queue 0"
    );
    assert_eq!(driver.read(Register::QPRDC, 5), 0, "read: cleared");
    assert_eq!(driver.read(Register::QPRC, 5), 15);
    assert_eq!(driver.read(Register::RXMPC, 0), 0);
    let other = to_queue(&mut driver, 1, 16);
    assert_eq!(driver.nic.receive(&other), Outcome::Delivered { queue: 1 });
    assert_eq!(driver.take(1).remove(0).bytes, other);
}

#[test]
fn reset_empties_packet_buffer() {
    let mut driver = Driver::new(2);
    for i in 0..20 {
        assert_eq!(driver.nic.receive(&frame(i, 60)), DELIVERED);
    }
    let other = to_queue(&mut driver, 1, 20);
    driver.nic.receive(&other);
    assert!(driver.nic.take_discarded().is_empty());
    driver.write(Register::CTRL, 0, bits::CTRL_RST);
    assert_eq!(driver.nic.take_discarded(), [(0, 5), (1, 1)]);
    assert!(driver.nic.take_discarded().is_empty());
    let counts = driver.nic.counts();
    assert_eq!(
        counts.delivered, 21,
        "as they were told to whoever sent them"
    );
    assert_eq!(counts.discarded, 6);
}

#[test]
fn disabled_ring_loses_its_frames() {
    let mut driver = Driver::new(2);
    for i in 0..20 {
        driver.nic.receive(&frame(i, 60));
    }
    let other = to_queue(&mut driver, 1, 20);
    driver.nic.receive(&other);
    driver.write(Register::RXDCTL, 0, 0);
    assert_eq!(driver.take(1).len(), 1);
    assert_eq!(driver.nic.take_discarded(), [(0, 5)]);
}
