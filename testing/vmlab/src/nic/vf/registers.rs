//! The registers of a virtual function, named as in the datasheet, section 8.3. Other registers
//! read 0 and ignore writes.

use super::Vf;
use super::mailbox::WORDS;
use crate::nic::bars::{Bars, Registers};

const VFCTRL: u64 = 0x0000;
const VFSTATUS: u64 = 0x0008;
const VFLINKS: u64 = 0x0010;
const VTEICR: u64 = 0x0100;
const VTEICS: u64 = 0x0104;
const VTEIMS: u64 = 0x0108;
const VTEIMC: u64 = 0x010C;
const VTEIAC: u64 = 0x0110;
const VTEIAM: u64 = 0x0114;
const VTIVAR: u64 = 0x0120;
const VTIVAR_MISC: u64 = 0x0140;
const VFMBMEM: u64 = 0x0200;
const VFMBMEM_LAST: u64 = VFMBMEM + 4 * (WORDS as u64 - 1);
const VFMAILBOX: u64 = 0x02FC;
const VFRDBAL: u64 = 0x1000;
const VFRDBAH: u64 = 0x1004;
const VFRDLEN: u64 = 0x1008;
const VFRDH: u64 = 0x1010;
const VFSRRCTL: u64 = 0x1014;
const VFRDT: u64 = 0x1018;
const VFGPRC: u64 = 0x101C;
const VFGORC_LSB: u64 = 0x1020;
const VFGORC_MSB: u64 = 0x1024;
const VFRXDCTL: u64 = 0x1028;
const VFMPRC: u64 = 0x1034;
const VFTDBAL: u64 = 0x2000;
const VFTDBAH: u64 = 0x2004;
const VFTDLEN: u64 = 0x2008;
const VFTDH: u64 = 0x2010;
const VFTDT: u64 = 0x2018;
const VFGPTC: u64 = 0x201C;
const VFGOTC_LSB: u64 = 0x2020;
const VFGOTC_MSB: u64 = 0x2024;
const VFTXDCTL: u64 = 0x2028;

const VFCTRL_RST: u32 = 1 << 26;
/// The bit SWFLSH of RXDCTL and TXDCTL, which clears itself.
const DCTL_SWFLSH: u32 = 1 << 26;
/// Bits in the upper half of a 36-bit counter.
const COUNTER_HIGH: u64 = 0xF;

/// Registers that only store what was written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plain {
    rdba: [u32; 2],
    rdlen: u32,
    rdt: u32,
    srrctl: u32,
    rxdctl: u32,
    tdba: [u32; 2],
    tdlen: u32,
    tdt: u32,
    txdctl: u32,
    vtivar: u32,
    vtivar_misc: u32,
}

impl Plain {
    pub(super) fn rx_vector(&self) -> u8 {
        self.vtivar.to_le_bytes()[0]
    }

    pub(super) fn tx_vector(&self) -> u8 {
        self.vtivar.to_le_bytes()[1]
    }

    pub(super) fn misc_vector(&self) -> u8 {
        self.vtivar_misc.to_le_bytes()[0]
    }
}

impl Registers for Vf {
    fn bars(&mut self) -> &mut Bars {
        &mut self.bars
    }

