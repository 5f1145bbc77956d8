//! The 82599's physical function: 8086:10f7, the variant without SFP module or PHY.
//!
//! Not modelled: EITR's delays, TSO and checksum offloads, RSC, flow director, virtual
//! functions' pools, DCB beyond one traffic class, manageability.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::Wire;
use super::bars::{self, Bars, Registers as _};
use super::causes::Causes;
use super::eeprom::Eeprom;
use super::faults::{Faults, FrameFault};
use super::filter::Filter;
use super::packet_buffer::PacketBuffer;
use super::registers::bits::{EICR_LSC, LINKS_UP_10G, RAH_AV, RXPBSIZE_SIZE};
use super::registers::{self, File, Register};
use super::rss::Rss;
use super::rx::RxRing;
use super::tx::TxRing;
use crate::pci::Function;
use crate::pci::config::ConfigSpace;
use crate::pci::interrupts::Messages;
use crate::pci::memory::GuestMemory;

mod access;
mod receive;

/// Number of rings in each direction.
const QUEUES: usize = 128;
/// Number of MSI-X vectors.
const VECTORS: u16 = 64;
/// Number of the BAR with the MSI-X table.
const BAR_MSIX: u8 = 4;
/// Size in bytes of the packet buffer after a reset: 512 KB, all of it in the first of eight parts.
const PACKET_BUFFER: u32 = 512 << 10;

/// Counters of a NIC, for the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Frames delivered into the guest's memory.
    pub delivered: u64,
    /// Frames without a descriptor or without room in the packet buffer.
    pub missed: u64,
    /// Frames that a filter refused.
    pub filtered: u64,
    /// Frames that were damaged, too short or too long.
    pub errors: u64,
    /// Frames that arrived while reception was off.
    pub down: u64,
    /// Frames that had been accepted and were in the packet buffer when the driver reset the NIC or
    /// stopped their ring.
    pub discarded: u64,
    /// Frames that the guest transmitted.
    pub transmitted: u64,
    /// Bytes of the transmitted frames, without FCS.
    pub transmitted_bytes: u64,
    /// Accesses to addresses where the guest has no memory.
    pub dma_errors: u64,
}

/// Device id of an 82599 with backplane (KX4).
const DEVICE: u16 = 0x10F7;

/// A software 82599.
///
/// It is used through [`Shared`](crate::pci::shared::Shared) by two threads: the one that
/// [`serve`](crate::pci::proxy::serve)s its machine, and the one that sends frames.
pub struct Pf {
    bars: Bars,
    registers: File,
    eeprom: Eeprom,
    causes: Causes,
    rx: Vec<RxRing>,
    tx: Vec<TxRing>,
    packet_buffer: PacketBuffer,
    /// Derived from the registers for reception. A write to one of these registers empties it.
    filter: OnceCell<Filter>,
    rss: OnceCell<Rss>,
    memory: Arc<GuestMemory>,
    mac: [u8; 6],
    link: bool,
    faults: Faults,
    wire: Option<Box<dyn Wire>>,
    /// Rings that received frames since the last flush, as bits.
    touched: u128,
    /// Number of enabled rings.
    enabled: u32,
    counts: Counts,
    /// Frames by queue that the next `take_discarded` returns.
    discarded: BTreeMap<u16, u64>,
}

