//! `af_xdp:IF[:QUEUES]`: the frames that a network interface receives, taken by an XDP program
//! before the network stack sees them.
//!
//! An XDP program of some thirty instructions runs for each received frame, in the driver if the
//! driver can. It writes the time before the frame and hands the frame to the AF_XDP socket of its
//! queue. The kernel puts the frame into memory that this process shares with it (or the NIC does,
//! with zero-copy), and the source lends it from there. There is no socket buffer, no protocol
//! handler and no system call per frame, which is why this way costs less than AF_PACKET.
//!
//! What this costs the user: the frames are taken *away* from the network stack. So the source
//! refuses an interface that this machine uses itself (`in_use`), unless it is told to take it over.
//!
//! The program is attached by a link (`BPF_LINK_CREATE`), which is a file descriptor. When the
//! process ends, even by SIGKILL, the kernel closes the descriptor and detaches the program.
//!
//! # Why the code is our own
//!
//! Of the libraries, the C library libxdp compiles and loads object files, and its dispatcher needs
//! BTF and a file system for pinned programs; xsk-rs binds to it. aya loads objects that a compiler
//! for BPF has made. xdpilone is under the EUPL, which is not permissive; the crate xdp has neither
//! multi-buffer frames nor metadata before the frame, where the time is. What is needed here is
//! small: seven commands of bpf(2), two rings, and a program that fits a page. It runs without a
//! compiler, without object files and without BTF on the user's machine.

mod bpf;
mod capture;
mod clock;
mod in_use;
mod memory;
mod pace;
mod program;
mod queue;
mod refusal;
mod socket;
mod spec;
mod start;
mod wait;
mod watch;

use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;

use super::af_packet::is_about_interface;
use super::batch::Batch;
use super::event::PendingEvents;
use super::losses::Losses;
use super::{Description, Harvest, InterfaceName, Source, SourceEvent, State};
use capture::Capture;
use clock::{Clock, Stamp};
use pace::Pace;
use queue::{Joined, Next, Taken};

pub use spec::{AfXdpSpec, Mode, Queues, Time, ZeroCopy};
pub use start::AfXdpStart;

/// Time between two looks at an interface that is down or gone.
const LOOK_FOR: Duration = Duration::from_millis(100);
/// Time between two readings of the sockets' drop counters while frames keep coming.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Time between two readings of the interface's counters.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// State of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Up,
    Down,
    /// The interface was removed. The rings, if there are any, may have frames left.
    Gone,
}

/// A source of the frames of a network interface, configured by [`AfXdpSpec`].
#[derive(Debug)]
pub struct AfXdp {
    spec: AfXdpSpec,
    // Dropped before `capture`, which owns the memory of the frames.
    batch: Batch,
    joined: Joined,
    clock: Clock,
    cookie: Option<u64>,
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
    counted: Instant,
    looked: Instant,
    /// Whether [`SourceEvent::PollTimestamps`] was reported.
    poll_time_told: bool,
    events: PendingEvents,
}

