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

use std::marker::PhantomData;
use std::time::Duration;

use hpcap::{Count, Reason, Result};

pub use event::{InterfaceName, SourceEvent};
pub use spec::SourceSpec;

/// A frame as the producer takes it (`struct hpcap_frame` of `kmod/core/ring.h`).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Frame<'a> {
    data: *const u8,
    /// Seconds since 1970; the producer brings it into the 32 bits of a record.
    pub sec: u64,
    /// Nanoseconds past the second.
    pub nsec: u32,
    /// Bytes at `data`.
    caplen: u32,
    /// Bytes of the frame on the wire, without FCS.
    pub len: u32,
    hash: u32,
    lent: PhantomData<&'a [u8]>,
}

// SAFETY: a `Frame` is a shared slice of plain bytes and some numbers.
unsafe impl Send for Frame<'_> {}
// SAFETY: as above; nothing can be changed through it.
unsafe impl Sync for Frame<'_> {}

impl<'a> Frame<'a> {
    /// A frame of `len` bytes on the wire of which `data` is known (4 GiB at most).
    #[must_use]
    pub fn new(data: &'a [u8], len: u32, sec: u64, nsec: u32) -> Self {
        Self {
            data: data.as_ptr(),
            sec,
            nsec,
            caplen: u32::try_from(data.len()).unwrap_or(u32::MAX),
            len,
            hash: 0,
            lent: PhantomData,
        }
    }

    /// The bytes of the frame that are known.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        // SAFETY: `new` took pointer and length from one slice that lives for `'a`, and the
        // length only ever shrinks (`cut`).
        unsafe { std::slice::from_raw_parts(self.data, self.caplen as usize) }
    }

    /// Keeps the first `caplen` bytes at most.
    pub fn cut(&mut self, caplen: u32) {
        self.caplen = self.caplen.min(caplen);
    }
}

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
