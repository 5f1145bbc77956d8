//! A network interface, and how its frames are captured.

use hpcap::address::{Address, MacAddress, PciAddress};
use hpcap::dedup::DedupSettings;
use hpcap_host::pages::Pages;

/// Who uses an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// hpcap captures its frames.
    #[default]
    Capture,
    /// The network stack uses it, as without hpcap.
    Standard,
}

/// The part of hpcap that takes the frames of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// `hpcapd`, through the packet sockets of the Linux kernel.
    #[default]
    Userspace,
    /// `hpcapd`, through AF_XDP sockets.
    AfXdp,
    /// The kernel module for the NICs of the driver ixgbe.
    Ixgbe,
    /// The kernel module for virtual functions of these NICs.
    Ixgbevf,
    /// The kernel module for the NICs of the driver igb.
    Igb,
    /// The kernel module that takes the frames of any interface.
    Netdev,
}

impl Engine {
    /// All engines.
    pub const ALL: [Self; 6] = [
        Self::Userspace,
        Self::AfXdp,
        Self::Ixgbe,
        Self::Ixgbevf,
        Self::Igb,
        Self::Netdev,
    ];

    /// Whether a kernel module captures.
    #[must_use]
    pub fn is_kernel(self) -> bool {
        match self {
            Self::Userspace | Self::AfXdp => false,
            Self::Ixgbe | Self::Ixgbevf | Self::Igb | Self::Netdev => true,
        }
    }

    /// Whether the kernel module is the driver of the port, which it names and numbers by the port's place on the PCI bus.
    #[must_use]
    pub fn drives_ports(self) -> bool {
        self.is_kernel() && self != Self::Netdev
    }

    /// The most queues that a port has with this engine.
    #[must_use]
    pub fn most_queues(self) -> u16 {
        match self {
            Self::Ixgbevf => 2,
            Self::Igb => 8,
            Self::Userspace | Self::AfXdp | Self::Ixgbe | Self::Netdev => 16,
        }
    }

    /// The name of the engine in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Userspace => "userspace",
            Self::AfXdp => "af_xdp",
            Self::Ixgbe => "ixgbe",
            Self::Ixgbevf => "ixgbevf",
            Self::Igb => "igb",
            Self::Netdev => "netdev",
        }
    }
}

/// What a poll thread does while no frames come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Poll {
    /// Sleeps for short times.
    #[default]
    Adaptive,
    /// Never sleeps.
    Busy,
}

/// Before which other threads of its CPU a poll thread runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A nice value, -20 (most of the CPU) to 19 (least).
    Nice(i8),
    /// Before all ordinary threads (SCHED_FIFO).
    Fifo,
}

impl Default for Priority {
    fn default() -> Self {
        Self::Nice(0)
    }
}

/// What happens to frames while a lossless listener holds the ring back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The poll thread drops and counts them.
    #[default]
    Drop,
    /// They stay in the NIC, which then drops them itself.
    Hold,
}

/// The duplicate filter of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dedup {
    /// Whether duplicates are removed or marked.
    pub enabled: bool,
    /// What is a duplicate, and what happens to it.
    pub settings: DedupSettings,
}

/// A network interface and the queues on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name of the interface; the interface is named by this, by `pci` or by `mac`.
    pub name: Option<String>,
    /// The address of the NIC's port on the PCI bus.
    pub pci: Option<PciAddress>,
    /// The permanent MAC address.
    pub mac: Option<MacAddress>,
    /// The number N of the queues `hpcapN` and `hpcapN:Q`.
    pub number: Option<u16>,
    /// Who uses the interface.
    pub mode: Mode,
    /// The engine that captures.
    pub engine: Engine,
    /// Further options of the source `af_packet` or `af_xdp`, as the engine is.
    pub options: String,
    /// Number of queues.
    pub queues: u16,
    /// Size of each queue's ring in bytes.
    pub ring_bytes: u64,
    /// Pages under the ring.
    pub pages: Pages,
    /// NUMA node of the memory; `None` is the node of the NIC.
    pub node: Option<u32>,
    /// CPUs of the poll threads, one for each queue; empty leaves them unpinned.
    pub cpus: Vec<u32>,
    /// Bytes kept of each frame; 0 keeps whole frames.
    pub caplen: u32,
    /// Filter in tcpdump's syntax; empty keeps every frame.
    pub filter: String,
    /// The duplicate filter.
    pub dedup: Dedup,
    /// What a poll thread does while no frames come.
    pub poll: Poll,
    /// The priority of the poll threads.
    pub priority: Priority,
    /// What happens while the ring is full.
    pub when_full: WhenFull,
    /// Whether the stream has no tags.
    pub plain: bool,
    /// Whether the queue also captures while nobody listens.
    pub look_back: bool,
    /// Whether frames for other machines are received.
    pub promiscuous: bool,
    /// The MTU; `None` leaves it as it is.
    pub mtu: Option<u32>,
    /// The speed of the link in Mb/s; `None` lets both ends agree on it.
    pub speed: Option<u32>,
    /// Whether pause frames are sent and obeyed.
    pub pause: bool,
    /// The address of a standard interface.
    pub address: Option<Address>,
}

impl Default for Interface {
    fn default() -> Self {
        Self {
            name: None,
            pci: None,
            mac: None,
            number: None,
            mode: Mode::default(),
            engine: Engine::default(),
            options: String::new(),
            queues: 1,
            ring_bytes: 256 << 20,
            pages: Pages::default(),
            node: None,
            cpus: Vec::new(),
            caplen: 0,
            filter: String::new(),
            dedup: Dedup::default(),
            poll: Poll::default(),
            priority: Priority::default(),
            when_full: WhenFull::default(),
            plain: false,
            look_back: false,
            promiscuous: true,
            mtu: None,
            speed: None,
            pause: false,
            address: None,
        }
    }
}

impl Interface {
    /// What names the interface: its name, PCI address or MAC address.
    #[must_use]
    pub fn label(&self) -> String {
        let pci = || self.pci.map(|a| a.to_string());
        let mac = || self.mac.map(|a| a.to_string());
        let name = self.name.clone().or_else(pci).or_else(mac);
        name.unwrap_or_else(|| "without a name".into())
    }

    /// The number N in the name `hpcapN` or `xgbN` that the kernel modules give to an interface.
    #[must_use]
    pub fn number_in_name(&self) -> Option<u16> {
        let name = self.name.as_deref()?;
        let digits = name
            .strip_prefix("hpcap")
            .or_else(|| name.strip_prefix("xgb"))?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    }
}
