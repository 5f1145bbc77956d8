//! A PCI function as a virtual machine's bus sees it.

/// A PCI function. Offsets are those within configuration space or within a BAR; sizes are 1 to
/// 8 bytes (4 at most in configuration space).
pub trait Function: Send {
    /// Reads configuration space.
    fn config_read(&mut self, offset: u32, bytes: u8) -> u32;
    /// Writes configuration space.
    fn config_write(&mut self, offset: u32, bytes: u8, value: u32);
    /// Reads BAR number `bar`.
    fn bar_read(&mut self, bar: u8, offset: u64, bytes: u8) -> u64;
    /// Writes BAR number `bar`.
    fn bar_write(&mut self, bar: u8, offset: u64, bytes: u8, value: u64);
    /// The bus is reset.
    fn reset(&mut self);
}
