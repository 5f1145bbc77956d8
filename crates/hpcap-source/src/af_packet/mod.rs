//! `af_packet:IF`: the frames of a network interface, lent straight from the memory that the
//! kernel writes them to.
//!
//! An interface that goes down or is removed does not end the capture: the source reports the
//! event, waits, and continues when the interface comes back. The source counts the losses of the
//! kernel and of the NIC.

mod classic;
mod cooked;
mod ring;
mod socket;
mod spec;
pub mod streams;
mod vlan;

use std::io;
use std::time::{Duration, Instant};

use hpcap::{Error, Kind, Result};

use super::batch::Batch;
use super::event::PendingEvents;
use super::losses::Losses;
use super::schedule::{Schedule, sleep_time};
use super::{Description, Harvest, InterfaceName, Source, SourceEvent, State};
use hpcap_host::interface::{Interface, Link};
pub(crate) use socket::program_name;
use socket::{RETIRE, Socket};
pub use spec::{AfPacketSpec, Direction, Time};

/// State of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Up,
    Down,
    /// The interface was removed. The socket, if it is still open, may have frames left in its
    /// ring.
    Gone {
        since: Instant,
    },
}

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
    events: PendingEvents,
}

impl AfPacket {
    /// Starts to capture. An interface that is down is not an error: [`Source::next_event`] reports
    /// it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown interface, [`Kind::Permission`] without CAP_NET_RAW,
    /// [`Kind::Format`] when the interface's frames are neither Ethernet nor IP, [`Kind::Full`]
    /// when there is no memory for the ring.
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
        if let Some(socket) = &self.socket {
            let drops = socket.drops()?;
            // The kernel drops frames while the ring is full. It is full still, or it was full
            // until a block was released, after which the kernel filled block `resumed`.
            let before = socket.ring.seq_after_full().unwrap_or(self.resumed);
            self.losses.missed_before(before, drops);
        }
        Ok(())
    }

    /// Reads the counter of drops, and looks at the interface, if the last time is long enough ago.
    /// Where drops are likely, `release` reads the counter at once, for their place.
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

    /// Checks whether the interface exists and is up, and reads its counters.
    fn look(&mut self) -> Result<()> {
        self.schedule.note_look();
        if self.interface.is_any() {
            // A capture of all interfaces is not bound to one, so nothing can go down or vanish.
            return Ok(());
        }
        let found = match &self.socket {
            Some(socket) if socket.is_bound()? => Interface::by_index(self.interface.index)?,
            _ => None,
        };
        match found {
            Some(interface) => {
                self.losses.look(&interface);
                match (self.presence, interface.is_up()) {
                    (Presence::Up, false) => {
                        self.presence = Presence::Down;
                        self.events.push(SourceEvent::InterfaceDown);
                    }
                    (Presence::Down | Presence::Gone { .. }, true) => {
                        self.presence = Presence::Up;
                        self.events.push(SourceEvent::InterfaceUp);
                    }
                    _ => {}
                }
                if interface.name != self.interface.name {
                    self.events.push(SourceEvent::InterfaceRenamed {
                        from: InterfaceName::new(&self.interface.name),
                        to: InterfaceName::new(&interface.name),
                    });
                }
                self.interface = interface;
                Ok(())
            }
            None => match self.presence {
                Presence::Gone { since } => {
                    // By then, the kernel has handed over the last block that it was filling.
                    if since.elapsed() > RETIRE * 5 {
                        self.close_drained()?;
                    }
                    match self.socket {
                        Some(_) => Ok(()),
                        None => self.look_for_another(),
                    }
                }
                Presence::Up | Presence::Down => {
                    let since = Instant::now();
                    self.presence = Presence::Gone { since };
                    self.events.push(SourceEvent::InterfaceGone);
                    Ok(())
                }
            },
        }
    }

    /// Closes the socket if its ring has no frames left. No frame may be lent during the call.
    fn close_drained(&mut self) -> Result<()> {
        self.release()?;
        if self.socket.as_ref().is_some_and(|s| s.ring.is_drained()) {
            self.count()?;
            self.losses.reached(u64::MAX);
            self.resumed = 0;
            self.socket = None;
        }
        Ok(())
    }

    /// Continues with another interface of the same name, if there is one by now.
    fn look_for_another(&mut self) -> Result<()> {
        let Some(interface) = Interface::by_name(&self.spec.interface)? else {
            return Ok(());
        };
        if self.spec.fanout.is_some() && !interface.is_up() {
            // An interface can join a fanout group only while it is up.
            return Ok(());
        }
        let link = interface.link()?;
        if link != self.link {
            return Err(Error::new(
                Kind::Format,
                format!("go on with {}", self.spec.interface),
                "it came back as an interface of another kind, whose frames are different",
            )
            .advise("start the capture anew"));
        }
        let socket = match Socket::open(&self.spec, &interface, link) {
            Ok(socket) => socket,
            // The interface was removed again or is not ready yet; the next look tries again.
            Err(e) if is_about_interface(e.os_error()) => return Ok(()),
            // Other members of the fanout group still have sockets on the old interface.
            Err(e) if self.spec.fanout.is_some() && e.os_error() == Some(libc::EINVAL) => {
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        self.losses.replaced(&interface);
        self.socket = Some(socket);
        self.events.push(SourceEvent::InterfaceBack);
        self.presence = if interface.is_up() {
            Presence::Up
        } else {
            self.events.push(SourceEvent::InterfaceDown);
            Presence::Down
        };
        self.interface = interface;
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

/// Returns whether the error means that the interface is down or gone.
pub(crate) fn is_about_interface(errno: Option<i32>) -> bool {
    matches!(errno, Some(libc::ENETDOWN | libc::ENODEV | libc::ENXIO))
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
        let state = if self.batch.is_empty() {
            State::Idle
        } else {
            State::Busy
        };
        Ok(Harvest {
            frames: self.batch.lend(),
            lost: self.losses.report(),
            state,
        })
    }

    fn wait(&mut self, timeout: Duration) -> Result<()> {
        self.release()?;
        let timeout = sleep_time(timeout, self.presence == Presence::Up);
        match &self.socket {
            Some(socket) if !matches!(self.presence, Presence::Gone { .. }) => {
                if socket.poll(timeout, None)? {
                    let error = socket.take_error()?;
                    self.handle_socket_error(error)?;
                }
            }
            _ => std::thread::sleep(timeout),
        }
        self.count_if_due()
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.events.pop()
    }
}
