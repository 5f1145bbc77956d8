//! `pcap:FILE,key=value,...`.

use std::fmt;
use std::path::PathBuf;

use hpcap::{Error, Result};

use super::super::options::{Options, escaped, number};

const FORM: &str = "pcap:FILE";
const KEYS: [&str; 2] = ["speed", "loop"];

/// How fast a file is read, and what time its frames get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// `speed=max`: as fast as the frames are taken, with the file's timestamps.
    Max,
    /// `speed=real`: with the pauses of the file, stamped with the time at which each is due.
    /// Frames out of order come at once, and so do all that are due when nobody took them.
    Real,
}

/// The frames of a pcap or pcapng file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcapSpec {
    /// The file.
    pub path: PathBuf,
    /// `speed=max|real`; max unless told.
    pub speed: Speed,
    /// `loop=N|forever`: how often the file is gone through; `None` is for ever, once unless
    /// told. Timestamps go on from one time to the next, as far apart as frames are on average.
    pub loops: Option<u64>,
}

impl PcapSpec {
    /// Whether the source waits while the ring is full: at full speed it does.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.speed == Speed::Max
    }

    /// `path`, once, at full speed.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            speed: Speed::Max,
            loops: Some(1),
        }
    }

    /// Reads what follows `pcap:`.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), naming the key, what it was and what is allowed.
    pub fn parse(text: &str) -> Result<Self> {
        let (path, mut o) = Options::split(FORM, text)?;
        if path.is_empty() {
            return Err(Error::usage(
                format!("source {FORM}"),
                "the name of the file is missing, as in pcap:trace.pcap",
            ));
        }
        let mut spec = Self::new(path);
        if let Some(speed) = o.take("speed", "max or real", |v| match v {
            "max" => Some(Speed::Max),
            "real" => Some(Speed::Real),
            _ => None,
        })? {
            spec.speed = speed;
        }
        if let Some(loops) = o.take(
            "loop",
            "a number of times, from 1, or forever",
            |v| match v {
                "forever" => Some(None),
                n => number(n).filter(|n| *n > 0).map(Some),
            },
        )? {
            spec.loops = loops;
        }
        o.finish(&KEYS)?;
        Ok(spec)
    }
}

impl fmt::Display for PcapSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pcap:{}", escaped(&self.path.to_string_lossy()))?;
        if self.speed == Speed::Real {
            f.write_str(",speed=real")?;
        }
        match self.loops {
            Some(1) => Ok(()),
            Some(n) => write!(f, ",loop={n}"),
            None => f.write_str(",loop=forever"),
        }
    }
}
