//! `af_packet:IF`: the frames of a network interface, lent straight from the memory that the
//! kernel writes them to.
//!
//! An interface that goes down or is removed does not end the capture: the source reports the
//! event, waits, and continues when the interface comes back. The source counts the losses of the
//! kernel and of the NIC.
//!
//! ```no_run
//! use hpcap_source::Source;
//! use hpcap_source::af_packet::{AfPacket, AfPacketSpec};
//!
//! # fn main() -> hpcap::Result<()> {
//! // This needs an interface, and the right to capture (CAP_NET_RAW).
//! let mut source = AfPacket::open(&AfPacketSpec::new("eth0"))?;
//! let harvest = source.harvest()?;
//! println!("{} frames", harvest.frames.len());
//! # Ok(())
//! # }
//! ```

mod classic;
mod cooked;
mod frame;
mod look;
mod ring;
mod socket;
mod spec;
pub mod streams;
mod vlan;

use std::io;
use std::time::Duration;

use hpcap::{Error, Result};

use super::batch::Batch;
use super::event::PendingEvents;
use super::losses::Losses;
use super::presence::Presence;
use super::schedule::{Schedule, sleep_time};
use super::{Description, Harvest, InterfaceName, Source, SourceEvent, State};
use hpcap_host::interface::{Interface, Link};
pub(crate) use look::is_about_interface;
use socket::Socket;
pub(crate) use socket::program_name;
pub use spec::{AfPacketSpec, Direction, Time};

/// A source of the frames of a network interface, configured by [`AfPacketSpec`].
#[derive(Debug)]
pub struct AfPacket {
    spec: AfPacketSpec,
    batch: Batch,
    /// `None` after the interface has gone and all frames left in the ring were taken.
    socket: Option<Socket>,
    interface: Interface,
    link: Link,
    presence: Presence,
    losses: Losses,
    schedule: Schedule,
    /// Number of the first block that the kernel filled after its ring was last full.
    resumed: u64,
    /// Whether [`SourceEvent::KernelTimestamps`] was reported.
    kernel_time_told: bool,
    /// Whether the source receives nothing more.
    closed: bool,
    events: PendingEvents,
}

impl AfPacket {
    /// Starts to capture. An interface that is down is not an error: [`Source::next_event`] reports
    /// it.
    ///
    /// # Errors
    /// [`NotFound`](hpcap::Kind::NotFound) for an unknown interface, [`Permission`](hpcap::Kind::Permission) without
    /// CAP_NET_RAW, [`Format`](hpcap::Kind::Format) when the interface's frames are neither Ethernet nor IP,
    /// [`Full`](hpcap::Kind::Full) when there is no memory for the ring.
    pub fn open(spec: &AfPacketSpec) -> Result<Self> {
        let interface = Interface::required(&spec.interface)?;
        let link = interface.link()?;
        let nic = spec.fanout.is_none() && spec.direction != Direction::Out && !interface.is_any();
        let mut source = Self {
            socket: Some(Socket::open(spec, &interface, link)?),
            spec: spec.clone(),
            batch: Batch::new(),
            presence: Presence::Up,
            losses: Losses::new(&interface, nic),
            schedule: Schedule::start(),
            resumed: 0,
            kernel_time_told: false,
            closed: false,
            events: PendingEvents::new(),
            interface,
            link,
        };
        if let Some(event) = frames_merged(&source.interface) {
            source.events.push(event);
        }
        source.look()?;
        Ok(source)
    }

    /// Reads how many frames the kernel has dropped since the last call.
    fn count(&mut self) -> Result<()> {
        self.schedule.note_count();
        if let Some(socket) = &mut self.socket {
            let drops = socket.drops()?;
            // The kernel drops frames while the ring is full. It is full still, or it was full
            // until a block was released, after which the kernel filled block `resumed`.
            let before = socket.ring.seq_after_full().unwrap_or(self.resumed);
            self.losses.missed_before(before, drops);
        }
        Ok(())
    }

    /// Reads the counter of drops and checks the interface, unless both were done a short time ago. Where drops are
    /// likely, `release` reads the counter at once, so that the report of the drops gets the right place.
    fn count_if_due(&mut self) -> Result<()> {
        if !self.schedule.is_count_due() {
            return Ok(());
        }
        self.count()?;
        if self.schedule.is_look_due(self.presence == Presence::Up) {
            self.look()?;
        }
        Ok(())
    }

