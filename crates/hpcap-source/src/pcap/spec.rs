//! The specification `pcap:FILE,key=value,...`.

use std::fmt;
use std::path::PathBuf;

use hpcap::{Error, Result};

use super::super::options::{Options, escaped_path, number};

const FORM: &str = "pcap:FILE";
const KEYS: [&str; 2] = ["speed", "loop"];

/// The pace at which a file is read, and the time that its frames get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// `speed=max`: as fast as the reader takes frames, with the file's timestamps.
    Max,
    /// `speed=real`: with the pauses of the file. A frame's time is the one at which it is due.
    /// Frames out of order are due at once, and a late reader gets all frames that are due at once.
    Real,
}

/// The frames of a pcap or pcapng file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcapSpec {
    /// Path of the file; `-` is standard input.
    pub path: PathBuf,
    /// `speed=max|real`; max by default.
    pub speed: Speed,
    /// `loop=N|forever`: how often the file is read; once by default, `None` is for ever.
    /// Timestamps continue from one pass to the next, with the mean distance of two frames between
    /// them.
    pub loops: Option<u64>,
}

impl PcapSpec {
    /// Returns whether the source waits while the ring is full, which it does at full speed.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.speed == Speed::Max
    }

    /// Returns a source that reads `path` once, at full speed.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            speed: Speed::Max,
            loops: Some(1),
        }
    }

    /// Parses the text after `pcap:`.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage), with the key, its value and the values that are
    /// allowed.
    pub fn parse(text: &str) -> Result<Self> {
        let (path, mut o) = Options::split_path(FORM, text)?;
        if path.as_os_str().is_empty() {
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
        write!(f, "pcap:{}", escaped_path(&self.path))?;
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
