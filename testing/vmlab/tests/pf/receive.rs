//! Reception of frames into the guest's memory.

use vmlab::nic::registers::{Register, bits};
use vmlab::nic::{Outcome, Receive};
use vmlab::pci::Function;

use super::driver::{BUFFER, Driver, OTHER, RING, frame};

const DELIVERED: Outcome = Outcome::Delivered { queue: 0 };

#[test]
fn frames_arrive_intact_across_ring_end() {
    let mut driver = Driver::new(1);
    let mut number = 0;
    for round in 0..20_usize {
        let sent: Vec<_> = (0..7)
            .map(|i| frame(number + i, 60 + 40 * i as usize + round))
            .collect();
        number += 7;
        for frame in &sent {
            assert!(driver.nic.has_room(frame));
            assert_eq!(driver.nic.receive(frame), DELIVERED);
        }
        driver.nic.flush();
        let received = driver.take(0);
        assert_eq!(
            received
                .iter()
                .map(|frame| &frame.bytes)
                .collect::<Vec<_>>(),
            sent.iter().collect::<Vec<_>>()
        );
        assert!(
            received.iter().all(|frame| frame.high & 0xFFFF_FFFF == 3),
            "done, end, no error"
        );
        driver.give_back(0);
    }
    assert_eq!(driver.read(Register::RDH, 0), 140 % RING);
}

#[test]
fn long_frame_spans_descriptors() {
    let mut driver = Driver::new(1);
    driver.write(Register::HLREG0, 0, bits::HLREG0_JUMBOEN);
    driver.write(Register::MAXFRS, 0, 9018 << bits::MAXFRS_MFS_SHIFT);
    let long = frame(1, 9014);
    assert_eq!(driver.nic.receive(&long), DELIVERED);
    let exact = frame(2, 2 * BUFFER as usize);
    assert_eq!(driver.nic.receive(&exact), DELIVERED);
    for i in 0..4 {
        let (_, high) = driver.descriptor(0, i);
        assert_eq!(high, BUFFER << 32 | 1, "done, not the end");
    }
    let received = driver.take(0);
    assert_eq!(
        received.iter().map(|f| f.descriptors).collect::<Vec<_>>(),
        [5, 2]
    );
    assert_eq!(received[0].bytes, long);
    assert_eq!(received[1].bytes, exact);
    // 15 descriptors were offered and 8 are left, which is not enough for two frames of five.
    assert_eq!(driver.nic.receive(&long), DELIVERED);
    assert!(!driver.nic.has_room(&long));
    assert!(driver.nic.has_room(&exact));
}

#[test]
fn disabled_receiver_takes_nothing() {
    let mut driver = Driver::new(1);
    driver.write(Register::RXCTRL, 0, 0);
    assert!(!driver.nic.is_up());
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Down);
    driver.write(Register::RXCTRL, 0, 1);
    assert!(driver.nic.is_up());
    driver.write(Register::RXDCTL, 0, 0);
    assert!(!driver.nic.is_up());
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Down);
    driver.write(Register::RXDCTL, 0, bits::RXDCTL_ENABLE);
    driver.nic.set_link(false);
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Down);
    driver.nic.set_link(true);
    assert_eq!(driver.nic.receive(&frame(0, 60)), DELIVERED);
    assert_eq!(
        driver.read(Register::TPR, 0),
        1,
        "what was down is not counted"
    );
    assert_eq!(driver.nic.counts().down, 3);
}

#[test]
fn nothing_is_written_without_bus_master() {
    let mut driver = Driver::new(1);
    driver.nic.config_write(0x04, 2, 0x0002);
    assert_eq!(
        driver.nic.receive(&frame(0, 60)),
        DELIVERED,
        "in the packet buffer"
    );
    driver.nic.flush();
    assert!(driver.take(0).is_empty());
    assert!(driver.vectors().is_empty());
    driver.nic.config_write(0x04, 2, 0x0006);
    assert_eq!(driver.take(0).len(), 1);
    assert_eq!(driver.vectors(), [0]);
}

#[test]
fn stripped_tag_is_in_the_descriptor() {
    let mut tagged = frame(3, 64);
    tagged[12..16].copy_from_slice(&[0x81, 0x00, 0x60, 0x7B]);
    let mut driver = Driver::new(1);
    driver.nic.receive(&tagged);
    driver.write(Register::RXDCTL, 0, bits::RXDCTL_ENABLE | bits::RXDCTL_VME);
    driver.nic.receive(&tagged);
    driver.nic.receive(&frame(4, 60));
    let received = driver.take(0);
    assert_eq!(received[0].bytes, tagged);
    assert_eq!(received[1].bytes, [&tagged[..12], &tagged[16..]].concat());
    for frame in &received[..2] {
        assert_eq!(frame.high >> 48, 0x607B);
        assert_eq!(frame.high & 8, 8, "VP");
    }
    assert_eq!(received[2].high & 8, 0);
    assert_eq!(received[2].bytes.len(), 60);
}

