//! A software 82599 and a runner of virtual machines, which make it possible to run hpcap's kernel
//! modules on any machine.
//!
//! | module | contents |
//! |---|---|
//! | [`pci`] | a PCI function as a virtual machine sees it, and the protocol between them |
//! | [`nic`] | the 82599, physical and virtual function: registers, rings, DMA, filters, statistics |
//! | [`traffic`] | frames into a NIC: their source, their pace, and the outcome of each |
//! | [`kernel`] | kernels and modules from the distribution's packages |
//! | [`machine`] | a virtual machine: its first file system, its console, its end |
//! | [`guest`] | the first program in the guest |
//! | [`channel`] | the protocol between host and guest |
//! | [`cli`] | the command line of `vmlab` |
//! | [`control`] | requests of programs in the guest to the host: traffic, faults, counts |

pub mod channel;
pub mod cli;
pub mod control;
pub mod guest;
pub mod kernel;
pub mod machine;
pub mod nic;
pub mod pci;
pub mod traffic;
