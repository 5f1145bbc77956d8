//! `pcap:FILE`: the frames of a file. (in progress)

mod spec;

pub use spec::{PcapSpec, Speed};

use std::time::Duration;

use hpcap::{Error, Kind, Result};

use super::{Description, Harvest, Source};

/// A source of the frames of a file; see [`PcapSpec`].
#[derive(Debug)]
pub enum PcapSource {}

impl PcapSource {
    /// Opens the file.
    ///
    /// # Errors
    /// Always, until the reader of such files is there.
    pub fn open(spec: &PcapSpec) -> Result<Self> {
        Err(Error::new(
            Kind::Format,
            format!("open {}", spec.path.display()),
            "this build cannot read pcap files",
        ))
    }
}

impl Source for PcapSource {
    fn description(&self) -> Description {
        match *self {}
    }

    fn harvest(&mut self) -> Result<Harvest<'_>> {
        match *self {}
    }

    fn wait(&mut self, _: Duration) -> Result<()> {
        match *self {}
    }
}
