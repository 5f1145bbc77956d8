//! The specification `af_packet:IF,key=value,...`.

use std::fmt;
use std::time::Duration;

use hpcap::Result;
use hpcap::units;

use super::super::options::{self, Options, escaped, number};

const FORM: &str = "af_packet:IF";
const KEYS: [&str; 7] = [
    "promisc",
    "direction",
    "time",
    "block",
    "blocks",
    "delay",
    "fanout",
];
/// Any frame that an interface can receive, of up to 64 KiB with its headers and a tag, fits a
/// block of this size.
const BLOCK_BYTES_MIN: u32 = 128 << 10;
const BLOCK_BYTES_MAX: u32 = 64 << 20;
/// The page size of every architecture divides this step.
const BLOCK_BYTES_STEP: u32 = 64 << 10;
/// The kernel measures the time that a frame waits in milliseconds.
const DELAY_MIN: Duration = Duration::from_millis(1);
const DELAY_MAX: Duration = Duration::from_secs(1);

/// Which frames of an interface are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The frames that the interface receives.
    In,
    /// The frames that this host sends on the interface.
    Out,
    /// The frames of both directions.
    Both,
}

/// The clock that gives frames their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The kernel's wall clock.
    Kernel,
    /// The NIC's own clock.
    Hardware,
}

/// A capture of a network interface through the kernel (`AF_PACKET`, TPACKET_V3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfPacketSpec {
    /// The name of the interface.
    pub interface: String,
    /// `promisc=on|off`: whether to capture frames for other hosts, too; on by default.
    pub promiscuous: bool,
    /// `direction=in|out|both`: both by default, as in tcpdump. The loopback interface receives
    /// every frame that it sends, so for it `both` means `in`.
    pub direction: Direction,
    /// `time=kernel|hardware`: the clock that gives frames their time; the kernel's by default.
    pub time: Time,
    /// `block=SIZE`: length in bytes of the blocks in which the kernel hands frames over: a
    /// multiple of 64 KiB from 128 KiB to 64 MiB; 1 MiB by default.
    pub block_bytes: u32,
    /// `blocks=N`: number of blocks, 2 to 65536, less than 4 GiB in all; 64 by default.
    pub blocks: u32,
    /// `delay=TIME`: how long a frame may wait in a block that is not full, 1 ms to 1 s; by default as long as the
    /// program that opens the source allows.
    pub delay: Option<Duration>,
    /// `fanout=GROUP`: spreads the flows of the interface over all sources with the same group, 0 to 65535. Each source
    /// counts the frames that it lost itself. No source counts the frames that the NIC lost, because it is unknown
    /// which source would have got them.
    pub fanout: Option<u16>,
}

impl AfPacketSpec {
    /// Returns a capture of `interface` with the default options.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            promiscuous: true,
            direction: Direction::Both,
            time: Time::Kernel,
            block_bytes: 1 << 20,
            blocks: 64,
            delay: None,
            fanout: None,
        }
    }

    /// Parses the text after `af_packet:`.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), with the key, its value and the values that are
    /// allowed.
    pub fn parse(text: &str) -> Result<Self> {
        let (interface, mut o) = Options::split(FORM, text)?;
        o.require_interface(&interface)?;
        let mut spec = Self::new(interface);
        if let Some(on) = o.take_switch("promisc")? {
            spec.promiscuous = on;
        }
        if let Some(direction) = o.take("direction", "in, out or both", |v| match v {
            "in" => Some(Direction::In),
            "out" => Some(Direction::Out),
            "both" => Some(Direction::Both),
            _ => None,
        })? {
            spec.direction = direction;
        }
        if let Some(time) = o.take("time", "kernel or hardware", |v| match v {
            "kernel" => Some(Time::Kernel),
            "hardware" => Some(Time::Hardware),
            _ => None,
        })? {
            spec.time = time;
        }
        let block = "a multiple of 64K from 128K to 64M";
        if let Some(bytes) = o.take("block", block, |v| {
            options::memory(v).filter(|n| {
                (BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX).contains(n)
                    && n.is_multiple_of(BLOCK_BYTES_STEP)
            })
        })? {
            spec.block_bytes = bytes;
        }
        let blocks = "a number of blocks from 2 to 65536, below 4 GiB in all";
        let block_bytes = spec.block_bytes;
        if let Some(n) = o.take("blocks", blocks, |v| {
            number(v)
                .filter(|n: &u32| (2..=65_536).contains(n) && n.checked_mul(block_bytes).is_some())
        })? {
            spec.blocks = n;
        } else if spec.blocks.checked_mul(block_bytes).is_none() {
            spec.blocks = u32::MAX / block_bytes;
        }
        spec.delay = o.take("delay", "a time from 1ms to 1s", |v| {
            let delay = units::parse_duration(v).ok()?;
            (DELAY_MIN..=DELAY_MAX).contains(&delay).then_some(delay)
        })?;
        spec.fanout = o.take("fanout", "the number of a group from 0 to 65535", number)?;
        o.finish(&KEYS)?;
        Ok(spec)
    }
}

impl fmt::Display for AfPacketSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Self::new("");
        write!(f, "af_packet:{}", escaped(&self.interface))?;
        if !self.promiscuous {
            f.write_str(",promisc=off")?;
        }
        match self.direction {
            Direction::Both => {}
            Direction::In => f.write_str(",direction=in")?,
            Direction::Out => f.write_str(",direction=out")?,
        }
        if self.time == Time::Hardware {
            f.write_str(",time=hardware")?;
        }
        if self.block_bytes != default.block_bytes {
            write!(f, ",block={}", options::exact_size(self.block_bytes.into()))?;
        }
        if self.blocks != default.blocks {
            write!(f, ",blocks={}", self.blocks)?;
        }
        if let Some(delay) = self.delay {
            write!(f, ",delay={}", options::exact_duration(delay))?;
        }
        if let Some(group) = self.fanout {
            write!(f, ",fanout={group}")?;
        }
        Ok(())
    }
}
