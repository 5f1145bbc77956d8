//! `af_xdp:IF[:QUEUES]`: the frames that a network interface receives, taken by an XDP program
//! before the network stack sees them.
//!
//! An XDP program of some thirty instructions runs for each received frame, in the driver if the
//! driver can. It writes the time before the frame and hands the frame to the AF_XDP socket of its
//! queue. The kernel puts the frame into memory that this process shares with it (or the NIC does,
//! with zero-copy), and the source lends it from there. In a driver with XDP, a frame needs no socket
//! buffer and no protocol handler. On veth it does, and there this way costs more than AF_PACKET
//! (docs/performance.md).
//!
//! What this costs the user: the frames are taken *away* from the network stack. So the source
//! refuses an interface that this machine uses itself (`in_use`), unless it is told to take it over.
//!
//! The program is attached by a link (`BPF_LINK_CREATE`), which is a file descriptor. When the
//! process ends, even by SIGKILL, the kernel closes the descriptor and detaches the program. A source
//! that is dropped detaches the program itself.
//!
//! # Why the code is our own
//!
//! Of the libraries, the C library libxdp compiles and loads object files, and its dispatcher needs
//! BTF and a file system for pinned programs; xsk-rs binds to it. aya loads objects that a compiler
//! for BPF has made. xdpilone is under the EUPL, which is not permissive; the crate xdp has neither
//! multi-buffer frames nor metadata before the frame, where the time is. What is needed here is
//! small: seven commands of bpf(2), two rings, and a program that fits a page. It runs without a
//! compiler, without object files and without BTF on the user's machine.
//!
//! # Example
//!
//! ```no_run
//! use hpcap_source::Source;
//! use hpcap_source::af_xdp::{AfXdp, AfXdpSpec};
//!
//! # fn main() -> hpcap::Result<()> {
//! // This needs an interface that the machine does not use itself, and the rights to load programs.
//! let spec = AfXdpSpec::parse("eth1,mode=native")?;
//! let mut source = AfXdp::open(&spec)?;
//! let harvest = source.harvest()?;
//! println!("{} frames", harvest.frames.len());
//! # Ok(())
//! # }
//! ```

mod bpf;
mod capture;
mod choice;
mod clock;
mod close;
mod in_use;
mod look;
mod memory;
mod merge;
mod pace;
mod program;
mod queue;
mod queue_stream;
mod refusal;
mod shared;
mod socket;
mod spec;
mod start;
mod wait;
mod watch;

use std::os::fd::BorrowedFd;
use std::time::Duration;

use hpcap::Result;
use hpcap::error::Context;
use hpcap_host::Interface;

use super::batch::Batch;
use super::event::PendingEvents;
use super::losses::Losses;
use super::presence::Presence;
use super::schedule::{Schedule, sleep_time};
use super::{Description, Harvest, InterfaceName, Source, SourceEvent, State};
use capture::Capture;
use clock::Clock;
use look::check;
use pace::{Pace, fastest};
use queue::Joined;

pub use capture::chunk_bytes;
pub use in_use::use_of;
pub use queue_stream::QueueStream;
pub use spec::{AfXdpSpec, Mode, Queues, Time, ZeroCopy};
pub use start::AfXdpStart;

/// A source of the frames of a network interface, configured by [`AfXdpSpec`].
#[derive(Debug)]
pub struct AfXdp {
    spec: AfXdpSpec,
    // Dropped before `capture`, which owns the memory of the frames.
    batch: Batch,
    joined: Joined,
    clock: Clock,
    /// `None` after the interface has gone and all frames left in the rings were taken.
    capture: Option<Capture>,
    interface: Interface,
    /// LINKTYPE_ value of Ethernet, the only one that this source captures.
    link_type: u32,
    presence: Presence,
    losses: Losses,
    /// Frames so far that arrived on queues without a socket.
    unserved: u64,
    pace: Pace,
    /// Descriptors of each queue that were taken before the last sleep.
    taken: Vec<u64>,
    /// What [`AfXdp::wait`] waits for, kept so that waiting allocates nothing.
    polled: Vec<libc::pollfd>,
    schedule: Schedule,
    /// Whether the queues give their frames to the network stack again.
    closed: bool,
    /// Whether [`SourceEvent::PollTimestamps`] was reported.
    poll_time_told: bool,
    events: PendingEvents,
}

