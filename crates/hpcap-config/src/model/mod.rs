//! What a configuration says.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hpcap::compress::{Compression, FileFormat};
use hpcap::dedup::DedupSettings;
use hpcap::free_space::FreeSpace;
use hpcap::{Error, QueueName};
use hpcap_host::pages::Pages;

pub use hpcap::address::{Address, MacAddress, NotAnAddress, PciAddress};

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The network interfaces, in the order of the file.
    pub interfaces: Vec<Interface>,
    /// The recorders, in the order of the file.
    pub recorders: Vec<Recorder>,
    /// The logger of counters.
    pub monitor: Monitor,
}

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
    /// The kernel module that takes the frames of any interface.
    Netdev,
}

impl Engine {
    /// All engines.
    pub const ALL: [Self; 5] = [
        Self::Userspace,
        Self::AfXdp,
        Self::Ixgbe,
        Self::Ixgbevf,
        Self::Netdev,
    ];

    /// Whether a kernel module captures.
    #[must_use]
    pub fn is_kernel(self) -> bool {
        match self {
            Self::Userspace | Self::AfXdp => false,
            Self::Ixgbe | Self::Ixgbevf | Self::Netdev => true,
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
    /// What captures.
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

impl Config {
    /// The number N of the queues `hpcapN` of the interface at `position` in the file: the one that
    /// is given, or that is in its name, or else the position.
    #[must_use]
    pub fn number_of(&self, position: usize) -> u16 {
        let interface = self.interfaces.get(position);
        interface
            .and_then(|i| i.number.or_else(|| i.number_in_name()))
            .unwrap_or(u16::try_from(position).unwrap_or(u16::MAX))
    }

    /// The names of the queues of the interface at `position`; none for a standard interface.
    #[must_use]
    pub fn queues_of(&self, position: usize) -> Vec<QueueName> {
        let number = u32::from(self.number_of(position));
        match self.interfaces.get(position) {
            Some(i) if i.mode == Mode::Capture => (0..u32::from(i.queues))
                .map(|queue| QueueName::new(number, queue))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// What a recorder loses when it is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contract {
    /// The ring waits for the recorder.
    #[default]
    Lossless,
    /// The ring waits for the recorder for this time.
    LosslessFor(Duration),
    /// The ring does not wait.
    Lossy,
}

/// A recorder of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    /// The queue that is recorded.
    pub queue: Option<QueueName>,
    /// The folder or file that gets the frames.
    pub destination: Option<PathBuf>,
    /// Format of the files.
    pub format: FileFormat,
    /// Compression of finished files.
    pub compress: Compression,
    /// Size in bytes at which a new file is started.
    pub rotate_size: Option<u64>,
    /// Time after which a new file is started.
    pub rotate_time: Option<Duration>,
    /// Whether files start at whole multiples of `rotate_time` in local time.
    pub aligned: bool,
    /// Age at which finished files are deleted.
    pub keep_age: Option<Duration>,
    /// Bytes that finished files take at most.
    pub keep_size: Option<u64>,
    /// Bytes that stay free on the disk.
    pub keep_free: Option<FreeSpace>,
    /// Number of finished files that are kept at most.
    pub keep_files: Option<u64>,
    /// What happens when the recorder is too slow.
    pub contract: Contract,
    /// The user that the recorder runs as, who owns the files.
    pub owner: String,
    /// Group of the files.
    pub file_group: Option<String>,
    /// Mode of the files.
    pub file_mode: Option<u32>,
    /// CPU of the thread that stores frames.
    pub cpu: Option<u32>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            queue: None,
            destination: None,
            format: FileFormat::Raw,
            compress: Compression::None,
            rotate_size: None,
            rotate_time: None,
            aligned: false,
            keep_age: None,
            keep_size: None,
            keep_free: None,
            keep_files: None,
            contract: Contract::default(),
            owner: "hpcap".into(),
            file_group: None,
            file_mode: None,
            cpu: None,
        }
    }
}

/// Where a program serves HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Nowhere,
    /// At this address.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "none" {
            return Ok(Self::Nowhere);
        }
        text.parse().map(Self::At).map_err(|_| {
            Error::usage(
                format!("address {text:?}"),
                "expected an address and a port, such as 127.0.0.1:9742 or [::1]:9742, or none",
            )
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("none"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// The logger of counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Whether counters are logged.
    pub enabled: bool,
    /// Folder of the logs.
    pub basedir: PathBuf,
    /// Time between two lines of the log.
    pub interval: Duration,
    /// CPU of the logger; `None` leaves it unpinned.
    pub cpu: Option<u32>,
    /// Where the page and the metrics are served.
    pub listen: Listen,
    /// Socket in the file system at which the same is served.
    pub socket: Option<PathBuf>,
    /// File for the textfile collector of node_exporter.
    pub textfile: Option<PathBuf>,
    /// Age at which logs are deleted.
    pub keep_age: Duration,
    /// Command of the shell that runs at each event.
    pub event_command: Option<String>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            enabled: true,
            basedir: "/var/log/hpcap".into(),
            interval: Duration::from_secs(1),
            cpu: None,
            listen: Listen::At(SocketAddr::from(([127, 0, 0, 1], 9742))),
            socket: None,
            textfile: None,
            keep_age: Duration::from_secs(90 * 86_400),
            event_command: None,
        }
    }
}