impl AfXdp {
    /// Starts to capture. An interface that is down is not an error: [`Source::next_event`] reports
    /// it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown interface or queue, [`Kind::Permission`] without the
    /// capabilities, [`Kind::Busy`] when the interface has an XDP program, or when this machine uses
    /// the interface itself, [`Kind::Format`] when its frames are not Ethernet, [`Kind::Full`] when
    /// there is no memory.
    pub fn open(spec: &AfXdpSpec) -> Result<Self> {
        let interface = Interface::required(&spec.interface)?;
        check(spec, &interface)?;
        let cookie = match spec.time {
            Time::Kernel => Some(random()?),
            Time::Poll => None,
        };
        let capture = Capture::open(spec, &interface, cookie)?;
        let now = Instant::now();
        let mut source = Self {
            spec: spec.clone(),
            batch: Batch::new(),
            joined: Joined::new(),
            clock: Clock::new(cookie),
            cookie,
            pace: pace(spec, &capture),
            taken: vec![0; capture.queues.len()],
            polled: Vec::with_capacity(capture.queues.len() + 1),
            capture: None,
            presence: Presence::Up,
            losses: Losses::new(&interface, spec.queues.is_none()),
            unserved: 0,
            counted: now,
            looked: now,
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
        self.counted = Instant::now();
        let Some(capture) = &mut self.capture else {
            return Ok(());
        };
        for queue in &mut capture.queues {
            queue.count()?;
        }
        let unserved = capture
            .program
            .unserved()
            .context(|| "read the counter of the XDP program")?;
        // Frames on queues that nobody asked for are no losses.
        if self.spec.queues.is_none() && unserved > self.unserved {
            if self.unserved == 0 {
                self.events.push(SourceEvent::QueueAdded);
            }
            self.losses.missed(unserved - self.unserved);
            self.unserved = unserved;
        }
        Ok(())
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

    /// Fills the batch with the frames of all queues, in the order of their times.
    fn take(&mut self) {
        let Some(capture) = &mut self.capture else {
            return;
        };
        let mut unstamped = false;
        // Losses are reported before the frames of a batch, so a batch ends before a gap.
        let mut ended = false;
        self.clock.look();
        for queue in &mut capture.queues {
            let missing = queue.take_missing();
            self.losses.missed(missing);
            queue.refresh();
        }
        while !ended && !self.batch.is_full() {
            let mut first: Option<(Next, usize)> = None;
            let mut until: Option<Stamp> = None;
            for (number, queue) in capture.queues.iter().enumerate() {
                let Some(next) = queue.next(&self.clock) else {
                    continue;
                };
                let later = match first {
                    Some((earliest, _)) if next.stamp >= earliest.stamp => Some(next.stamp),
                    _ => first
                        .replace((next, number))
                        .map(|(earliest, _)| earliest.stamp),
                };
                until = [until, later].into_iter().flatten().min();
            }
            let Some((mut next, number)) = first else {
                break;
            };
            // The frames of this queue up to the next one of another queue.
            let queue = &mut capture.queues[number];
            loop {
                unstamped |= !next.stamp.by_kernel;
                match queue.take(&next, &mut self.batch, &mut self.joined) {
                    Taken::Frame => {}
                    Taken::Damaged => {
                        self.losses.damaged(1);
                        self.events.push(SourceEvent::InvalidBlock);
                    }
                    Taken::Later => ended = true,
                }
                ended |= queue.is_at_gap() || self.batch.is_full();
                if ended {
                    break;
                }
                match queue.next(&self.clock) {
                    Some(later) if until.is_none_or(|until| later.stamp <= until) => next = later,
                    _ => break,
                }
            }
        }
        for queue in &capture.queues {
            queue.publish();
        }
        if unstamped && self.cookie.is_some() && !self.poll_time_told {
            self.poll_time_told = true;
            self.events.push(SourceEvent::PollTimestamps);
        }
    }

    /// Checks whether the interface exists and is up, and reads its counters.
    fn look(&mut self) -> Result<()> {
        self.looked = Instant::now();
        let found = match &self.capture {
            Some(capture) if capture.watch.is_bound()? => {
                Interface::by_index(self.interface.index)?
            }
            _ => None,
        };
        let Some(interface) = found else {
            if self.presence == Presence::Gone {
                self.close_drained()?;
                return match self.capture {
                    Some(_) => Ok(()),
                    None => self.look_for_another(),
                };
            }
            self.presence = Presence::Gone;
            self.events.push(SourceEvent::InterfaceGone);
            return Ok(());
        };
        self.losses.look(&interface);
        match (self.presence, interface.is_up()) {
            (Presence::Up, false) => {
                self.presence = Presence::Down;
                self.events.push(SourceEvent::InterfaceDown);
            }
            (Presence::Down | Presence::Gone, true) => {
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

    /// Closes the sockets if their rings have no frames left. No frame may be lent during the call.
    fn close_drained(&mut self) -> Result<()> {
        self.release()?;
        self.count()?;
        let Some(capture) = &mut self.capture else {
            return Ok(());
        };
        let mut drained = true;
        for queue in &mut capture.queues {
            drained &= !queue.refresh();
        }
        if drained {
            for queue in &mut capture.queues {
                let missing = queue.take_missing();
                self.losses.missed(missing);
            }
            self.capture = None;
        }
        Ok(())
    }

    /// Continues with another interface of the same name, if there is one by now.
    fn look_for_another(&mut self) -> Result<()> {
        let Some(interface) = Interface::by_name(&self.spec.interface)? else {
            return Ok(());
        };
        check(&self.spec, &interface)?;
        let capture = match Capture::open(&self.spec, &interface, self.cookie) {
            Ok(capture) => capture,
            // The interface was removed again or is not ready yet; the next look tries again.
            Err(e) if is_about_interface(e.os_error()) => return Ok(()),
            Err(e) => return Err(e),
        };
        self.losses.replaced(&interface);
        self.unserved = 0;
        self.pace = pace(&self.spec, &capture);
        self.taken = vec![0; capture.queues.len()];
        self.events.push(SourceEvent::InterfaceBack);
        self.presence = if interface.is_up() {
            Presence::Up
        } else {
            self.events.push(SourceEvent::InterfaceDown);
            Presence::Down
        };
        self.capture = Some(capture);
        self.interface = interface;
        Ok(())
    }
}

/// Fails if `interface` cannot be captured, or must not.
fn check(spec: &AfXdpSpec, interface: &Interface) -> Result<()> {
    let tried = || format!("capture {} through AF_XDP", spec.interface);
    if interface.is_any() {
        return Err(
            Error::usage("source af_xdp:any", "AF_XDP captures one interface")
                .advise("af_packet:any captures all of them"),
        );
    }
    if !interface.link()?.has_addresses() {
        return Err(
            Error::new(Kind::Format, tried(), "its frames are not Ethernet").advise(format!(
                "-i {} captures it through AF_PACKET",
                spec.interface
            )),
        );
    }
    if spec.takeover {
        return Ok(());
    }
    match in_use::use_of(interface)? {
        None => Ok(()),
        Some(how) => Err(Error::new(
            Kind::Busy,
            tried(),
            format!(
                "this machine uses it: {how}; AF_XDP takes the frames away from the network \
                 stack, so connections over it, such as yours, would break"
            ),
        )
        .advise(format!(
            "-i {0} captures it and leaves the frames to the stack; af_xdp:{0},takeover=on takes \
             them all the same",
            spec.interface
        ))),
    }
}

fn pace(spec: &AfXdpSpec, capture: &Capture) -> Pace {
    let room = capture.queues.iter().map(|q| q.socket.memory.chunks).min();
    Pace::new(room.unwrap_or(0).into(), spec.time == Time::Kernel)
}

/// Returns a number that no memory has by chance.
fn random() -> Result<u64> {
    let mut number = 0_u64;
    let bytes = size_of::<u64>();
    // SAFETY: the kernel writes eight bytes, any of which are a valid number.
    let got = unsafe { libc::getrandom((&raw mut number).cast(), bytes, 0) };
    match usize::try_from(got) {
        Ok(got) if got == bytes => Ok(number),
        _ => Err(Error::io(
            "get a random number",
            std::io::Error::last_os_error(),
        )),
    }
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
        }
    }

    fn harvest(&mut self) -> Result<Harvest<'_>> {
        self.release()?;
        // On a link that is never idle nobody calls `wait`, so the counters are read here, too.
        if self.counted.elapsed() >= COUNT_EVERY {
            self.count()?;
            if self.looked.elapsed() >= LOOK_EVERY {
                self.look()?;
            }
        }
        self.poll_driver();
        self.take();
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
        let up = self.presence == Presence::Up;
        self.sleep(if up { timeout } else { timeout.min(LOOK_FOR) })?;
        self.count()?;
        let every = if up { LOOK_EVERY } else { LOOK_FOR };
        if self.looked.elapsed() >= every {
            self.look()?;
        }
        Ok(())
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.events.pop()
    }
}
