//! The specification `af_xdp:IF[:QUEUES],key=value,...`.

use std::fmt;

use hpcap::{Error, Result};
use hpcap_host::pages::Pages;

use super::super::options::{Options, escaped, number};

const FORM: &str = "af_xdp:IF[:QUEUES]";
const KEYS: [&str; 9] = [
    "promisc",
    "mode",
    "zerocopy",
    "time",
    "pass",
    "takeover",
    "frames",
    "pages",
    "busy_poll",
];

/// Highest number of a queue.
const QUEUE_MAX: u32 = 1023;
const FRAMES_MIN: u32 = 256;
const FRAMES_MAX: u32 = 1 << 20;

/// Receive queues of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queues {
    /// The first queue, from 0.
    pub first: u32,
    /// The last queue, at least `first`.
    pub last: u32,
}

/// Where the XDP program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the driver, or in the network stack if the driver has no XDP.
    Auto,
    /// In the driver.
    Native,
    /// In the network stack, which works with every driver and is slower.
    Generic,
}

/// Whether the NIC writes frames straight to the memory of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroCopy {
    /// If the driver supports it; otherwise the kernel copies.
    Auto,
    /// Required; otherwise opening the source fails.
    On,
    /// Never.
    Off,
}

/// The clock that gives frames their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The kernel's, read by the XDP program for each frame.
    Kernel,
    /// The poll thread's, read when it takes a batch of frames.
    Poll,
}

/// A capture of a network interface through AF_XDP sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfXdpSpec {
    /// The name of the interface.
    pub interface: String,
    /// The receive queues to capture; all of them by default.
    pub queues: Option<Queues>,
    /// `promisc=on|off`: whether to capture frames for other hosts, too; on by default.
    pub promiscuous: bool,
    /// `mode=auto|native|generic`: where the program runs.
    pub mode: Mode,
    /// `zerocopy=auto|on|off`: whether the NIC writes to the memory of the capture.
    pub zero_copy: ZeroCopy,
    /// `time=kernel|poll`: the clock that gives frames their time.
    pub time: Time,
    /// `pass=on|off`: whether frames on queues that are not captured go on to the network stack; on
    /// by default. Otherwise they are dropped.
    pub pass: bool,
    /// `takeover=on|off`: whether to capture an interface that this machine uses itself, and so to
    /// cut its connections; off by default.
    pub takeover: bool,
    /// `frames=N`: number of frames that the memory of each queue holds, a power of two from 256 to
    /// 2^20.
    pub frames: Option<u32>,
    /// `pages=auto|ordinary|2M`: the pages under that memory.
    pub pages: Pages,
    /// `busy_poll=on|off`: whether the poll thread itself runs the driver's poll function; off by
    /// default.
    pub busy_poll: bool,
}

/// Parses `3` or `0-3`.
fn queues(text: &str) -> Option<Queues> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let queues = Queues {
        first: number(first)?,
        last: number(last)?,
    };
    (queues.first <= queues.last && queues.last <= QUEUE_MAX).then_some(queues)
}

