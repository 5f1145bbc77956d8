//! Whatever a driver writes, the NIC neither panics nor accesses memory outside the guest's.

use proptest::prelude::*;

use vmlab::nic::registers::{Register, TABLE, bits};
use vmlab::nic::{Outcome, Receive};
use vmlab::pci::Function;

use super::driver::{Driver, frame, offset};

#[test]
fn bad_dma_addresses_are_only_counted() {
    let mut driver = Driver::new(1);
    driver.memory.store(0, u64::MAX - 3).unwrap();
    driver.memory.store(16, 0x7000_0000_0000).unwrap();
    for i in 0..3 {
        assert_eq!(
            driver.nic.receive(&frame(i, 60)),
            Outcome::Delivered { queue: 0 }
        );
    }
    assert_eq!(driver.nic.counts().dma_errors, 2);
    assert_eq!(driver.descriptor(0, 2).1, 60 << 32 | 3);
    driver.write(Register::RDBAH, 0, 0xFFFF_FFFF);
    driver.write(Register::RDBAL, 0, 0xFFFF_FF80);
    driver.nic.receive(&frame(3, 60));
    driver.write(Register::TDBAH, 0, 0xFFFF_FFFF);
    driver.tx(&[0; 60], 1 << 24 | 1 << 29 | 3 << 20);
    driver.tx_go();
    assert!(driver.nic.counts().dma_errors > 3);
}

#[test]
fn head_past_ring_end_yields_no_descriptor() {
    let mut driver = Driver::new(1);
    driver.nic.limit_packet_buffer(Some(0));
    driver.write(Register::RDT, 0, 0xFFFF);
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Missed);
    driver.rx_ring(0);
    driver.write(Register::RDH, 0, 0x8000);
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Missed);
    driver.rx_ring(0);
    driver.write(Register::RDLEN, 0, 0);
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Missed);
    driver.rx_ring(0);
    driver.write(Register::SRRCTL, 0, 0);
    assert_eq!(driver.nic.receive(&frame(0, 60)), Outcome::Missed);
    driver.rx_ring(0);
    assert_eq!(
        driver.nic.receive(&frame(0, 60)),
        Outcome::Delivered { queue: 0 }
    );
}

#[derive(Debug, Clone)]
enum Step {
    Write(u64, u8, u64),
    Read(u64, u8),
    Register(usize, u32, u32),
    Config(u32, u8, u32),
    Msix(u64, u8, u64),
    Memory(u64, u64),
    Frame(usize),
    Link(bool),
    Stall(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop_oneof![Just(1_u8), Just(2), Just(4), Just(8)];
    // Small numbers and addresses in memory find more faults than random numbers.
    let value = || {
        prop_oneof![
            any::<u32>(),
            0..64_u32,
            (0..128_u32).prop_map(|page| page << 12)
        ]
    };
    prop_oneof![
        2 => (0..0x2_0010_u64, bytes(), any::<u64>()).prop_map(|(o, b, v)| Step::Write(o, b, v)),
        2 => (0..0x2_0010_u64, bytes()).prop_map(|(o, b)| Step::Read(o, b)),
        8 => (0..TABLE.len(), 0..4_u32, value()).prop_map(|(r, n, v)| Step::Register(r, n, v)),
        1 => (0..300_u32, 1..=4_u8, any::<u32>()).prop_map(|(o, b, v)| Step::Config(o, b, v)),
        1 => (0..0x4010_u64, bytes(), any::<u64>()).prop_map(|(o, b, v)| Step::Msix(o, b, v)),
        2 => (0..0x10_0000_u64, any::<u64>()).prop_map(|(a, v)| Step::Memory(a & !7, v)),
        6 => (0..9100_usize).prop_map(Step::Frame),
        1 => any::<bool>().prop_map(Step::Link),
        1 => any::<bool>().prop_map(Step::Stall),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn pf_survives_any_write(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut driver = Driver::new(2);
        driver.write(Register::FCTRL, 0, bits::FCTRL_UPE | bits::FCTRL_MPE);
        driver.write(Register::MRQC, 0, 1 | bits::MRQC_IPV4);
        let mut offered = 0;
        for step in steps {
            match step {
                Step::Write(at, bytes, value) => driver.nic.bar_write(0, at, bytes, value),
                Step::Read(at, bytes) => {
                    driver.nic.bar_read(0, at, bytes);
                }
                Step::Register(row, n, value) => {
                    let register = TABLE[row].register;
                    let count: u16 = TABLE[row].windows[0].count;
                    driver.nic.bar_write(0, offset(register, n % u32::from(count)), 4, value.into());
                }
                Step::Config(at, bytes, value) => {
                    driver.nic.config_write(at, bytes, value);
                    driver.nic.config_read(at, bytes);
                }
                Step::Msix(at, bytes, value) => {
                    driver.nic.bar_write(4, at, bytes, value);
                    driver.nic.bar_read(4, at, bytes);
                }
                Step::Memory(at, value) => driver.memory.store(at, value).unwrap(),
                Step::Frame(len) => {
                    let frame = frame(0, len.max(16));
                    let room = driver.nic.is_up() && driver.nic.has_room(&frame);
                    let outcome = driver.nic.receive(&frame);
                    prop_assert!(!(room && outcome == Outcome::Missed), "has_room() was wrong");
                    driver.nic.flush();
                    offered += 1;
                }
                Step::Link(up) => driver.nic.set_link(up),
                Step::Stall(stalled) => driver.nic.stall(stalled),
            }
        }
        let counts = driver.nic.counts();
        let told = counts.delivered + counts.missed + counts.filtered + counts.errors + counts.down;
        prop_assert_eq!(told, offered, "every frame has one outcome");
    }
}
