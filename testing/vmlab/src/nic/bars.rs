//! Configuration space, registers and MSI-X table of a function, as the bus accesses them.

use crate::pci::config::ConfigSpace;
use crate::pci::interrupts::{Messages, Msix};

/// Number of the BAR with the registers.
pub(super) const REGISTERS: u8 = 0;
/// Size in bytes of the BAR with the MSI-X table, and offset of the pending bits in it.
const MSIX_BYTES: u32 = 0x4000;
const PENDING: u32 = 0x2000;

/// Configuration space and MSI-X of a function.
#[derive(Debug)]
pub(super) struct Bars {
    config: ConfigSpace,
    msix: Msix,
    /// Number of the BAR with the MSI-X table.
    msix_bar: u8,
    removed: bool,
}

impl Bars {
    /// Completes the configuration space `config` of a function with MSI-X.
    pub(super) fn new(
        config: ConfigSpace,
        msix_bar: u8,
        vectors: u16,
        messages: Box<dyn Messages>,
    ) -> Self {
        Self {
            config: config
                .memory_bar(msix_bar, MSIX_BYTES)
                .msix(0x70, vectors, msix_bar, 0, PENDING)
                .pci_express(0xA0, 8)
                .built(),
            msix: Msix::new(vectors, messages),
            msix_bar,
            removed: false,
        }
    }

    /// Removes the device from its slot: all reads return all-ones, and writes have no effect.
    pub(super) fn remove(&mut self) {
        self.removed = true;
    }

    /// Makes the device answer again.
    pub(super) fn restore(&mut self) {
        self.removed = false;
    }

    pub(super) fn is_removed(&self) -> bool {
        self.removed
    }

    /// Returns whether the guest lets the function write to its memory.
    pub(super) fn is_master(&self) -> bool {
        self.config.bus_master()
    }

    /// Returns the MSI-X table if the function can send interrupts.
    pub(super) fn interrupts(&mut self) -> Option<&mut Msix> {
        (self.config.bus_master() && !self.removed).then_some(&mut self.msix)
    }

    /// Resets the function, as a reset of the bus does.
    pub(super) fn reset(&mut self) {
        self.config.reset();
        self.msix.reset();
    }

    /// Reads configuration space.
    pub(super) fn config_read(&self, offset: u32, bytes: u8) -> u32 {
        match self.removed {
            true => ones(bytes, 4) as u32,
            false => self.config.read(offset, bytes),
        }
    }

    /// Writes configuration space.
    pub(super) fn config_write(&mut self, offset: u32, bytes: u8, value: u32) {
        if !self.removed {
            self.config.write(offset, bytes, value);
            self.msix.set_control(self.config.msix_control());
        }
    }
}

/// A function's registers, which are words, and the translation of BAR accesses to them.
pub(super) trait Registers {
    fn bars(&mut self) -> &mut Bars;
    /// Reads the word at `offset`. The function decides what happens where there is no register.
    fn read_register(&mut self, offset: u64) -> u32;
    fn write_register(&mut self, offset: u64, value: u32);

    /// Reads a BAR.
    fn read(&mut self, bar: u8, offset: u64, bytes: u8) -> u64 {
        let bars = self.bars();
        if bars.removed {
            return ones(bytes, 8);
        }
        let pending = u64::from(PENDING);
        match bar {
            REGISTERS if bytes == 8 => {
                let low = self.read_register(offset);
                u64::from(self.read_register(offset + 4)) << 32 | u64::from(low)
            }
            REGISTERS => {
                let word = u64::from(self.read_register(offset & !3));
                word >> (8 * (offset % 4)) & ones(bytes, 4)
            }
            _ if bar != bars.msix_bar => 0,
            _ if offset < pending => bars.msix.table_read(offset, bytes),
            _ => bars.msix.pending_read(offset - pending, bytes),
        }
    }

