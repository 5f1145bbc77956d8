//! The statistics registers.

use vmlab::nic::registers::Register::*;
use vmlab::nic::{Outcome, Receive};

use super::driver::{Driver, frame};

#[test]
fn counters_clear_on_read() {
    let mut driver = Driver::new(1);
    let sizes = [60, 123, 251, 507, 1019, 1514];
    for (i, len) in (0..).zip(sizes) {
        driver.nic.receive(&frame(i, len));
    }
    let mut broadcast = frame(9, 60);
    broadcast[..6].fill(0xFF);
    driver.nic.receive(&broadcast);
    let bytes: u32 = sizes.iter().map(|&len| len as u32 + 4).sum::<u32>() + 64;
    let expected = [
        (TPR, 7),
        (GPRC, 7),
        (BPRC, 1),
        (MPRC, 0),
        (TORL, bytes),
        (GORCL, bytes),
        (QBRC_L, bytes),
        (QPRC, 7),
        (RXDGPC, 7),
        (PRC64, 2),
        (PRC127, 1),
        (PRC255, 1),
        (PRC511, 1),
        (PRC1023, 1),
        (PRC1522, 1),
        (RXMPC, 0),
    ];
    for (register, value) in expected {
        assert_eq!(driver.read(register, 0), value, "{register:?}");
        assert_eq!(driver.read(register, 0), 0, "{register:?} again");
    }
    driver.write(GPRC, 0, 5);
    assert_eq!(driver.read(GPRC, 0), 0, "cannot be written");
}

#[test]
fn wrong_sizes_are_counted_separately() {
    let mut driver = Driver::new(1);
    assert_eq!(driver.nic.receive(&frame(0, 59)), Outcome::Error);
    assert_eq!(driver.nic.receive(&frame(0, 1515)), Outcome::Error);
    assert_eq!(driver.nic.receive(&[]), Outcome::Error);
    assert_eq!(driver.read(RUC, 0), 2);
    assert_eq!(driver.read(ROC, 0), 1);
    assert_eq!(driver.read(TPR, 0), 3);
    assert_eq!(driver.read(GPRC, 0), 0);
    assert!(driver.take(0).is_empty());
}

#[test]
fn host_counters_add_up() {
    let mut driver = Driver::new(1);
    driver.nic.limit_packet_buffer(Some(0));
    for i in 0..100 {
        driver
            .nic
            .receive(&frame(i, if i % 10 == 0 { 20 } else { 60 }));
    }
    let counts = driver.nic.counts();
    assert_eq!(counts.errors, 10);
    assert_eq!(counts.delivered, 15);
    assert_eq!(counts.missed, 75);
    assert_eq!(driver.read(RXMPC, 0), 75);
}