impl AfXdpSpec {
    /// Returns a capture of `interface` with the default options.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            queues: None,
            promiscuous: true,
            mode: Mode::Auto,
            zero_copy: ZeroCopy::Auto,
            time: Time::Kernel,
            pass: true,
            takeover: false,
            frames: None,
            pages: Pages::Auto,
            busy_poll: false,
        }
    }

    /// Returns a capture of `interface` with options as they stand behind the name in a specification: `mode=native,pass=off`.
    ///
    /// # Errors
    /// Those of [`AfXdpSpec::parse`].
    pub fn with_options(interface: &str, options: &str) -> Result<Self> {
        match options {
            "" => Ok(Self::new(interface)),
            options => Self::parse(&format!("{},{options}", escaped(interface))),
        }
    }

    /// Parses the text after `af_xdp:`.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), with the key, its value and the values that are
    /// allowed.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, mut o) = Options::split(FORM, text)?;
        // The kernel allows no colon in the name of an interface.
        let (interface, wanted) = match name.split_once(':') {
            Some((interface, wanted)) => (interface.to_owned(), Some(wanted)),
            None => (name.clone(), None),
        };
        o.require_interface(&interface)?;
        let mut spec = Self::new(interface);
        if let Some(wanted) = wanted {
            spec.queues = Some(queues(wanted).ok_or_else(|| {
                Error::usage(
                    format!("source {FORM}: queues {wanted:?}"),
                    format!(
                        "expected a queue such as 0, or a range such as 0-3, up to {QUEUE_MAX}"
                    ),
                )
            })?);
        }
        if let Some(on) = o.take_switch("promisc")? {
            spec.promiscuous = on;
        }
        if let Some(mode) = o.take("mode", "auto, native or generic", |v| match v {
            "auto" => Some(Mode::Auto),
            "native" => Some(Mode::Native),
            "generic" => Some(Mode::Generic),
            _ => None,
        })? {
            spec.mode = mode;
        }
        if let Some(zero_copy) = o.take("zerocopy", "auto, on or off", |v| match v {
            "auto" => Some(ZeroCopy::Auto),
            "on" => Some(ZeroCopy::On),
            "off" => Some(ZeroCopy::Off),
            _ => None,
        })? {
            spec.zero_copy = zero_copy;
        }
        if (spec.mode, spec.zero_copy) == (Mode::Generic, ZeroCopy::On) {
            return Err(o.bad(
                "zerocopy",
                "on",
                "auto or off with mode=generic, which copies",
            ));
        }
        if let Some(time) = o.take("time", "kernel or poll", |v| match v {
            "kernel" => Some(Time::Kernel),
            "poll" => Some(Time::Poll),
            _ => None,
        })? {
            spec.time = time;
        }
        if let Some(on) = o.take_switch("pass")? {
            spec.pass = on;
        }
        if let Some(on) = o.take_switch("takeover")? {
            spec.takeover = on;
        }
        spec.frames = o.take("frames", "a power of two from 256 to 1048576", |v| {
            number(v).filter(|n: &u32| (FRAMES_MIN..=FRAMES_MAX).contains(n) && n.is_power_of_two())
        })?;
        if let Some(pages) = o.take("pages", "auto, ordinary or 2M", |v| {
            v.parse().ok().filter(|pages| *pages != Pages::Huge1G)
        })? {
            spec.pages = pages;
        }
        if let Some(on) = o.take_switch("busy_poll")? {
            spec.busy_poll = on;
        }
        o.finish(&KEYS)?;
        Ok(spec)
    }
}

impl fmt::Display for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last != self.first {
            write!(f, "-{}", self.last)?;
        }
        Ok(())
    }
}

impl fmt::Display for AfXdpSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "af_xdp:{}", escaped(&self.interface))?;
        if let Some(queues) = self.queues {
            write!(f, ":{queues}")?;
        }
        if !self.promiscuous {
            f.write_str(",promisc=off")?;
        }
        match self.mode {
            Mode::Auto => {}
            Mode::Native => f.write_str(",mode=native")?,
            Mode::Generic => f.write_str(",mode=generic")?,
        }
        match self.zero_copy {
            ZeroCopy::Auto => {}
            ZeroCopy::On => f.write_str(",zerocopy=on")?,
            ZeroCopy::Off => f.write_str(",zerocopy=off")?,
        }
        if self.time == Time::Poll {
            f.write_str(",time=poll")?;
        }
        if !self.pass {
            f.write_str(",pass=off")?;
        }
        if self.takeover {
            f.write_str(",takeover=on")?;
        }
        if let Some(frames) = self.frames {
            write!(f, ",frames={frames}")?;
        }
        match self.pages {
            Pages::Auto => {}
            Pages::Ordinary => f.write_str(",pages=ordinary")?,
            Pages::Huge2M | Pages::Huge1G => f.write_str(",pages=2M")?,
        }
        if self.busy_poll {
            f.write_str(",busy_poll=on")?;
        }
        Ok(())
    }
}
