//! A virtual function of the 82599: 8086:10ed.
//!
//! Datasheet, section 8.3. The function has one queue in each direction and no packet buffer of its
//! own. It does not know of frames that are missed, nor of those that its physical function
//! refuses: no register counts them for the driver.

use std::fmt;
use std::sync::Arc;

use super::bars::{self, Bars, Registers as _};
use super::faults::{Faults, FrameFault};
use super::pf::Counts;
use super::registers::bits::LINKS_UP_10G;
use super::rx::{Arrival, RxRing};
use super::tx::{SHORTEST, TxRing};
use super::{Outcome, Receive, Wire};
use crate::pci::Function;
use crate::pci::config::ConfigSpace;
use crate::pci::interrupts::Messages;
use crate::pci::memory::GuestMemory;

mod interrupts;
mod mailbox;
mod registers;

use interrupts::{Causes, VECTORS};
use mailbox::Mailbox;
use registers::Plain;

/// Size in bytes of the BAR with the registers, and number of the BAR with the MSI-X table.
const BAR_BYTES: u32 = 16 << 10;
const BAR_MSIX: u8 = 3;
/// Bytes of the FCS, which the statistics count but frames here do not have.
const FCS: u64 = 4;

/// Counters that are never reset: drivers use differences. Counters of bytes have 36 bits.
#[derive(Debug, Clone, Copy, Default)]
struct Statistics {
    received: u32,
    received_bytes: u64,
    multicast: u32,
    transmitted: u32,
    transmitted_bytes: u64,
}

/// A software 82599 virtual function. It is used as [`Pf`](super::pf::Pf) is.
pub struct Vf {
    bars: Bars,
    causes: Causes,
    mailbox: Mailbox,
    plain: Plain,
    rx: RxRing,
    tx: TxRing,
    statistics: Statistics,
    memory: Arc<GuestMemory>,
    mac: [u8; 6],
    link: bool,
    faults: Faults,
    wire: Option<Box<dyn Wire>>,
    /// Whether frames have been delivered since the last flush.
    touched: bool,
    counts: Counts,
}

impl fmt::Debug for Vf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vf")
            .field("mac", &self.mac)
            .field("link", &self.link)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Vf {
    /// Creates a NIC with this MAC address, which sends its interrupts through `messages`. Its link
    /// is up.
    pub fn new(mac: [u8; 6], messages: Box<dyn Messages>) -> Self {
        let config = ConfigSpace::new(0x8086, 0x10ED, 1, 0x02_0000)
            .subsystem(0x8086, 0x000D)
            .memory_bar(bars::REGISTERS, BAR_BYTES);
        Self {
            bars: Bars::new(config, BAR_MSIX, VECTORS, messages),
            causes: Causes::default(),
            mailbox: Mailbox::new(mac),
            plain: Plain::default(),
            rx: RxRing::default(),
            tx: TxRing::default(),
            statistics: Statistics::default(),
            memory: Arc::default(),
            mac,
            link: true,
            faults: Faults::default(),
            wire: None,
            touched: false,
            counts: Counts::default(),
        }
    }

    /// Sets who receives the frames that the guest transmits. Without a receiver, they are only counted.
    pub fn set_wire(&mut self, wire: Box<dyn Wire>) {
        self.wire = Some(wire);
    }

    /// Plugs the physical function's cable in or unplugs it: VFLINKS changes, and the guest gets a
    /// message.
    pub fn set_link(&mut self, up: bool) {
        if self.link != up {
            self.link = up;
            self.mailbox.notify();
            self.causes.raise_by(self.plain.misc_vector());
            self.fire();
        }
    }

    /// Sets a fault for the next frame that passes the filters and has none yet.
    pub fn add_frame_fault(&mut self, fault: FrameFault) {
        self.faults.add(fault);
    }

    /// While stalled, the NIC writes nothing to the guest, and all frames are missed.
    pub fn stall(&mut self, stalled: bool) {
        self.faults.stalled = stalled;
    }

    /// Removes the device from its slot: from now on all reads return all-ones.
    pub fn remove(&mut self) {
        self.bars.remove();
    }

    /// Makes the device answer again, as after a reset of its slot.
    pub fn restore(&mut self) {
        self.bars.restore();
        self.reset_registers();
        self.mailbox = Mailbox::new(self.mac);
    }

    /// Returns the counters so far.
    pub fn counts(&self) -> Counts {
        Counts {
            dma_errors: self.rx.ring.dma_errors + self.tx.ring.dma_errors,
            ..self.counts
        }
    }

    /// Handles VFCTRL.RST: queues and interrupts are reset, and statistics are kept.
    fn reset_registers(&mut self) {
        self.causes = Causes::default();
        self.plain = Plain::default();
        self.rx.reset();
        self.tx.reset();
        self.touched = false;
    }

    fn links(&self) -> u32 {
        if self.link { LINKS_UP_10G } else { 0 }
    }

    fn fire(&mut self) {
        if let Some(msix) = self.bars.interrupts() {
            self.causes.fire(msix);
        }
    }

    /// Returns whether the NIC can write to the guest's memory.
    fn writes(&self) -> bool {
        !self.faults.stalled && self.bars.is_master()
    }

    /// Sends the frames of the ring. While the link is down, they are discarded.
    fn transmit(&mut self) {
        if !self.writes() {
            return;
        }
        let mut answers = Vec::new();
        let Self {
            tx,
            statistics,
            wire,
            counts,
            link,
            memory,
            ..
        } = self;
        let report = tx.run(memory, |frame| {
            if !*link {
                return;
            }
            let bytes = frame.len() as u64;
            statistics.transmitted = statistics.transmitted.wrapping_add(1);
            statistics.transmitted_bytes += bytes + FCS;
            counts.transmitted += 1;
            counts.transmitted_bytes += bytes;
            if let Some(wire) = wire {
                wire.transmitted(frame, &mut answers);
            }
        });
        if report {
            self.causes.raise_by(self.plain.tx_vector());
        }
        for answer in &mut answers {
            answer.resize(answer.len().max(SHORTEST), 0);
            self.receive(answer);
        }
        self.flush();
    }
}

