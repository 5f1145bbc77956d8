//! Builder for the configuration space of a function, with its capabilities.

/// Bytes of configuration space that the protocol supports, which excludes extended capabilities.
const BYTES: usize = 256;
/// Offset of the first capability.
const CAPABILITIES: u8 = 0x40;

const COMMAND: usize = 0x04;
const COMMAND_BUS_MASTER: u8 = 1 << 2;
const STATUS: usize = 0x06;
const STATUS_CAPABILITIES: u8 = 1 << 4;
const BAR: usize = 0x10;
const CAPABILITIES_POINTER: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3C;
const INTERRUPT_PIN: usize = 0x3D;

// Capability identifiers, PCI Local Bus Specification 3.0, appendix H.
const ID_POWER_MANAGEMENT: u8 = 0x01;
const ID_PCI_EXPRESS: u8 = 0x10;
const ID_MSIX: u8 = 0x11;

/// Configuration space: its bytes, and a mask of their writable bits.
#[derive(Debug, Clone)]
pub struct ConfigSpace {
    bytes: [u8; BYTES],
    writable: [u8; BYTES],
    /// The initial bytes, restored by a reset of the bus.
    fresh: [u8; BYTES],
    last_capability: Option<usize>,
    msix: Option<usize>,
}

impl ConfigSpace {
    /// Starts with the vendor, device, revision and class (three bytes: base, sub, interface) of a
    /// function.
    pub fn new(vendor: u16, device: u16, revision: u8, class: u32) -> Self {
        let mut this = Self {
            bytes: [0; BYTES],
            writable: [0; BYTES],
            fresh: [0; BYTES],
            last_capability: None,
            msix: None,
        };
        this.put(0x00, &vendor.to_le_bytes());
        this.put(0x02, &device.to_le_bytes());
        this.put(0x08, &[revision]);
        this.put(0x09, &class.to_le_bytes()[..3]);
        // The writable bits are memory space, bus master, parity, SERR and INTx disable.
        this.allow(COMMAND, &[0x46, 0x05]);
        this.allow(0x0C, &[0xFF]); // cache line size
        this.allow(INTERRUPT_LINE, &[0xFF]);
        this
    }

    /// Sets the subsystem vendor and device.
    #[must_use]
    pub fn subsystem(mut self, vendor: u16, device: u16) -> Self {
        self.put(0x2C, &vendor.to_le_bytes());
        self.put(0x2E, &device.to_le_bytes());
        self
    }

    /// Adds the pin INTA, which every physical function has.
    #[must_use]
    pub fn interrupt_pin(mut self) -> Self {
        self.put(INTERRUPT_PIN, &[1]);
        self
    }

    /// Adds a 32-bit memory BAR. `size` is a power of two of at least 16. The protocol supports
    /// only 32-bit sizes.
    #[must_use]
    pub fn memory_bar(mut self, bar: u8, size: u32) -> Self {
        debug_assert!(size.is_power_of_two() && size >= 16 && bar < 6);
        self.allow(BAR + 4 * usize::from(bar), &(!(size - 1)).to_le_bytes());
        self
    }

    /// Adds the power management capability, version 3, which takes 8 bytes at `at`.
    #[must_use]
    pub fn power_management(mut self, at: u8) -> Self {
        let at = self.capability(at, ID_POWER_MANAGEMENT);
        self.put(at + 2, &0x0003_u16.to_le_bytes());
        // Bit 3 of PMCSR says that registers survive D3hot. The power state is writable.
        self.put(at + 4, &0x0008_u16.to_le_bytes());
        self.allow(at + 4, &[0x03]);
        self
    }

    /// Adds the capability of a PCI Express endpoint, version 2, with a link of `width` lanes of 5
    /// GT/s. It takes 60 bytes at `at`.
    #[must_use]
    pub fn pci_express(mut self, at: u8, width: u8) -> Self {
        let at = self.capability(at, ID_PCI_EXPRESS);
        self.put(at + 2, &0x0002_u16.to_le_bytes());
        // The device capabilities are a payload of 512 bytes, without function-level reset.
        self.put(at + 4, &0x0000_8002_u32.to_le_bytes());
        self.put(at + 8, &0x2810_u16.to_le_bytes());
        self.allow(at + 8, &[0xFF, 0x7F]);
        let link = u16::from(width) << 4 | 2;
        self.put(at + 12, &link.to_le_bytes()); // link capabilities
        self.put(at + 18, &link.to_le_bytes()); // link status
        self.allow(at + 16, &[0xDB, 0x0F]); // link control
        self.put(at + 0x24, &0x1F_u32.to_le_bytes()); // device capabilities 2
        self.allow(at + 0x28, &[0x1F]); // device control 2
        self
    }

