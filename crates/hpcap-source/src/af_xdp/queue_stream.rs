//! One receive queue as a stream of its own, for programs that look at queues separately.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use hpcap::Result;

use super::{AfXdp, AfXdpSpec, Queues};
use crate::stream::StreamHarvest;
use crate::{Source, SourceEvent, State};

/// The frames that one receive queue of an interface takes in, as the driver hands them over: before the network stack, which
/// gets none of them.
///
/// The streams of an interface that one process opens share an XDP program.
///
/// ```no_run
/// use hpcap_source::af_xdp::{AfXdpSpec, QueueStream};
///
/// # fn main() -> hpcap::Result<()> {
/// // This needs an interface that the machine does not use itself, and the rights to load programs.
/// let mut stream = QueueStream::open(&AfXdpSpec::new("eth1"), 3)?;
/// println!("{} frames of queue 3", stream.harvest()?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct QueueStream {
    number: u32,
    source: AfXdp,
    lost: u64,
    drained: bool,
}

impl QueueStream {
    /// Captures receive queue `number` as `spec` says; the queues that `spec` names are not looked at.
    ///
    /// # Errors
    /// Those of [`AfXdp::open`].
    pub fn open(spec: &AfXdpSpec, number: u32) -> Result<Self> {
        let only = Queues {
            first: number,
            last: number,
        };
        let spec = AfXdpSpec {
            queues: Some(only),
            ..spec.clone()
        };
        Ok(Self {
            number,
            source: AfXdp::open(&spec)?,
            lost: 0,
            drained: false,
        })
    }

    /// The number of the queue.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Frames for which the memory of the queue had no room, and frames that could not be read.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Lends the next frames.
    ///
    /// # Errors
    /// An error of the socket.
    pub fn harvest(&mut self) -> Result<StreamHarvest<'_>> {
        let harvest = self.source.harvest()?;
        let lost = harvest.lost.iter().map(|(_, count)| count.frames);
        self.lost += lost.sum::<u64>();
        self.drained = harvest.state == State::Ended;
        Ok(StreamHarvest {
            frames: harvest.frames,
            traits: None,
            filtered: false,
            lost: self.lost,
        })
    }

    /// Sleeps until frames may be ready or `stop` is readable, at most for `timeout`.
    ///
    /// # Errors
    /// An error of the socket.
    pub fn wait(&mut self, timeout: Duration, stop: Option<BorrowedFd<'_>>) -> Result<()> {
        self.source.wait_or_stop(timeout, stop)
    }

    /// Gives the queue back to the network stack. The frames in the ring can still be taken.
    ///
    /// # Errors
    /// An error of the kernel.
    pub fn close_intake(&mut self) -> Result<()> {
        self.drained = !self.source.close()?;
        Ok(())
    }

    /// Whether every frame was taken that arrived until [`QueueStream::close_intake`].
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// Takes the oldest event that was not taken yet.
    pub fn next_event(&mut self) -> Option<SourceEvent> {
        self.source.next_event()
    }
}