impl AfXdp {
    /// Starts to capture. An interface that is down is not an error: [`Source::next_event`] reports
    /// it.
    ///
    /// # Errors
    /// `NotFound` for an unknown interface or queue, `Permission` without the
    /// capabilities, `Busy` when the interface has an XDP program, or when this machine uses
    /// the interface itself, `Format` when its frames are not Ethernet, `Full` when
    /// there is no memory.
    pub fn open(spec: &AfXdpSpec) -> Result<Self> {
        let interface = Interface::required(&spec.interface)?;
        check(spec, &interface)?;
        let capture = Capture::open(spec, &interface)?;
        let mut source = Self {
            spec: spec.clone(),
            batch: Batch::new(),
            joined: Joined::new(),
            clock: Clock::new(capture.attached.cookie),
            pace: pace(spec, &capture, &interface),
            taken: vec![0; capture.queues.len()],
            polled: Vec::with_capacity(capture.queues.len() + 1),
            capture: None,
            presence: Presence::Up,
            losses: Losses::new(&interface, spec.queues.is_none()),
            unserved: 0,
            schedule: Schedule::start(),
            closed: false,
            poll_time_told: false,
            events: PendingEvents::new(),
            link_type: interface.link_type()?,
            interface,
        };
        source.events.push(SourceEvent::AfXdp(capture.start));
        if source.interface.offloads().strips_vlan {
            let interface = InterfaceName::new(&source.interface.name);
            source.events.push(SourceEvent::TagsStripped { interface });
        }
        source.capture = Some(capture);
        source.look()?;
        Ok(source)
    }

    /// Returns how the capture has started; `None` while its interface is gone.
    #[must_use]
    pub fn start(&self) -> Option<AfXdpStart> {
        self.capture.as_ref().map(|capture| capture.start)
    }

    /// Reads how many frames the kernel has dropped since the last call.
    fn count(&mut self) -> Result<()> {
        self.schedule.note_count();
        let Some(capture) = &mut self.capture else {
            return Ok(());
        };
        for queue in &mut capture.queues {
            queue.count()?;
        }
        let unserved = capture
            .attached
            .program
            .unserved()
            .context(|| "read the counter of the XDP program")?;
        // Frames on queues that nobody asked for, or asks for any more, are no losses.
        if self.spec.queues.is_none() && !self.closed && unserved > self.unserved {
            if self.unserved == 0 {
                self.events.push(SourceEvent::QueueAdded);
            }
            self.losses.missed(unserved - self.unserved);
            self.unserved = unserved;
        }
        Ok(())
    }

    /// Reads the counters of drops and checks the interface, unless both were done a short time ago.
    ///
    /// Where drops are likely, [`Queue::release`](queue::Queue::release) reads the counters at once, so that the report
    /// of the drops gets the right place.
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

    /// Sleeps until frames may be ready or `stop` is readable, at most for `timeout`.
    fn wait_or_stop(&mut self, timeout: Duration, stop: Option<BorrowedFd<'_>>) -> Result<()> {
        self.release()?;
        let timeout = sleep_time(timeout, self.presence == Presence::Up);
        self.sleep(timeout, stop)?;
        self.count_if_due()
    }

    /// Gives the memory of taken frames back to the kernel.
    fn release(&mut self) -> Result<()> {
        self.batch.clear();
        self.joined.clear();
        if let Some(capture) = &mut self.capture {
            for queue in &mut capture.queues {
                queue.release()?;
            }
        }
        Ok(())
    }
}

fn pace(spec: &AfXdpSpec, capture: &Capture, interface: &Interface) -> Pace {
    let room = capture.queues.iter().map(|q| q.socket.memory.chunks).min();
    let sleeps = spec.time == Time::Kernel;
    Pace::new(room.unwrap_or(0).into(), fastest(interface), sleeps)
}

impl Source for AfXdp {
    fn description(&self) -> Description {
        Description {
            interface: self.spec.interface.clone(),
            link_type: self.link_type,
            clock_source: match self.spec.time {
                Time::Kernel => "kernel",
                Time::Poll => "engine",
            },
            waits: false,
            knows_directions: true,
        }
    }

    fn harvest(&mut self) -> Result<Harvest<'_>> {
        self.release()?;
        // On a link that is never idle nobody calls `wait`, so the counters are read here, too.
        self.count_if_due()?;
        self.poll_driver();
        self.take();
        let ended = self.closed && self.batch.is_empty() && self.is_drained();
        let mut harvest = self.batch.harvest(self.losses.report());
        if ended {
            harvest.state = State::Ended;
        }
        Ok(harvest)
    }

    fn wait(&mut self, timeout: Duration) -> Result<()> {
        self.wait_or_stop(timeout, None)
    }

    fn close(&mut self) -> Result<bool> {
        self.stop_serving()
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.events.pop()
    }
}