impl fmt::Debug for Pf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pf")
            .field("mac", &self.mac)
            .field("link", &self.link)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Pf {
    /// Creates a NIC with this MAC address, which sends its interrupts through `messages`. Its link
    /// is up.
    pub fn new(mac: [u8; 6], messages: Box<dyn Messages>) -> Self {
        Self::named(DEVICE, mac, messages)
    }

    /// Creates a NIC with another device id, to test what a driver does before it reads registers.
    pub fn named(device: u16, mac: [u8; 6], messages: Box<dyn Messages>) -> Self {
        let config = ConfigSpace::new(0x8086, device, 1, 0x02_0000)
            .subsystem(0x8086, 0x000D)
            .interrupt_pin()
            .memory_bar(bars::REGISTERS, registers::BAR0_BYTES)
            .power_management(0x40);
        let mut this = Self {
            bars: Bars::new(config, BAR_MSIX, VECTORS, messages),
            registers: File::new(),
            eeprom: Eeprom::new(),
            causes: Causes::default(),
            rx: vec![RxRing::default(); QUEUES],
            tx: vec![TxRing::default(); QUEUES],
            packet_buffer: PacketBuffer::default(),
            filter: OnceCell::new(),
            rss: OnceCell::new(),
            memory: Arc::default(),
            mac,
            link: true,
            faults: Faults::default(),
            wire: None,
            touched: 0,
            enabled: 0,
            counts: Counts::default(),
            discarded: BTreeMap::new(),
        };
        this.reset_registers();
        this
    }

    /// Sets who receives the frames that the guest transmits. Without a receiver, they are only counted.
    pub fn set_wire(&mut self, wire: Box<dyn Wire>) {
        self.wire = Some(wire);
    }

    /// Plugs the cable in or unplugs it: LINKS changes, and the driver gets an interrupt.
    pub fn set_link(&mut self, up: bool) {
        if self.link != up {
            self.link = up;
            self.set_links();
            self.causes.raise(0, EICR_LSC);
            self.fire();
        }
    }

    /// Makes the packet buffer smaller than the driver sets it. With 0, a frame without a
    /// descriptor is missed at once. `None` removes the limit.
    pub fn limit_packet_buffer(&mut self, bytes: Option<usize>) {
        self.packet_buffer.set_limit(bytes);
    }

    /// Sets a fault for the next frame that passes the filters and has none yet.
    pub fn add_frame_fault(&mut self, fault: FrameFault) {
        self.faults.add(fault);
    }

    /// Leaves the end-of-packet bit out of the next frame's last descriptor.
    pub fn next_frame_without_eop(&mut self) {
        self.add_frame_fault(FrameFault::WithoutEop);
    }

    /// Sets these bits in the next frame's descriptor, as [`FrameFault::Status`] does. With 0, the
    /// frame check sequence of the frame is wrong, as with [`FrameFault::Crc`].
    pub fn next_frame_error(&mut self, bits: u32) {
        self.add_frame_fault(match bits {
            0 => FrameFault::Crc,
            bits => FrameFault::Status(bits),
        });
    }

    /// Sets this length in the next frame's descriptor.
    pub fn wrong_length(&mut self, len: u16) {
        self.add_frame_fault(FrameFault::Length(len));
    }

    /// While stalled, the NIC writes nothing to the guest: frames fill the packet buffer, and are
    /// missed when it is full. Afterwards the frames in the buffer are delivered.
    pub fn stall(&mut self, stalled: bool) {
        self.faults.stalled = stalled;
        if !stalled {
            self.drain();
        }
    }

    /// Removes the device from its slot: from now on all reads return all-ones.
    pub fn remove(&mut self) {
        self.bars.remove();
        self.discard_waiting();
    }

    /// Makes the device answer again, as after a reset of its slot: its registers have been reset,
    /// and its addresses on the bus are unchanged.
    pub fn restore(&mut self) {
        self.bars.restore();
        self.reset_registers();
    }

    /// Returns the counters so far.
    pub fn counts(&self) -> Counts {
        let rx = self.rx.iter().map(|rx| rx.ring.dma_errors);
        let tx = self.tx.iter().map(|tx| tx.ring.dma_errors);
        Counts {
            dma_errors: rx.chain(tx).sum(),
            ..self.counts
        }
    }

    /// Resets the device (CTRL.RST), but keeps configuration space and the MSI-X table.
    fn reset_registers(&mut self) {
        self.discard_waiting();
        self.registers = File::new();
        self.registers
            .set(Register::RXPBSIZE, 0, PACKET_BUFFER & RXPBSIZE_SIZE);
        self.packet_buffer
            .set_size((PACKET_BUFFER & RXPBSIZE_SIZE) as usize);
        let [a, b, c, d, e, f] = self.mac;
        self.registers
            .set(Register::RAL, 0, u32::from_le_bytes([a, b, c, d]));
        self.registers
            .set(Register::RAH, 0, RAH_AV | u32::from_le_bytes([e, f, 0, 0]));
        self.set_links();
        self.causes = Causes::default();
        for ring in &mut self.rx {
            ring.reset();
            ring.set_buffers(self.registers.get(Register::SRRCTL));
        }
        for ring in &mut self.tx {
            ring.reset();
        }
        self.filter.take();
        self.rss.take();
        self.touched = 0;
        self.enabled = 0;
    }

    /// Discards the frames in the packet buffer.
    fn discard_waiting(&mut self) {
        for queue in self.packet_buffer.clear() {
            *self.discarded.entry(queue).or_default() += 1;
            self.counts.discarded += 1;
        }
    }

    fn set_links(&mut self) {
        let links = if self.link { LINKS_UP_10G } else { 0 };
        self.registers.set(Register::LINKS, 0, links);
    }

    fn fire(&mut self) {
        if let Some(msix) = self.bars.interrupts() {
            self.causes.fire(msix);
        }
    }
}

impl Function for Pf {
    fn config_read(&mut self, offset: u32, bytes: u8) -> u32 {
        self.bars.config_read(offset, bytes)
    }

    fn config_write(&mut self, offset: u32, bytes: u8, value: u32) {
        self.bars.config_write(offset, bytes, value);
        self.drain();
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
    }

    fn set_memory(&mut self, memory: Arc<GuestMemory>) {
        self.memory = memory;
    }
}
