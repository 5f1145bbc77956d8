//! A software 82599 and a runner of virtual machines: hpcap's kernel modules, run for real on
//! any machine.
//!
//! | module | is |
//! |---|---|
//! | [`pci`] | a PCI function as a virtual machine's bus sees it, and the protocol it is reached by |
//! | [`nic`] | the 82599, physical and virtual function: registers, rings, DMA, filters, statistics |
//! | [`traffic`] | frames into a NIC: where from, how fast, and what became of each |
//! | [`kernel`] | kernels and modules out of the distribution's packages |
//! | [`machine`] | a virtual machine: its first file system, its console, its end |
//! | [`guest`] | the first program in the guest |
//! | [`channel`] | what the host and the guest tell each other |
//! | [`cli`] | the command line of `vmlab` |
//! | [`control`] | what a program in the guest asks of the host: traffic, faults, counts |

pub mod channel;
pub mod cli;
pub mod control;
pub mod guest;
pub mod kernel;
pub mod machine;
pub mod nic;
pub mod pci;
pub mod traffic;
