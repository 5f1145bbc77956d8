//! A PCI function as a virtual machine's bus sees it.
//!
//! | module | is |
//! |---|---|
//! | [`config`] | configuration space with its capabilities, as one builder for every function |
//! | [`interrupts`] | the MSI-X table, and how a message reaches the guest |
//! | [`memory`] | the guest's memory, for DMA |
//! | [`proxy`] | QEMU's protocol for a device in another process |
//! | [`shared`] | a function that its bus and its wire use at the same time |

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
    /// The bus is reset.
    fn reset(&mut self);
    /// The guest's memory is this from now on. Comes before anything else, and again whenever
    /// the machine's memory map changes.
    fn set_memory(&mut self, memory: Arc<memory::GuestMemory>);
}
