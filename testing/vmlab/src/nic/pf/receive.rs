//! Reception of frames from the wire.

use super::Pf;
use crate::nic::faults::FrameFault;
use crate::nic::filter::{Filter, Size};
use crate::nic::parse::Packet;
use crate::nic::registers::Register;
use crate::nic::registers::bits::RXCTRL_RXEN;
use crate::nic::rss::Rss;
use crate::nic::rx::Arrival;
use crate::nic::statistics::{self, count, counter_of};
use crate::nic::{Outcome, Receive};

/// The NIC's decision about a frame before it uses a ring.
enum Decision {
    Size(Register),
    Filtered,
    To(Arrival),
}

impl Pf {
    /// Decides about a frame, without counting it.
    fn decide(&self, frame: &[u8]) -> Decision {
        let filter = self.filter.get_or_init(|| Filter::new(&self.registers));
        match filter.size(frame) {
            Size::Good => {}
            Size::Undersize => return Decision::Size(Register::RUC),
            Size::Oversize => return Decision::Size(Register::ROC),
        }
        let packet = Packet::parse(frame, filter.vet());
        if !filter.passes(frame, packet.vlan) {
            return Decision::Filtered;
        }
        let registers = &self.registers;
        let rss = self.rss.get_or_init(|| {
            let [key, table] = [Register::RSSRK, Register::RETA].map(|of| registers.all(of));
            Rss::new(registers.get(Register::MRQC), key, table)
        });
        let choice = rss.choose(&packet);
        Decision::To(Arrival {
            queue: choice.queue,
            hash: choice.hash,
            rss_type: choice.rss_type,
            packet_type: packet.packet_type,
            vlan: packet.vlan,
            fault: None,
        })
    }

    /// Returns whether the NIC can write to the guest's memory.
    pub(super) fn writes(&self) -> bool {
        !self.faults.stalled && self.bars.is_master()
    }

    /// Puts an accepted frame into its ring or the packet buffer. Returns `false` if the frame is
    /// missed.
    fn store(&mut self, frame: &[u8], arrival: Arrival) -> bool {
        let queue = usize::from(arrival.queue);
        if self.packet_buffer.is_empty() && self.writes() {
            let rx = &mut self.rx[queue];
            if rx.deliver(&self.memory, frame, &arrival).is_ok() {
                self.touched |= 1 << queue;
                statistics::delivered(&mut self.registers, queue, frame);
                return true;
            }
            if rx.drops() {
                let n = counter_of(&self.registers, queue);
                count(&mut self.registers, Register::QPRDC, n);
                return false;
            }
        }
        let kept = self.packet_buffer.push(frame, arrival);
        if !kept {
            count(&mut self.registers, Register::RXMPC, 0);
        }
        kept
    }

    /// Delivers the frames in the packet buffer, as long as there are descriptors.
    pub(super) fn drain(&mut self) {
        if self.packet_buffer.is_empty() || !self.writes() {
            return;
        }
        while let Some((frame, arrival)) = self.packet_buffer.front() {
            let queue = usize::from(arrival.queue);
            let rx = &mut self.rx[queue];
            let mut discarded = false;
            if !rx.ring.is_enabled() {
                discarded = true;
            } else if rx.deliver(&self.memory, frame, arrival).is_ok() {
                self.touched |= 1 << queue;
                statistics::delivered(&mut self.registers, queue, frame);
            } else if rx.drops() {
                let n = counter_of(&self.registers, queue);
                count(&mut self.registers, Register::QPRDC, n);
                discarded = true;
            } else {
                break;
            }
            if discarded {
                *self.discarded.entry(arrival.queue).or_default() += 1;
                self.counts.discarded += 1;
            }
            self.packet_buffer.pop();
        }
        self.flush();
    }
}

impl Receive for Pf {
    fn is_up(&self) -> bool {
        let on = self.registers.get(Register::RXCTRL) & RXCTRL_RXEN != 0;
        on && self.link && self.enabled > 0 && !self.bars.is_removed()
    }

    fn has_room(&self, frame: &[u8]) -> bool {
        match self.decide(frame) {
            Decision::To(arrival) => {
                let rx = &self.rx[usize::from(arrival.queue)];
                let ready = self.packet_buffer.is_empty() && self.writes() && rx.ring.is_enabled();
                ready && rx.has_room(frame.len())
            }
            Decision::Size(_) | Decision::Filtered => true,
        }
    }

    fn receive(&mut self, frame: &[u8]) -> Outcome {
        if !self.is_up() {
            self.counts.down += 1;
            return Outcome::Down;
        }
        let decision = self.decide(frame);
        if let Decision::To(arrival) = &decision
            && !self.rx[usize::from(arrival.queue)].ring.is_enabled()
        {
            self.counts.down += 1;
            return Outcome::Down;
        }
        statistics::on_the_wire(&mut self.registers, frame);
        let mut arrival = match decision {
            Decision::Size(register) => {
                count(&mut self.registers, register, 0);
                self.counts.errors += 1;
                return Outcome::Error;
            }
            Decision::Filtered => {
                self.counts.filtered += 1;
                return Outcome::Filtered;
            }
            Decision::To(arrival) => arrival,
        };
        arrival.fault = self.faults.take();
        if arrival.fault == Some(FrameFault::Crc) {
            count(&mut self.registers, Register::CRCERRS, 0);
            self.counts.errors += 1;
            return Outcome::Error;
        }
        statistics::received(&mut self.registers, frame);
        if !self.store(frame, arrival) {
            self.counts.missed += 1;
            return Outcome::Missed;
        }
        self.counts.delivered += 1;
        let queue = arrival.queue;
        match arrival.fault {
            Some(_) => Outcome::Spoiled { queue },
            None => Outcome::Delivered { queue },
        }
    }

    fn flush(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        while touched != 0 {
            let queue = touched.trailing_zeros() as usize;
            touched &= touched - 1;
            let ivar = self.registers.at(Register::IVAR, queue / 2);
            self.causes.raise_queue((ivar >> (16 * (queue % 2))) as u8);
        }
        self.fire();
    }

    fn take_discarded(&mut self) -> Vec<(u16, u64)> {
        std::mem::take(&mut self.discarded).into_iter().collect()
    }
}
