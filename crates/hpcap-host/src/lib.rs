//! Facts of the machine: network interfaces, control groups, memory pages.
//!
//! Everything here reads: from the kernel by netlink and ethtool, and from `/proc` and `/sys`. No
//! function starts another program.

pub mod cgroup;
pub mod hugepages;
pub mod interface;
mod memory;
pub mod pages;
mod tree;

pub use hugepages::HugePool;
pub use interface::Interface;
pub use memory::{MemoryFacts, available_memory};
pub use tree::Tree;