    /// Writes a BAR.
    fn write(&mut self, bar: u8, offset: u64, bytes: u8, value: u64) {
        let bars = self.bars();
        if bars.removed {
            return;
        }
        match bar {
            REGISTERS if bytes == 8 => {
                self.write_register(offset, value as u32);
                self.write_register(offset + 4, (value >> 32) as u32);
            }
            // The datasheet allows only accesses to words (section 8.1.1).
            REGISTERS if bytes == 4 => self.write_register(offset, value as u32),
            _ if bar == bars.msix_bar && offset < u64::from(PENDING) => {
                bars.msix.table_write(offset, bytes, value);
            }
            _ => {}
        }
    }
}

/// Returns all-ones of `bytes` bytes, but at most `most`.
fn ones(bytes: u8, most: u8) -> u64 {
    u64::MAX >> (64 - 8 * u32::from(bytes.clamp(1, most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nowhere;

    impl Messages for Nowhere {
        fn send(&mut self, _address: u64, _data: u32) {}
    }

    /// The value of each register is its offset. Writes are recorded elsewhere.
    struct Offsets {
        bars: Bars,
        written: Vec<(u64, u32)>,
    }

    impl Offsets {
        fn new() -> Self {
            let config = ConfigSpace::new(0x8086, 1, 0, 0).memory_bar(REGISTERS, 0x1000);
            Self {
                bars: Bars::new(config, 3, 2, Box::new(Nowhere)),
                written: Vec::new(),
            }
        }
    }

    impl Registers for Offsets {
        fn bars(&mut self) -> &mut Bars {
            &mut self.bars
        }

        fn read_register(&mut self, offset: u64) -> u32 {
            0x8765_0000 | offset as u32
        }

        fn write_register(&mut self, offset: u64, value: u32) {
            self.written.push((offset, value));
        }
    }

    #[test]
    fn bar_allows_partial_reads_only() {
        let mut nic = Offsets::new();
        assert_eq!(nic.read(0, 0x124, 4), 0x8765_0124);
        assert_eq!(nic.read(0, 0x126, 2), 0x8765);
        assert_eq!(nic.read(0, 0x125, 1), 0x01);
        nic.write(0, 0x124, 2, 1);
        nic.write(0, 0x125, 1, 1);
        assert!(nic.written.is_empty());
        nic.write(0, 0x124, 4, 0x5_0000_0006);
        assert_eq!(nic.written, [(0x124, 6)]);
    }

    #[test]
    fn eight_byte_access_takes_low_word_first() {
        let mut nic = Offsets::new();
        assert_eq!(nic.read(0, 0x120, 8), 0x8765_0124_8765_0120);
        nic.write(0, 0x120, 8, 0x1_0000_0002);
        assert_eq!(nic.written, [(0x120, 2), (0x124, 1)]);
    }

    #[test]
    fn msix_table_shares_bar_with_pending_bits() {
        let mut nic = Offsets::new();
        nic.write(3, 0x08, 4, 0x4041);
        assert_eq!(nic.read(3, 0x08, 4), 0x4041);
        nic.bars.config_write(0x72, 2, 0x8000);
        nic.bars.msix.fire(1);
        assert_eq!(nic.read(3, 0x2000, 8), 0b10);
        nic.write(3, 0x2000, 8, 0);
        assert_eq!(nic.read(3, 0x2000, 8), 0b10, "read-only");
        nic.write(4, 0x08, 4, 1);
        assert_eq!(nic.read(4, 0x08, 4), 0, "no BAR");
        assert!(nic.written.is_empty());
    }

    #[test]
    fn absent_device_reads_as_all_ones() {
        let mut nic = Offsets::new();
        nic.bars.config_write(0x04, 2, 0x0004);
        assert!(nic.bars.interrupts().is_some());
        nic.bars.remove();
        assert!(nic.bars.interrupts().is_none());
        assert_eq!(nic.bars.config_read(0, 2), 0xFFFF);
        assert_eq!(nic.bars.config_read(0, 4), u32::MAX);
        assert_eq!(nic.read(0, 0x120, 1), 0xFF);
        assert_eq!(nic.read(3, 0, 8), u64::MAX);
        nic.write(0, 0x120, 4, 1);
        assert!(nic.written.is_empty());
    }
}
