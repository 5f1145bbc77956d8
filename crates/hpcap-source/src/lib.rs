//! Where frames come from: `af_packet:IF`, `pcap:FILE`, `gen:`.
//!
//! A source lends frames to its caller (the poll thread of an engine, a traffic sender), who copies
//! or sends them. Nothing that a source lends outlives the next call to the source.

pub mod af_packet;
mod batch;
mod event;
pub mod generator;
pub mod interface;
mod options;
pub mod pcap;
pub mod spec;

use std::time::Duration;

use hpcap::{Count, Reason, Result};

pub use event::{InterfaceName, SourceEvent};
pub use hpcap_sys::Frame;
pub use spec::SourceSpec;

/// What a source is, for the queue page and the file headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The interface, the file, or `gen`.
    pub interface: String,
    /// LINKTYPE_ value; 1 is Ethernet.
    pub link_type: u32,
    /// Who stamps: `kernel`, `engine`, `file`, `nic`.
    pub clock_source: &'static str,
    /// Whether the source waits while the ring is full: [`SourceSpec::waits`].
    pub waits: bool,
}

/// Whether there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Call again at once.
    Busy,
    /// Nothing now; call [`Source::wait`] first.
    Idle,
    /// There will be nothing more, ever.
    Ended,
}

/// A batch of frames, and what became of others since the last batch.
#[derive(Debug)]
pub struct Harvest<'a> {
    /// In order. At most [`BATCH`]. Mutable so that the engine can cut and filter in place.
    pub frames: &'a mut [Frame<'a>],
    /// Frames that the source knows it did not get: usually `nic_missed`, `nic_error`.
    pub lost: &'a [(Reason, Count)],
    /// What to do next.
    pub state: State,
}

/// Frames of one harvest, at most.
pub const BATCH: usize = 256;

/// A supplier of frames.
pub trait Source: Send {
    /// What it is.
    fn description(&self) -> Description;

    /// Lends the next frames. A condition that can pass (an interface that is down or gone) is not
    /// an error: the source reports it once through [`Source::next_event`], is idle, and recovers.
    ///
    /// # Errors
    /// What ends the source for good.
    fn harvest(&mut self) -> Result<Harvest<'_>>;

    /// Sleeps until there may be frames, `timeout` at most.
    ///
    /// # Errors
    /// What ends the source for good.
    fn wait(&mut self, timeout: Duration) -> Result<()>;

    /// Takes the oldest event that was not taken yet. Sources that report nothing have none.
    fn next_event(&mut self) -> Option<SourceEvent> {
        None
    }
}
