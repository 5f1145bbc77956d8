//! One stream: a socket, its ring, and its counters.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hpcap::{Error, Result, Timestamp};
use hpcap_host::interface::Link;

use super::super::super::batch::Batch;
use super::super::super::schedule::COUNT_EVERY;
use super::super::frame::Traits;
use super::super::is_about_interface;
use super::super::socket::Socket;
use crate::{BATCH, Frame};

/// The frames of one CPU, queue or node.
#[derive(Debug)]
pub struct Stream {
    number: u32,
    batch: Batch,
    traits: Vec<Traits>,
    socket: Socket,
    link: Link,
    /// Frames that the kernel has put into the ring, as of the last look at its counters.
    received: u64,
    /// Frames that were taken out of the ring.
    taken: u64,
    dropped: u64,
    damaged: u64,
    counted: Instant,
}

/// A frame of a stream, in the memory that the kernel wrote it to.
#[derive(Debug, Clone, Copy)]
pub struct StreamFrame<'a> {
    /// The captured bytes.
    pub data: &'a [u8],
    /// Length of the frame in bytes.
    pub len: u32,
    /// When the kernel saw the frame.
    pub time: Timestamp,
    /// Whether this host sent the frame.
    pub outgoing: bool,
    /// Whether the kernel has applied the filter. It cannot where it has taken a VLAN tag out, or
    /// where the frames have headers of a capture of all interfaces.
    pub filtered: bool,
}

/// The frames that [`Stream::harvest`] lends.
#[derive(Debug)]
pub struct StreamHarvest<'a> {
    frames: &'a [Frame<'a>],
    traits: &'a [Traits],
    cooked: bool,
}

impl StreamHarvest<'_> {
    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether no frame is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames, in the order in which the kernel handled them.
    pub fn frames(&self) -> impl Iterator<Item = StreamFrame<'_>> {
        self.frames
            .iter()
            .zip(self.traits)
            .map(|(frame, traits)| StreamFrame {
                data: frame.data(),
                len: frame.len,
                time: Timestamp::new(u32::try_from(frame.sec).unwrap_or(u32::MAX), frame.nsec),
                outgoing: traits.outgoing,
                filtered: !traits.tagged && !self.cooked,
            })
    }
}

impl Stream {
    pub(super) fn new(number: u32, socket: Socket, link: Link) -> Self {
        Self {
            number,
            batch: Batch::new(),
            traits: Vec::with_capacity(BATCH),
            socket,
            link,
            received: 0,
            taken: 0,
            dropped: 0,
            damaged: 0,
            counted: Instant::now(),
        }
    }

    /// The number of the CPU, the queue or the node.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Frames for which the ring had no room, and frames that could not be read.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.dropped + self.damaged
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        self.socket.fd()
    }

    /// Lends the next frames.
    ///
    /// # Errors
    /// An error of the socket.
    pub fn harvest(&mut self) -> Result<StreamHarvest<'_>> {
        self.release();
        if self.counted.elapsed() >= COUNT_EVERY {
            self.count()?;
        }
        let unreadable = self
            .socket
            .ring
            .take(&mut self.batch, self.link, Some(&mut self.traits));
        self.taken += self.batch.len() as u64 + unreadable;
        self.damaged += unreadable;
        Ok(StreamHarvest {
            frames: self.batch.lend(),
            traits: &self.traits,
            cooked: self.link.is_cooked(),
        })
    }

    fn release(&mut self) {
        self.batch.clear();
        self.traits.clear();
        self.socket.ring.release();
    }

    /// Reads the kernel's counters.
    ///
    /// # Errors
    /// An error of the socket.
    pub fn count(&mut self) -> Result<()> {
        self.counted = Instant::now();
        let statistics = self.socket.statistics()?;
        let dropped = u64::from(statistics.tp_drops);
        self.dropped += dropped;
        self.received += u64::from(statistics.tp_packets).saturating_sub(dropped);
        Ok(())
    }

    /// Sleeps until frames may be ready or `stop` is readable, at most for `timeout`. Without `stop`, only frames end the sleep.
    ///
    /// # Errors
    /// An error of the socket. An interface that went down or vanished is no error, because the socket receives again
    /// when the interface is up.
    pub fn wait(&mut self, timeout: Duration, stop: Option<BorrowedFd<'_>>) -> Result<()> {
        self.release();
        if self.socket.poll(timeout, stop)?
            && let Some(error) = self.socket.take_error()?
            && !is_about_interface(error.raw_os_error())
        {
            return Err(Error::io("receive from a packet socket", error));
        }
        self.count()
    }

    /// Stops receiving. The frames in the ring can still be taken.
    ///
    /// # Errors
    /// An error of the socket.
    pub fn close_intake(&mut self) -> Result<()> {
        self.socket.close_intake()?;
        self.count()
    }

    /// Whether every frame that the kernel has put into the ring was taken.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.taken >= self.received && self.socket.ring.is_drained()
    }
}