impl Receive for Vf {
    fn is_up(&self) -> bool {
        self.link && self.rx.ring.is_enabled() && !self.bars.is_removed()
    }

    fn has_room(&self, frame: &[u8]) -> bool {
        !self.mailbox.passes(frame) || self.writes() && self.rx.has_room(frame.len())
    }

    fn receive(&mut self, frame: &[u8]) -> Outcome {
        if !self.is_up() {
            self.counts.down += 1;
            return Outcome::Down;
        }
        if !self.mailbox.passes(frame) {
            self.counts.filtered += 1;
            return Outcome::Filtered;
        }
        let fault = self.faults.take();
        if fault == Some(FrameFault::Crc) {
            self.counts.errors += 1;
            return Outcome::Error;
        }
        let vlan = match frame.get(12..16) {
            Some(&[0x81, 0x00, high, low]) => Some(u16::from_be_bytes([high, low])),
            _ => None,
        };
        let arrival = Arrival {
            vlan,
            fault,
            ..Arrival::default()
        };
        if !self.writes() || self.rx.deliver(&self.memory, frame, &arrival).is_err() {
            self.counts.missed += 1;
            return Outcome::Missed;
        }
        self.touched = true;
        self.counts.delivered += 1;
        self.statistics.received = self.statistics.received.wrapping_add(1);
        self.statistics.received_bytes += frame.len() as u64 + FCS;
        if frame.first().is_some_and(|first| first & 1 != 0) {
            self.statistics.multicast = self.statistics.multicast.wrapping_add(1);
        }
        match fault {
            Some(_) => Outcome::Spoiled { queue: 0 },
            None => Outcome::Delivered { queue: 0 },
        }
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.touched) {
            self.causes.raise_by(self.plain.rx_vector());
            self.fire();
        }
    }
}

impl Function for Vf {
    fn config_read(&mut self, offset: u32, bytes: u8) -> u32 {
        self.bars.config_read(offset, bytes)
    }

    fn config_write(&mut self, offset: u32, bytes: u8, value: u32) {
        self.bars.config_write(offset, bytes, value);
    }

    fn bar_read(&mut self, bar: u8, offset: u64, bytes: u8) -> u64 {
        self.read(bar, offset, bytes)
    }

    fn bar_write(&mut self, bar: u8, offset: u64, bytes: u8, value: u64) {
        self.write(bar, offset, bytes, value);
    }

    fn reset(&mut self) {
        self.bars.reset();
        self.reset_registers();
        self.mailbox = Mailbox::new(self.mac);
    }

    fn set_memory(&mut self, memory: Arc<GuestMemory>) {
        self.memory = memory;
    }
}
