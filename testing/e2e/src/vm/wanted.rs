//! The machine that a test asks for.

use std::time::Duration;

/// A machine that a test asks for. Its methods change one property each, so that a test names only what
/// matters to it: `Wanted::PF.hugepages(40).disk(2 << 30)`.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub(super) memory: u64,
    pub(super) cpus: usize,
    pub(super) nics: &'static [&'static str],
    pub(super) hugepages: u64,
    pub(super) disk: Option<u64>,
    pub(super) limit: Duration,
    pub(super) arguments: &'static [&'static str],
    pub(super) tolerated: &'static [&'static str],
    pub(super) capturing: Option<Capturing>,
    pub(super) unless: Option<fn() -> Option<&'static str>>,
}

/// The driver of the machine's NICs, which captures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capturing {
    pub(super) driver: &'static str,
    pub(super) parameters: &'static str,
}

impl Wanted {
    /// A machine with a processor, 1 GiB of memory, and no NICs.
    pub const PLAIN: Self = Self {
        memory: 1 << 30,
        cpus: 1,
        nics: &[],
        hugepages: 0,
        disk: None,
        limit: Duration::from_secs(1200),
        arguments: &[],
        tolerated: &[],
        capturing: None,
        unless: None,
    };
    /// A machine with one NIC, a physical function.
    pub const PF: Self = Self::PLAIN.nics(&["82599"]);
    /// A machine with one NIC, a virtual function.
    pub const VF: Self = Self::PLAIN.nics(&["82599vf"]);

    /// A machine with one NIC that QEMU itself emulates, an 82576.
    pub const IGB: Self = Self::PLAIN.nics(&["igb"]);

    /// The models of the NICs: `82598`, `82599`, `82599vf`, `igb`.
    #[must_use]
    pub const fn nics(mut self, models: &'static [&'static str]) -> Self {
        self.nics = models;
        self
    }

    /// Memory in bytes.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Number of processors.
    #[must_use]
    pub const fn cpus(mut self, count: usize) -> Self {
        self.cpus = count;
        self
    }

    /// Number of hugepages of 2 MiB.
    #[must_use]
    pub const fn hugepages(mut self, count: u64) -> Self {
        self.hugepages = count;
        self
    }

    /// Size in bytes of a disk at `/data`.
    #[must_use]
    pub const fn disk(mut self, bytes: u64) -> Self {
        self.disk = Some(bytes);
        self
    }

    /// Longest time from the start of the machine to its end.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Further arguments of the kernel.
    #[must_use]
    pub const fn arguments(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }

    /// Parts of console lines that look like a fault and are accepted.
    #[must_use]
    pub const fn tolerated(mut self, parts: &'static [&'static str]) -> Self {
        self.tolerated = parts;
        self
    }

    /// Loads the module with `parameters` and the driver of the NICs in hpcap mode, and brings `hpcap0` up,
    /// before the test begins.
    #[must_use]
    pub const fn capturing(mut self, driver: &'static str, parameters: &'static str) -> Self {
        self.capturing = Some(Capturing { driver, parameters });
        self
    }

    /// Skips the test if `condition` returns the reason.
    #[must_use]
    pub const fn unless(mut self, condition: fn() -> Option<&'static str>) -> Self {
        self.unless = Some(condition);
        self
    }
}
