//! One stream: a socket, its ring, and its counters.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hpcap::{Error, Result};
use hpcap_host::interface::Link;

use super::super::super::batch::Batch;
use super::super::super::schedule::COUNT_EVERY;
use super::super::is_about_interface;
use super::super::socket::Socket;
use crate::BATCH;
use crate::stream::{StreamHarvest, Traits};

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
        // A frame that cannot be read is missing somewhere in the batch, and is told with the next one.
        let lost = self.lost();
        let unreadable = self
            .socket
            .ring
            .take(&mut self.batch, self.link, Some(&mut self.traits));
        self.taken += self.batch.len() as u64 + unreadable;
        self.damaged += unreadable;
        Ok(StreamHarvest {
            frames: self.batch.lend(),
            traits: Some(&self.traits),
            filtered: !self.link.is_cooked(),
            lost,
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