    /// Gives the block back to the kernel if all of its frames were read. If the ring was full, all
    /// frames that the kernel has dropped so far are missing before the block that it fills next.
    fn release(&mut self) -> Result<()> {
        self.batch.clear();
        let Some(socket) = &mut self.socket else {
            return Ok(());
        };
        if !socket.ring.is_block_read() {
            return Ok(());
        }
        let Some(before) = socket.ring.seq_after_full() else {
            socket.ring.release();
            return Ok(());
        };
        self.resumed = before;
        self.losses.missed_before(before, socket.drops()?);
        socket.ring.release();
        // Frames that the kernel dropped between the call above and the release.
        self.losses.missed_before(before, socket.drops()?);
        Ok(())
    }

    /// Handles `error`, which the socket reported, if there is one.
    fn handle_socket_error(&mut self, error: Option<io::Error>) -> Result<()> {
        let Some(error) = error else {
            return Ok(());
        };
        if !is_about_interface(error.raw_os_error()) {
            return Err(Error::io(
                format!("receive from {}", self.interface.name),
                error,
            ));
        }
        let before = self.presence;
        self.look()?;
        if before == Presence::Up && self.presence == Presence::Up {
            self.events.push(SourceEvent::InterfaceRestarted);
        }
        Ok(())
    }
}

/// Returns a warning if the interface merges received frames of a connection into larger ones,
/// because a capture sees only the larger frames.
pub(crate) fn frames_merged(interface: &Interface) -> Option<SourceEvent> {
    let offloads = interface.offloads();
    // The loopback interface is exempt: it has no traffic of other hosts.
    let merges = interface.hardware == libc::ARPHRD_ETHER && (offloads.gro || offloads.lro);
    merges.then(|| SourceEvent::FramesMerged {
        interface: InterfaceName::new(&interface.name),
        gro: offloads.gro,
        lro: offloads.lro,
    })
}

impl Source for AfPacket {
    fn description(&self) -> Description {
        Description {
            interface: self.spec.interface.clone(),
            link_type: self.link.link_type,
            clock_source: match self.spec.time {
                Time::Kernel => "kernel",
                Time::Hardware => "nic",
            },
            waits: false,
            knows_directions: true,
        }
    }

    fn harvest(&mut self) -> Result<Harvest<'_>> {
        self.release()?;
        // On a link that is never idle nobody calls `wait`, so the counters are read here, too.
        self.count_if_due()?;
        if let Some(socket) = &mut self.socket {
            let unreadable = socket.ring.take(&mut self.batch, self.link, None);
            let by_kernel = socket.ring.take_stamped_by_kernel();
            if self.spec.time == Time::Hardware && by_kernel > 0 && !self.kernel_time_told {
                self.kernel_time_told = true;
                self.events.push(SourceEvent::KernelTimestamps);
            }
            if unreadable > 0 {
                self.losses.damaged(unreadable);
                self.events.push(SourceEvent::InvalidBlock);
            }
        }
        if let Some(socket) = &self.socket {
            self.losses.reached(socket.ring.seq());
        }
        let is_drained = self.socket.as_ref().is_none_or(Socket::is_drained);
        let ended = self.closed && self.batch.is_empty() && is_drained;
        let mut harvest = self.batch.harvest(self.losses.report());
        if ended {
            harvest.state = State::Ended;
        }
        Ok(harvest)
    }

    fn wait(&mut self, timeout: Duration) -> Result<()> {
        self.release()?;
        let timeout = sleep_time(timeout, self.presence == Presence::Up);
        match &self.socket {
            Some(socket) if !self.presence.is_gone() => {
                if socket.poll(timeout, None)? {
                    let error = socket.take_error()?;
                    self.handle_socket_error(error)?;
                }
            }
            _ => std::thread::sleep(timeout),
        }
        self.count_if_due()
    }

    fn close(&mut self) -> Result<bool> {
        let Some(socket) = &self.socket else {
            return Ok(false);
        };
        socket.close_intake()?;
        self.closed = true;
        self.count()?;
        Ok(true)
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.events.pop()
    }
}
