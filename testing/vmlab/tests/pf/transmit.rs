//! Transmission of frames by the guest.

use std::sync::mpsc::{Sender, channel};

use vmlab::nic::Wire;
use vmlab::nic::registers::{Register, bits};
use vmlab::pci::Function;

use super::driver::{Driver, MAC, frame};

const EOP: u64 = 1 << 24;
const RS: u64 = 1 << 27;
const DEXT: u64 = 1 << 29;
const VLE: u64 = 1 << 30;
const DATA: u64 = DEXT | 3 << 20;
const CONTEXT: u64 = DEXT | 2 << 20;

struct Seen(Sender<Vec<u8>>, Vec<Vec<u8>>);

impl Wire for Seen {
    fn transmitted(&mut self, frame: &[u8], answers: &mut Vec<Vec<u8>>) {
        self.0.send(frame.to_vec()).unwrap();
        answers.append(&mut self.1);
    }
}

#[test]
fn pf_transmits_padded_tagged_frames() {
    let mut driver = Driver::new(1);
    let (sender, sent) = channel();
    driver.nic.set_wire(Box::new(Seen(sender, Vec::new())));
    let long = frame(1, 1000);
    driver.tx_words(0x0064 << 16, CONTEXT);
    driver.tx(&long[..300], DATA);
    driver.tx(&long[300..700], DATA);
    let last = driver.tx(&long[700..], DATA | EOP | RS);
    driver.tx(&[7; 42], DATA | EOP);
    driver.tx(&frame(2, 60), DATA | EOP | VLE);
    driver.tx_go();
    assert_eq!(sent.try_recv().unwrap(), long);
    let padded = sent.try_recv().unwrap();
    assert_eq!(padded, [vec![7; 42], vec![0; 18]].concat());
    let tagged = sent.try_recv().unwrap();
    let plain = frame(2, 60);
    assert_eq!(
        tagged,
        [&plain[..12], &[0x81, 0, 0, 0x64], &plain[12..]].concat()
    );
    assert!(sent.try_recv().is_err());
    assert_eq!(
        driver.memory.load(last + 8).unwrap() >> 32 & 1,
        1,
        "done, where it was asked for"
    );
    assert_eq!(driver.vectors(), [0]);
    assert_eq!(driver.read(Register::TDH, 0), 6);
    assert_eq!(driver.read(Register::GPTC, 0), 3);
    assert_eq!(driver.read(Register::GOTCL, 0), 1004 + 64 + 68);
    assert_eq!(driver.nic.counts().transmitted, 3);
}

#[test]
fn pf_receives_the_answer() {
    let mut driver = Driver::new(1);
    let (sender, _sent) = channel();
    driver
        .nic
        .set_wire(Box::new(Seen(sender, vec![frame(5, 60), frame(6, 42)])));
    driver.tx(&[1; 60], DATA | EOP);
    driver.tx_go();
    let received = driver.take(0);
    assert_eq!(
        received
            .iter()
            .map(|f| (f.bytes[15], f.bytes.len()))
            .collect::<Vec<_>>(),
        [(5, 60), (6, 60)],
        "padded"
    );
    assert_eq!(driver.vectors(), [0]);
}

#[test]
fn loopback_returns_every_frame() {
    let mut driver = Driver::new(1);
    let (sender, sent) = channel();
    driver.nic.set_wire(Box::new(Seen(sender, Vec::new())));
    driver.write(Register::HLREG0, 0, bits::HLREG0_LPBK);
    let own = frame(9, 200);
    driver.tx(&own, DATA | EOP);
    driver.tx_go();
    assert_eq!(driver.take(0).remove(0).bytes, own);
    assert!(sent.try_recv().is_err());
}

#[test]
fn disabled_port_transmits_nothing() {
    let mut driver = Driver::new(1);
    let (sender, sent) = channel();
    driver.nic.set_wire(Box::new(Seen(sender, Vec::new())));
    driver.write(Register::DMATXCTL, 0, 0);
    driver.tx(&MAC, DATA | EOP);
    driver.tx_go();
    assert_eq!(driver.read(Register::TDH, 0), 0, "waits");
    driver.write(Register::DMATXCTL, 0, bits::DMATXCTL_TE);
    driver.nic.set_link(false);
    driver.tx_go();
    assert_eq!(driver.read(Register::TDH, 0), 1);
    assert!(sent.try_recv().is_err());
    assert_eq!(driver.nic.counts().transmitted, 0);
    driver.nic.config_write(4, 2, 0);
    driver.tx(&MAC, DATA | EOP);
    driver.tx_go();
    assert_eq!(driver.read(Register::TDH, 0), 1, "no bus master");
}
