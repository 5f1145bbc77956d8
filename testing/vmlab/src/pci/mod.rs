//! A PCI function, as the bus of a virtual machine accesses it.
//!
//! | module | contents |
//! |---|---|
//! | [`config`] | the builder of configuration spaces with their capabilities |
//! | [`interrupts`] | the MSI-X table, and the delivery of messages to the guest |
//! | [`memory`] | the guest's memory, for DMA |
//! | [`proxy`] | QEMU's protocol for a device in another process |
//! | [`shared`] | a function that is accessed by its bus and its wire at the same time |

use std::sync::Arc;

pub mod config;
pub mod interrupts;
pub mod memory;
pub mod proxy;
pub mod shared;

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
    /// Resets the function, as a reset of the bus does.
    fn reset(&mut self);
    /// Sets the guest's memory. This is called before any other access, and again whenever the
    /// machine's memory map changes.
    fn set_memory(&mut self, memory: Arc<memory::GuestMemory>);
}
