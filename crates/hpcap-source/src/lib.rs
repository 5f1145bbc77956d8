//! Sources of frames: `af_packet:IF`, `af_xdp:IF`, `auto:IF`, `pcap:FILE`, `gen:`.
//!
//! A source lends frames to its caller (the poll thread of an engine, or a traffic sender), which
//! copies or sends them. Lent frames live until the next call to the source.
//!
//! ```
//! use std::time::Duration;
//!
//! use hpcap_source::{Source, SourceSpec, State};
//!
//! # fn main() -> hpcap::Result<()> {
//! let spec: SourceSpec = "gen:size=60,count=1000".parse()?;
//! let mut source = spec.open()?;
//! let mut frames = 0;
//! loop {
//!     let harvest = source.harvest()?;
//!     frames += harvest.frames.len();
//!     match harvest.state {
//!         State::Busy => {}
//!         State::Idle => source.wait(Duration::from_millis(100))?,
//!         State::Ended => break,
//!     }
//! }
//! assert_eq!(frames, 1000);
//! # Ok(())
//! # }
//! ```

#![warn(clippy::cast_possible_truncation)]

pub mod af_packet;
pub mod af_xdp;
pub mod auto;
mod batch;
mod event;
pub mod generator;
mod losses;
mod options;
pub mod pcap;
mod prefetch;
mod presence;
mod schedule;
mod socket_option;
pub mod spec;
pub mod stream;

use std::time::Duration;

use hpcap::{Count, Reason, Result};

pub use event::{InterfaceName, SourceEvent};
pub use hpcap_sys::Frame;
pub use spec::SourceSpec;

/// Properties of a source, for the queue page and the file headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The name of the interface or of the file, or `gen`.
    pub interface: String,
    /// LINKTYPE_ value of the frames; 1 is Ethernet.
    pub link_type: u32,
    /// The clock that gives frames their time: `kernel`, `engine`, `file` or `nic`.
    pub clock_source: &'static str,
    /// Whether the source waits while the ring is full, as [`SourceSpec::waits`] explains.
    pub waits: bool,
    /// Whether the source marks every frame that this machine sent, so that the others were received.
    pub knows_directions: bool,
}

/// What the caller of [`Source::harvest`] should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Harvest again at once.
    Busy,
    /// Call [`Source::wait`] before the next harvest, because no frame is ready.
    Idle,
    /// Stop: the source has ended and has no more frames.
    Ended,
}

/// A batch of frames, and the losses since the last batch.
#[derive(Debug)]
pub struct Harvest<'a> {
    /// At most [`BATCH`] frames, in order. The slice is mutable so that the engine can filter in
    /// place.
    pub frames: &'a mut [Frame<'a>],
    /// Frames that the source knows to be lost: usually `nic_missed` or `nic_error`.
    pub lost: &'a [(Reason, Count)],
    /// What the caller should do next.
    pub state: State,
}

/// How long a frame may wait in the kernel, unless the program or the user chooses another time: how late frames come on
/// a quiet link.
pub const DELAY: Duration = Duration::from_millis(20);

/// Largest number of frames in one harvest.
pub const BATCH: usize = 256;

/// A supplier of frames.
pub trait Source: Send {
    /// Returns the source's properties.
    fn description(&self) -> Description;

    /// Lends the next frames. A condition that can pass, such as an interface that is down or gone,
    /// is not an error: the source reports it once through [`Source::next_event`], is idle, and
    /// recovers.
    ///
    /// # Errors
    /// An error that ends the source for good.
    fn harvest(&mut self) -> Result<Harvest<'_>>;

    /// Sleeps until frames may be ready, at most for `timeout`.
    ///
    /// # Errors
    /// An error that ends the source for good.
    fn wait(&mut self, timeout: Duration) -> Result<()>;

    /// Receives nothing more. Returns whether frames may be left, which [`Source::harvest`] lends until
    /// [`State::Ended`]. The default is for sources without frames that wait in the kernel.
    ///
    /// # Errors
    /// An error of the source.
    fn close(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Takes the oldest event that was not taken yet. The default is for sources without events.
    fn next_event(&mut self) -> Option<SourceEvent> {
        None
    }
}