    /// Adds MSI-X with `vectors` entries. `table` and `pending` are the offsets of the table and
    /// the pending bits in BAR `bar`.
    #[must_use]
    pub fn msix(mut self, at: u8, vectors: u16, bar: u8, table: u32, pending: u32) -> Self {
        let at = self.capability(at, ID_MSIX);
        self.put(at + 2, &(vectors - 1).to_le_bytes());
        self.allow(at + 3, &[0xC0]); // enable, mask all
        self.put(at + 4, &(table | u32::from(bar)).to_le_bytes());
        self.put(at + 8, &(pending | u32::from(bar)).to_le_bytes());
        self.msix = Some(at);
        self
    }

    /// Completes the configuration space: a reset restores the current values.
    #[must_use]
    pub fn built(mut self) -> Self {
        self.fresh = self.bytes;
        self
    }

    /// Returns the word at `offset`; all ones outside the space.
    pub fn read(&self, offset: u32, bytes: u8) -> u32 {
        let mut value = [0; 4];
        for (i, byte) in value.iter_mut().enumerate().take(usize::from(bytes)) {
            *byte = self.bytes.get(offset as usize + i).copied().unwrap_or(0xFF);
        }
        u32::from_le_bytes(value)
    }

    /// Writes the writable bits at `offset`.
    pub fn write(&mut self, offset: u32, bytes: u8, value: u32) {
        for (i, byte) in value
            .to_le_bytes()
            .into_iter()
            .enumerate()
            .take(usize::from(bytes))
        {
            let at = offset as usize + i;
            if at < BYTES {
                let writable = self.writable[at];
                self.bytes[at] = self.bytes[at] & !writable | byte & writable;
            }
        }
    }

    /// Restores the initial values.
    pub fn reset(&mut self) {
        self.bytes = self.fresh;
    }

    /// Returns whether the function may access memory and send messages.
    pub fn bus_master(&self) -> bool {
        self.bytes[COMMAND] & COMMAND_BUS_MASTER != 0
    }

    /// Returns whether MSI-X is enabled, and whether all vectors are masked.
    pub fn msix_control(&self) -> (bool, bool) {
        let control = self.msix.map_or(0, |at| self.bytes[at + 3]);
        (control & 0x80 != 0, control & 0x40 != 0)
    }

    fn capability(&mut self, at: u8, id: u8) -> usize {
        debug_assert!(at >= CAPABILITIES && at.is_multiple_of(4));
        self.bytes[STATUS] |= STATUS_CAPABILITIES;
        let before = self
            .last_capability
            .map_or(CAPABILITIES_POINTER, |last| last + 1);
        self.bytes[before] = at;
        let at = usize::from(at);
        self.bytes[at] = id;
        self.last_capability = Some(at);
        at
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn allow(&mut self, at: usize, bits: &[u8]) {
        self.writable[at..at + bits.len()].copy_from_slice(bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> ConfigSpace {
        ConfigSpace::new(0x8086, 0x10F7, 1, 0x02_0000)
            .memory_bar(0, 0x2_0000)
            .power_management(0x40)
            .msix(0x70, 64, 4, 0, 0x2000)
            .pci_express(0xA0, 8)
            .built()
    }

    #[test]
    fn bar_reports_its_size() {
        let mut space = space();
        space.write(0x10, 4, 0xFFFF_FFFF);
        assert_eq!(space.read(0x10, 4), 0xFFFE_0000);
        space.write(0x10, 4, 0xFEBC_0000);
        assert_eq!(space.read(0x10, 4), 0xFEBC_0000);
        space.write(0x14, 4, 0xFFFF_FFFF);
        assert_eq!(space.read(0x14, 4), 0, "a BAR that is not there");
    }

    #[test]
    fn capabilities_form_a_list() {
        let space = space();
        assert_eq!(space.read(0x06, 2) & 0x10, 0x10);
        let mut at = space.read(0x34, 1);
        let mut ids = Vec::new();
        while at != 0 {
            ids.push((at, space.read(at, 1)));
            at = space.read(at + 1, 1);
        }
        assert_eq!(ids, [(0x40, 0x01), (0x70, 0x11), (0xA0, 0x10)]);
        assert_eq!(space.read(0x72, 2), 63);
        assert_eq!(space.read(0x78, 4), 0x2004);
    }

    #[test]
    fn identity_is_read_only() {
        let mut space = space();
        space.write(0, 4, 0);
        assert_eq!(space.read(0, 4), 0x10F7_8086);
        space.write(0x04, 2, 0x0006);
        space.write(0x72, 2, 0x8000);
        assert!(space.bus_master());
        assert_eq!(space.msix_control(), (true, false));
        space.reset();
        assert!(!space.bus_master());
        assert_eq!(space.msix_control(), (false, false));
        assert_eq!(space.read(0xFE, 4) >> 16, 0xFFFF, "past the end");
    }
}
