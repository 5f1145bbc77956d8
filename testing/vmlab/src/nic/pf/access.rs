//! Accesses of the driver to registers.

use super::Pf;
use crate::nic::Receive;
use crate::nic::bars::{Bars, Registers};
use crate::nic::registers::bits::{
    AUTOC_RESTART_AN, CTRL_LRST, CTRL_RST, DMATXCTL_TE, EERD_ADDRESS_SHIFT, EERD_DATA_SHIFT,
    EERD_DONE, EERD_START, FDIRCMD_CMD, FDIRCTRL_INIT_DONE, HLREG0_LPBK, MSCA_MDICMD,
    RDRXCTL_DMAIDONE, RXDCTL_ENABLE, RXDCTL_SWFLSH, RXPBSIZE_SIZE, TXDCTL_SWFLSH,
};
use crate::nic::registers::{Access, Register, decode};
use crate::nic::statistics;
use crate::nic::tx::SHORTEST;

impl Registers for Pf {
    fn bars(&mut self) -> &mut Bars {
        &mut self.bars
    }

    fn read_register(&mut self, offset: u64) -> u32 {
        let Some((register, n)) = decode(offset) else {
            return 0;
        };
        match register {
            Register::EICR => self.causes.read_eicr(),
            // The workaround for an erratum reads EICS, which returns the causes without clearing
            // them.
            Register::EICS => self.causes.eicr(),
            Register::EIMS => self.causes.eims(),
            Register::EIMS_EX => self.causes.eims_ex(n),
            Register::EIAM => self.causes.eiam(),
            Register::EIAM_EX => self.causes.eiam_ex(n),
            Register::RDH => self.rx[n].ring.head(),
            Register::TDH => self.tx[n].ring.head(),
            _ if register.row().access == Access::ReadClear => {
                std::mem::take(self.registers.slot(register, n))
            }
            _ => self.registers.at(register, n),
        }
    }

    fn write_register(&mut self, offset: u64, value: u32) {
        let Some((register, n)) = decode(offset) else {
            return;
        };
        if register.row().access != Access::ReadWrite {
            return;
        }
        let value = value & register.writable();
        self.registers.set(register, n, value);
        match register {
            Register::CTRL => {
                if value & (CTRL_RST | CTRL_LRST) != 0 {
                    self.reset_registers();
                }
                self.registers
                    .set(register, n, value & !(CTRL_RST | CTRL_LRST));
            }
            // Reading SMBI as 0 takes the semaphore. No other agent competes for it.
            Register::SWSM => self.registers.set(register, n, value & !1),
            Register::EERD if value & EERD_START != 0 => {
                let address = value >> EERD_ADDRESS_SHIFT & 0x3FFF;
                let data = u32::from(self.eeprom.word(address as usize));
                let done = data << EERD_DATA_SHIFT | address << EERD_ADDRESS_SHIFT | EERD_DONE;
                self.registers.set(register, n, done);
            }
            Register::AUTOC => self.registers.set(register, n, value & !AUTOC_RESTART_AN),
            Register::MSCA => self.registers.set(register, n, value & !MSCA_MDICMD),
            Register::RDRXCTL => self.registers.set(register, n, value | RDRXCTL_DMAIDONE),
            Register::FDIRCTRL => self.registers.set(register, n, value | FDIRCTRL_INIT_DONE),
            Register::FDIRCMD => self.registers.set(register, n, value & !FDIRCMD_CMD),
            Register::RXPBSIZE if n == 0 => {
                self.packet_buffer
                    .set_size((value & RXPBSIZE_SIZE) as usize);
            }
            Register::EICR
            | Register::EICS
            | Register::EIMS
            | Register::EIMC
            | Register::EIAC
            | Register::EIAM
            | Register::EICS_EX
            | Register::EIMS_EX
            | Register::EIMC_EX
            | Register::EIAM_EX
            | Register::GPIE
            | Register::IVAR_MISC => self.write_cause(register, n, value),
            Register::FCTRL
            | Register::VLNCTRL
            | Register::MCSTCTRL
            | Register::MTA
            | Register::RAL
            | Register::RAH
            | Register::VFTA
            | Register::HLREG0
            | Register::MAXFRS => {
                self.filter.take();
            }
            Register::MRQC | Register::RSSRK | Register::RETA => {
                self.rss.take();
            }
            Register::RDBAL
            | Register::RDBAH
            | Register::RDLEN
            | Register::RDH
            | Register::RDT
            | Register::RXDCTL
            | Register::SRRCTL => self.write_rx(register, n, value),
            Register::TDBAL
            | Register::TDBAH
            | Register::TDLEN
            | Register::TDH
            | Register::TDT
            | Register::TXDCTL => self.write_tx(register, n, value),
            _ => {}
        }
    }
}