#[test]
fn burst_raises_one_interrupt() {
    let mut driver = Driver::new(1);
    for i in 0..5 {
        driver.nic.receive(&frame(i, 60));
    }
    assert!(driver.vectors().is_empty(), "not before the flush");
    driver.nic.flush();
    assert_eq!(driver.vectors(), [0]);
    driver.nic.receive(&frame(5, 60));
    driver.nic.flush();
    assert!(driver.vectors().is_empty(), "masked by itself");
    driver.write(Register::EIMS_EX, 0, 1);
    assert_eq!(driver.vectors(), [0]);
    driver.write(Register::EIMS_EX, 0, 1);
    driver.nic.flush();
    assert!(driver.vectors().is_empty(), "nothing new");
    driver.write(Register::EICS_EX, 0, 1);
    assert_eq!(driver.vectors(), [0], "the driver's own");
}

#[test]
fn promiscuous_mode_accepts_foreign_frames() {
    let mut driver = Driver::new(1);
    let mut other = frame(0, 60);
    other[..6].copy_from_slice(&OTHER);
    assert!(driver.nic.has_room(&other), "it would not be missed");
    assert_eq!(driver.nic.receive(&other), Outcome::Filtered);
    assert_eq!(driver.read(Register::GPRC, 0), 0);
    driver.write(Register::FCTRL, 0, bits::FCTRL_UPE);
    assert_eq!(driver.nic.receive(&other), DELIVERED);
    driver.write(Register::VLNCTRL, 0, bits::VLNCTRL_VFE | 0x8100);
    other[12..16].copy_from_slice(&[0x81, 0x00, 0x00, 0x05]);
    assert_eq!(driver.nic.receive(&other), Outcome::Filtered);
    driver.write(Register::VFTA, 0, 1 << 5);
    assert_eq!(driver.nic.receive(&other), DELIVERED);
}

/// Frames with the Toeplitz vectors that Microsoft publishes.
#[test]
fn rss_hash_selects_the_queue() {
    const KEY: [u32; 10] = [
        0xDA56_5A6D,
        0xC20E_5B25,
        0x3D25_6741,
        0xB08F_A343,
        0xCB2B_CAD0,
        0xB430_7BAE,
        0xA32D_CB77,
        0x0CF2_3080,
        0x3BB7_426A,
        0xFA01_ACBE,
    ];
    let mut driver = Driver::new(4);
    for (n, word) in (0..).zip(KEY) {
        driver.write(Register::RSSRK, n, word);
    }
    for n in 0..32 {
        driver.write(Register::RETA, n, 0x0302_0100);
    }
    driver.write(
        Register::MRQC,
        0,
        1 | bits::MRQC_TCP_IPV4 | bits::MRQC_IPV4 | bits::MRQC_UDP_IPV4,
    );
    // 66.9.149.187:2794 -> 161.142.100.80:1766
    let mut ip = frame(0, 74);
    ip[12..14].copy_from_slice(&[0x08, 0x00]);
    ip[14..34].copy_from_slice(&[
        0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 66, 9, 149, 187, 161, 142, 100, 80,
    ]);
    ip[34..38].copy_from_slice(&[0x0A, 0xEA, 0x06, 0xE6]);
    let tcp = ip.clone();
    ip[23] = 17;
    let udp = ip.clone();
    ip[23] = 1;
    let icmp = ip;
    for (frame, hash, rss_type, packet_type) in [
        (&tcp, 0x51CC_C178_u32, 1, 0x11),
        (&udp, 0x51CC_C178, 7, 0x21),
        (&icmp, 0x323E_8FC2, 2, 0x01),
    ] {
        let queue = hash & 3;
        assert_eq!(
            driver.nic.receive(frame),
            Outcome::Delivered {
                queue: queue as u16
            }
        );
        let received = driver.take(queue).remove(0);
        assert_eq!(received.low >> 32, u64::from(hash));
        assert_eq!(received.low & 0xF, rss_type);
        assert_eq!(received.low >> 4 & 0x1FFF, packet_type);
        assert_eq!(&received.bytes, frame);
        driver.give_back(queue);
    }
    driver.nic.flush();
    assert_eq!(driver.vectors(), [0, 2], "the vectors of their queues");
    // A frame that is not IP has no hash and goes to queue 0.
    assert_eq!(driver.nic.receive(&frame(0, 60)), DELIVERED);
    assert_eq!(driver.take(0).remove(0).low, 0);
    driver.write(Register::MRQC, 0, 0);
    assert_eq!(driver.nic.receive(&tcp), DELIVERED);
    assert_eq!(driver.take(0).remove(0).low, 0x11 << 4);
}
