//! Tests of the kernel module: each test boots a virtual machine with one of Debian's kernels, and
//! with software NICs where it needs any. A test covers one subject with one boot.
//!
//! The tests take minutes in all, and need QEMU, the kernels and the modules (`scripts/kernels.sh`,
//! `scripts/kmod.sh`):
//!
//! ```text
//! cargo test -p hpcap-e2e --test vm --test listeners --test sigkill --test dev_guide -- --ignored
//! ```
//!
//! | module | subject |
//! |---|---|
//! | `allocations` | allocations that fail, in a kernel that fails them on demand |
//! | `bytes` | every frame of every capture, and a million generated ones, byte for byte |
//! | `devices` | long frames, PCI errors, "up" that fails late, unsupported devices |
//! | `ledger` | exact counts at rates below, at and far above what the guest can take |
//! | `offloads` | segmentation and checksums that a sender on the same machine leaves to a NIC |
//! | `rings` | 1 MiB, 3 GiB, more than 4 GiB; the ends of rings, files and 32-bit offsets |
//! | `rtnl` | rings that are allocated and freed while rtnl is held: none |
//! | `senders` | `hpcapctl selftest` with the packet generator of Linux |
//! | `settings` | settings of a queue, wrong values, stages, tracepoints |
//! | `lifecycle` | up, down, load, unload, link flaps, removal, leaks |
//! | `place` | where poll threads and their memory are, priorities, namespaces of readers |
//! | `ports` | several NICs, standard mode beside hpcap mode, transmission |
//! | `listeners` | the tests of `hpcapd`'s listeners, on the module; hostile slots |
//! | `streams` | `rxtxcpu` with processors that come and go, and with a NIC that spreads flows over queues |
//! | `times` | times of frames that several processors receive |
//! | `fuzz` | random system calls on the device nodes |
//! | `undisturbed` | locks that poll threads take while others read and change everything, and threads of a crowd that they wake: none |
//! | `watchers` | `hpcap-monitor`, `hpcap-status` and `hpcap-diag` beside the module |
//! | `dev_guide` | bugs that the original's developer guide lists |

#![expect(clippy::unwrap_used, reason = "a test may panic")]

/// Makes one test of each `FUNCTION: MACHINE` for each kernel series. The test boots the machine, passes it to the
/// function, and switches it off ([`Vm::test`](hpcap_e2e::vm::Vm::test)).
macro_rules! vm_tests {
    ($($test:ident: $machine:expr),* $(,)?) => {
        mod on_6_1 {
            use super::*;
            $(#[test] #[ignore = "boots a virtual machine"] fn $test() { Vm::test("6.1", &$machine, super::$test); })*
        }
        mod on_6_12 {
            use super::*;
            $(#[test] #[ignore = "boots a virtual machine"] fn $test() { Vm::test("6.12", &$machine, super::$test); })*
        }
    };
}

mod allocations;
mod bytes;
mod dev_guide;
mod devices;
mod fuzz;
mod ledger;
mod lifecycle;
mod listeners;
mod offloads;
mod place;
mod ports;
mod rings;
mod rtnl;
mod senders;
mod settings;
mod streams;
mod times;
mod undisturbed;
mod watchers;
