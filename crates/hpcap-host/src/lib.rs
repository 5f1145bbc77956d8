//! Facts of the machine: network interfaces, PCI devices, CPUs, memory, the kernel and its clock.
//!
//! Almost everything here reads: from the kernel by netlink and ethtool, and from `/proc` and `/sys`. No
//! function starts another program. Only methods of [`Interface`] whose names begin with `set_`, `add_` or
//! `remove_`, the time stamps of [`interface::timestamps`], and [`process::run_on_cpu`] change a setting. Facts from files are read below the root of a [`Tree`], which is this
//! machine or a copy of another machine's files. A fact that the kernel does not report is `None`
//! or empty, and never an error.
//!
//! ```
//! use hpcap_host::{CpuSet, StoredFiles, Tree};
//!
//! let mut files = StoredFiles::default();
//! files.add_file("/sys/devices/system/cpu/isolated", b"2-3,6\n".to_vec());
//! let tree = Tree::stored(files);
//! let isolated: CpuSet = tree.value("/sys/devices/system/cpu/isolated").unwrap();
//! assert_eq!(isolated.iter().collect::<Vec<_>>(), [2, 3, 6]);
//! assert_eq!(tree.text("/proc/cpuinfo"), None);
//! ```

#![warn(clippy::cast_possible_truncation)]

pub mod cgroup;
mod clock;
mod cpu;
mod cpu_set;
mod hugepages;
pub mod interface;
mod interrupts;
pub mod kernel;
mod memory;
mod mounts;
pub mod pages;
mod pci;
pub mod process;
mod stored;
mod tree;

pub use clock::Clock;
pub use cpu::{Cpu, Cpus, IdleState, NumaNode};
pub use cpu_set::{CpuSet, NotCpus};
pub use hpcap_base::address::PciAddress;
pub use hugepages::HugePool;
pub use interface::Interface;
pub use interrupts::Interrupt;
pub use memory::{MemoryFacts, available_memory};
pub use mounts::HugeMount;
pub use pci::{Family, PciDevice, PcieLink};
pub use stored::StoredFiles;
pub use tree::Tree;
