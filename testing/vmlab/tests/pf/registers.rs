//! Reset, EEPROM, and the registers that a driver reads first.

use vmlab::nic::registers::{Register, bits};
use vmlab::pci::Function;

use super::driver::{Driver, MAC};

#[test]
fn reset_restores_every_register() {
    let mut driver = Driver::new(1);
    driver.write(Register::FCTRL, 0, bits::FCTRL_UPE);
    driver.write(Register::RAL, 0, 0);
    driver.write(Register::RAL, 7, 0x1234);
    driver.write(Register::CTRL, 0, bits::CTRL_RST | 0x40);
    assert_eq!(
        driver.read(Register::CTRL, 0),
        0x40,
        "the bit clears itself"
    );
    let low = u32::from_le_bytes([MAC[0], MAC[1], MAC[2], MAC[3]]);
    assert_eq!(driver.read(Register::RAL, 0), low);
    let high = bits::RAH_AV | u32::from(MAC[4]) | u32::from(MAC[5]) << 8;
    assert_eq!(driver.read(Register::RAH, 0), high);
    assert_eq!(driver.read(Register::RAL, 7), 0);
    assert_eq!(driver.read(Register::FCTRL, 0), 0);
    assert_eq!(driver.read(Register::RXDCTL, 0) & bits::RXDCTL_ENABLE, 0);
    assert_eq!(driver.read(Register::RXPBSIZE, 0), 512 << 10);
    assert_eq!(
        driver.nic.bar_read(4, 8 + 16, 4),
        1,
        "the MSI-X table stays"
    );
}

#[test]
fn bus_reset_restores_the_function() {
    let mut driver = Driver::new(1);
    driver.nic.config_write(0x10, 4, 0xFEBC_0000);
    driver.nic.reset();
    assert_eq!(driver.nic.config_read(0x10, 4), 0);
    assert_eq!(driver.nic.config_read(0x04, 2), 0);
    assert_eq!(driver.nic.bar_read(4, 12, 4), 1, "masked");
}

#[test]
fn eeprom_reads_with_valid_checksum() {
    let mut driver = Driver::bare();
    assert_eq!(driver.read(Register::EEC, 0) & 0x100, 0x100, "present");
    let mut sum = 0_u16;
    for address in 0..=0x3F {
        driver.write(Register::EERD, 0, address << 2 | 1);
        let value = driver.read(Register::EERD, 0);
        assert_eq!(value & bits::EERD_DONE, bits::EERD_DONE);
        sum = sum.wrapping_add((value >> 16) as u16);
    }
    assert_eq!(sum, 0xBABA);
}

#[test]
fn probe_registers_have_expected_values() {
    let mut driver = Driver::bare();
    assert_eq!(driver.nic.config_read(0, 4), 0x10F7_8086);
    assert_eq!(driver.nic.config_read(0x70, 1), 0x11);
    assert_eq!(driver.nic.config_read(0xA0, 1), 0x10);
    assert_eq!(driver.read(Register::LINKS, 0), bits::LINKS_UP_10G);
    assert_ne!(driver.read(Register::ANLP1, 0) & 0xF_0000, 0);
    driver.write(Register::SWSM, 0, 3);
    assert_eq!(
        driver.read(Register::SWSM, 0),
        2,
        "the semaphore is free, and can be taken"
    );
    driver.write(Register::STATUS, 0, 0xFFFF_FFFF);
    assert_eq!(
        driver.read(Register::STATUS, 0),
        0,
        "no master access is pending"
    );
    driver.nic.bar_write(0, 0x1_F000, 4, 0x1234);
    assert_eq!(driver.nic.bar_read(0, 0x1_F000, 4), 0, "no register");
    driver.write(Register::MSCA, 0, bits::MSCA_MDICMD | 5);
    assert_eq!(driver.read(Register::MSCA, 0), 5);
}

#[test]
fn reserved_bits_stay_zero() {
    let mut driver = Driver::bare();
    for (register, kept) in [
        (Register::RDBAL, 0xFFFF_FF80),
        (Register::RDBAH, 0xFFFF_FFFF),
        (Register::TDLEN, 0x000F_FF80),
        (Register::RDT, 0x0000_FFFF),
        (Register::RAH, 0x8000_FFFF),
    ] {
        driver.write(register, 3, 0xFFFF_FFFF);
        assert_eq!(driver.read(register, 3), kept, "{register:?}");
    }
}

#[test]
fn registers_accept_every_access_size() {
    let mut driver = Driver::bare();
    let low = u64::from(driver.read(Register::RAL, 0));
    let high = u64::from(driver.read(Register::RAH, 0));
    assert_eq!(driver.nic.bar_read(0, 0xA200, 8), high << 32 | low);
    assert_eq!(driver.nic.bar_read(0, 0xA201, 1), low >> 8 & 0xFF);
    assert_eq!(driver.nic.bar_read(0, 0xA202, 2), low >> 16);
    driver.nic.bar_write(0, 0xA208, 8, 0x0000_1234_5678_9ABC);
    assert_eq!(driver.read(Register::RAL, 1), 0x5678_9ABC);
    assert_eq!(driver.read(Register::RAH, 1), 0x1234);
}

#[test]
fn unplugged_cable_takes_link_down() {
    let mut driver = Driver::new(1);
    driver.nic.set_link(false);
    assert_eq!(driver.vectors(), [1], "the vector of other causes");
    assert_eq!(driver.read(Register::LINKS, 0) & 1 << 30, 0);
    assert_eq!(
        driver.read(Register::EICS, 0) & bits::EICR_LSC,
        bits::EICR_LSC
    );
    driver.write(Register::EICR, 0, bits::EICR_LSC);
    driver.nic.set_link(false);
    assert!(driver.vectors().is_empty(), "no change");
    driver.nic.set_link(true);
    assert_eq!(driver.vectors(), [1]);
    assert_eq!(driver.read(Register::LINKS, 0), bits::LINKS_UP_10G);
}