    fn read_register(&mut self, offset: u64) -> u32 {
        let (plain, statistics) = (&self.plain, &self.statistics);
        match offset {
            VFSTATUS | VFLINKS => self.links(),
            VTEICR => self.causes.take(),
            VTEICS | VTEIMS | VTEIMC => self.causes.enabled,
            VTEIAC => self.causes.auto_cleared,
            VTEIAM => self.causes.auto_masked,
            VTIVAR => plain.vtivar,
            VTIVAR_MISC => plain.vtivar_misc,
            VFMBMEM..=VFMBMEM_LAST => self.mailbox.word(((offset - VFMBMEM) / 4) as usize),
            VFMAILBOX => self.mailbox.read_control(),
            VFRDBAL => plain.rdba[0],
            VFRDBAH => plain.rdba[1],
            VFRDLEN => plain.rdlen,
            VFRDH => self.rx.ring.head(),
            VFRDT => plain.rdt,
            VFSRRCTL => plain.srrctl,
            VFRXDCTL => plain.rxdctl,
            VFTDBAL => plain.tdba[0],
            VFTDBAH => plain.tdba[1],
            VFTDLEN => plain.tdlen,
            VFTDH => self.tx.ring.head(),
            VFTDT => plain.tdt,
            VFTXDCTL => plain.txdctl,
            VFGPRC => statistics.received,
            VFGORC_LSB => statistics.received_bytes as u32,
            VFGORC_MSB => (statistics.received_bytes >> 32 & COUNTER_HIGH) as u32,
            VFMPRC => statistics.multicast,
            VFGPTC => statistics.transmitted,
            VFGOTC_LSB => statistics.transmitted_bytes as u32,
            VFGOTC_MSB => (statistics.transmitted_bytes >> 32 & COUNTER_HIGH) as u32,
            _ => 0,
        }
    }

    fn write_register(&mut self, offset: u64, value: u32) {
        match offset {
            VFCTRL if value & VFCTRL_RST != 0 => self.reset_registers(),
            VFMBMEM..=VFMBMEM_LAST => {
                let index = ((offset - VFMBMEM) / 4) as usize;
                self.mailbox.set_word(index, value);
            }
            VFMAILBOX => self.mailbox.write_control(value),
            VTEICR | VTEICS | VTEIMS | VTEIMC | VTEIAC | VTEIAM => {
                match offset {
                    VTEICR => self.causes.clear(value),
                    VTEICS => self.causes.raise(value),
                    VTEIMS => self.causes.enable(value),
                    VTEIMC => self.causes.disable(value),
                    VTEIAC => self.causes.auto_cleared = value,
                    _ => self.causes.auto_masked = value,
                }
                self.fire();
            }
            VTIVAR => self.plain.vtivar = value,
            VTIVAR_MISC => self.plain.vtivar_misc = value,
            0x1000..0x2000 => self.write_rx(offset, value),
            0x2000..0x3000 => self.write_tx(offset, value),
            _ => {}
        }
    }
}

impl Vf {
    fn write_rx(&mut self, offset: u64, value: u32) {
        let (plain, rx) = (&mut self.plain, &mut self.rx);
        match offset {
            VFRDBAL => plain.rdba[0] = value,
            VFRDBAH => plain.rdba[1] = value,
            VFRDLEN => {
                plain.rdlen = value;
                rx.ring.set_bytes(value);
            }
            VFRDH => rx.ring.set_head(value),
            VFRDT => {
                plain.rdt = value;
                rx.ring.set_tail(value);
            }
            VFSRRCTL => {
                plain.srrctl = value;
                rx.set_buffers(value);
            }
            VFRXDCTL => {
                plain.rxdctl = value & !DCTL_SWFLSH;
                rx.set_control(value);
            }
            _ => {}
        }
        if matches!(offset, VFRDBAL | VFRDBAH) {
            self.rx
                .ring
                .set_base(self.plain.rdba[0], self.plain.rdba[1]);
        }
    }

    fn write_tx(&mut self, offset: u64, value: u32) {
        let (plain, tx) = (&mut self.plain, &mut self.tx);
        match offset {
            VFTDBAL => plain.tdba[0] = value,
            VFTDBAH => plain.tdba[1] = value,
            VFTDLEN => {
                plain.tdlen = value;
                tx.ring.set_bytes(value);
            }
            VFTDH => tx.ring.set_head(value),
            VFTDT => {
                plain.tdt = value;
                tx.ring.set_tail(value);
                self.transmit();
            }
            VFTXDCTL => {
                plain.txdctl = value & !DCTL_SWFLSH;
                tx.set_control(value);
            }
            _ => {}
        }
        if matches!(offset, VFTDBAL | VFTDBAH) {
            self.tx
                .ring
                .set_base(self.plain.tdba[0], self.plain.tdba[1]);
        }
    }
}