impl Pf {
    fn write_cause(&mut self, register: Register, n: usize, value: u32) {
        let queues = u64::from(value & 0xFFFF);
        let extended = u64::from(value) << (32 * (n & 1));
        match register {
            Register::EICR => self.causes.clear(value),
            Register::EICS => self.causes.raise(queues, value),
            Register::EICS_EX => self.causes.raise(extended, 0),
            Register::EIMS => self.causes.enable(queues, value),
            Register::EIMS_EX => self.causes.enable(extended, 0),
            Register::EIMC => self.causes.disable(queues, value),
            Register::EIMC_EX => self.causes.disable(extended, 0),
            Register::EIAC => self.causes.set_eiac(value),
            Register::EIAM => self.causes.set_eiam(value),
            Register::EIAM_EX => self.causes.set_eiam_ex(n, value),
            Register::GPIE => self.causes.set_gpie(value),
            Register::IVAR_MISC => self.causes.set_ivar_misc(value),
            _ => {}
        }
        self.fire();
    }

    fn write_rx(&mut self, register: Register, n: usize, value: u32) {
        let rx = &mut self.rx[n];
        match register {
            Register::RDBAL | Register::RDBAH => rx.ring.set_base(
                self.registers.at(Register::RDBAL, n),
                self.registers.at(Register::RDBAH, n),
            ),
            Register::RDLEN => rx.ring.set_bytes(value),
            Register::RDH => rx.ring.set_head(value),
            Register::RDT => {
                rx.ring.set_tail(value);
                self.drain();
            }
            Register::SRRCTL => rx.set_buffers(value),
            Register::RXDCTL => {
                self.registers.set(register, n, value & !RXDCTL_SWFLSH);
                let was = rx.ring.is_enabled();
                rx.set_control(value);
                match (was, value & RXDCTL_ENABLE != 0) {
                    (false, true) => self.enabled += 1,
                    (true, false) => self.enabled -= 1,
                    _ => {}
                }
                self.drain();
            }
            _ => {}
        }
    }

    fn write_tx(&mut self, register: Register, n: usize, value: u32) {
        let tx = &mut self.tx[n];
        match register {
            Register::TDBAL | Register::TDBAH => tx.ring.set_base(
                self.registers.at(Register::TDBAL, n),
                self.registers.at(Register::TDBAH, n),
            ),
            Register::TDLEN => tx.ring.set_bytes(value),
            Register::TDH => tx.ring.set_head(value),
            Register::TDT => {
                tx.ring.set_tail(value);
                self.transmit(n);
            }
            Register::TXDCTL => {
                self.registers.set(register, n, value & !TXDCTL_SWFLSH);
                tx.set_control(value);
            }
            _ => {}
        }
    }

    /// Sends the frames of a ring. While the link is down, they are discarded.
    fn transmit(&mut self, n: usize) {
        let on = self.registers.get(Register::DMATXCTL) & DMATXCTL_TE != 0;
        if !on || !self.writes() {
            return;
        }
        let loopback = self.registers.get(Register::HLREG0) & HLREG0_LPBK != 0;
        let memory = self.memory.clone();
        let mut answers = Vec::new();
        let Self {
            tx,
            registers,
            wire,
            counts,
            link,
            ..
        } = self;
        let report = tx[n].run(&memory, |frame| {
            if !*link {
                return;
            }
            statistics::transmitted(registers, n, frame);
            counts.transmitted += 1;
            counts.transmitted_bytes += frame.len() as u64;
            if loopback {
                answers.push(frame.to_vec());
            } else if let Some(wire) = wire {
                wire.transmitted(frame, &mut answers);
            }
        });
        if report {
            let ivar = self.registers.at(Register::IVAR, n / 2);
            self.causes.raise_queue((ivar >> (16 * (n % 2) + 8)) as u8);
        }
        for mut answer in answers {
            // The MAC of the sender would have padded the frame.
            answer.resize(answer.len().max(SHORTEST), 0);
            self.receive(&answer);
        }
        self.flush();
    }
}
