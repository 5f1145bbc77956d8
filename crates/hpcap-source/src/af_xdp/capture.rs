//! Opening a capture: the mode and the delivery of frames are chosen by trying.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;

use super::bpf::Place;
use super::choice::{attempts, chosen, frames_of_queue};
use super::memory::FrameMemory;
use super::program::{Program, Unserved};
use super::queue::Queue;
use super::refusal::{Failure, Step};
use super::shared::{Attached, Opening};
use super::socket::{Delivery, Socket};
use super::spec::{AfXdpSpec, Queues, Time};
use super::start::{AfXdpStart, Refused};
use super::watch::Watch;

/// Bytes of a chunk that the kernel keeps free before the frame (`XDP_PACKET_HEADROOM`).
const HEADROOM_BYTES: u32 = 256;
/// Time within which the kernel frees the queue of a closed socket, even on a busy machine.
const FREED_WITHIN: Duration = Duration::from_secs(2);
/// An Ethernet header with two VLAN tags.
const HEADER_BYTES: u32 = 22;

/// A running capture.
#[derive(Debug)]
pub(super) struct Capture {
    // Dropped first: without a program, the network stack gets the frames again at once.
    pub(super) attached: Arc<Attached>,
    pub(super) queues: Vec<Queue>,
    pub(super) watch: Watch,
    pub(super) start: AfXdpStart,
}

/// Facts of the interface, gathered before the first attempt.
struct Plan<'a> {
    spec: &'a AfXdpSpec,
    interface: &'a Interface,
    numbers: Queues,
}

impl Capture {
    /// Starts to capture `interface` in the best way that `spec` allows and that works.
    pub(super) fn open(spec: &AfXdpSpec, interface: &Interface) -> Result<Self> {
        let opening = Opening::begin(interface)?;
        let joined = opening.joined(spec)?;
        if let (None, Some(program)) = (&joined, interface.xdp_program) {
            return Err(Failure::program_is_there(interface, program));
        }
        let there = interface.channels().map_or(1, |c| c.receive.max(1));
        let plan = Plan {
            spec,
            interface,
            numbers: chosen(spec, interface, there)?,
        };
        let watch = Watch::open(interface, spec.promiscuous)?;
        let mut refused = Refused::default();
        if let Some(attached) = joined {
            let place = attached.place;
            let ways = attempts(spec).into_iter().filter(|way| way.0 == place);
            let (way, opened) = plan.first_of(ways, &attached.program, &mut refused, |_| Ok(()))?;
            return Ok(Self::started(&plan, attached, watch, way, opened, refused));
        }
        let cookie = match spec.time {
            Time::Kernel => Some(random()?),
            Time::Poll => None,
        };
        let unserved = if spec.pass {
            Unserved::Pass
        } else {
            Unserved::Drop
        };
        let program = Program::load(there, cookie, unserved)
            .map_err(|error| Failure::new(Step::Load, error))
            .map_err(|failure| failure.explain(interface, Place::Driver))?;
        let ways = attempts(spec).into_iter();
        let mut link = None;
        let (way, opened) = plan.first_of(ways, &program, &mut refused, |place| {
            let attached = program.attach(interface.index, place);
            link = Some(attached.map_err(|error| Failure::new(Step::Attach, error))?);
            Ok(())
        })?;
        let Some(link) = link else {
            return Err(nothing_left(interface));
        };
        let attached = opening.share(link, program, way.0, cookie, spec);
        Ok(Self::started(&plan, attached, watch, way, opened, refused))
    }

    fn started(
        plan: &Plan<'_>,
        attached: Arc<Attached>,
        watch: Watch,
        (place, delivery): (Place, Delivery),
        opened: Opened,
        refused: Refused,
    ) -> Self {
        let several = opened.several_buffers;
        let start = AfXdpStart::new(
            plan.interface,
            &opened.queues,
            place,
            delivery,
            several,
            refused,
        );
        Self {
            attached,
            queues: opened.queues,
            watch,
            start,
        }
    }
}

/// The bound sockets of all queues.
struct Opened {
    queues: Vec<Queue>,
    /// Whether frames may be in several chunks.
    several_buffers: bool,
}

fn nothing_left(interface: &Interface) -> Error {
    let tried = format!("capture {} through AF_XDP", interface.name);
    Error::new(Kind::Io, tried, "there is no way left")
}

impl Plan<'_> {
    /// Opens the queues in the first of `ways` that works. `attach` attaches the program to a place.
    fn first_of(
        &self,
        ways: impl Iterator<Item = (Place, Delivery)>,
        program: &Program,
        refused: &mut Refused,
        mut attach: impl FnMut(Place) -> std::result::Result<(), Failure>,
    ) -> Result<((Place, Delivery), Opened)> {
        let mut last = None;
        for (place, delivery) in ways {
            let opened = self.attempt(program, delivery).and_then(|opened| {
                attach(place)?;
                Ok(opened)
            });
            match opened {
                Ok(opened) => return Ok(((place, delivery), opened)),
                Err(Stopped::Memory(error)) => return Err(error),
                Err(Stopped::Failure(failure)) => {
                    if !failure.is_about_mode(delivery) {
                        return Err(failure.explain(self.interface, place));
                    }
                    refused.note(&failure, place, delivery);
                    last = Some(failure.explain(self.interface, place));
                }
            }
        }
        Err(last.unwrap_or_else(|| nothing_left(self.interface)))
    }

    /// Opens the sockets of all queues, and hands them to the program.
    fn attempt(
        &self,
        program: &Program,
        delivery: Delivery,
    ) -> std::result::Result<Opened, Stopped> {
        let Plan {
            spec,
            interface,
            numbers,
        } = *self;
        let failed = |step| move |error| Stopped::Failure(Failure::new(step, error));
        let (longest, chunk_bytes) = (longest_frame(interface), chunk_bytes(interface));
        let frames = spec
            .frames
            .unwrap_or_else(|| frames_of_queue(interface, numbers, delivery));
        let mut several_buffers = true;
        let mut queues = Vec::new();
        for number in numbers.first..=numbers.last {
            let memory =
                FrameMemory::allocate(frames, chunk_bytes, spec.pages).map_err(Stopped::Memory)?;
            let socket = Socket::open(memory).map_err(failed(Step::Open))?;
            if spec.busy_poll {
                socket.prefer_busy_poll().map_err(failed(Step::BusyPoll))?;
            }
            // The kernel reads the fill ring while it binds, and gives the chunks to the NIC.
            let queue = Queue::new(number, socket);
            let bind =
                |several| bind_when_free(&queue.socket, interface.index, number, delivery, several);
            match bind(several_buffers) {
                Ok(()) => {}
                Err(_) if several_buffers && longest <= chunk_bytes - HEADROOM_BYTES => {
                    bind(false).map_err(failed(Step::Bind(number)))?;
                    several_buffers = false;
                }
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) && bind_fits(&bind) => {
                    return Err(failed(Step::LongFrames(longest))(e));
                }
                Err(e) => return Err(failed(Step::Bind(number))(e)),
            }
            program
                .serve(number, queue.socket.as_fd())
                .map_err(failed(Step::Serve(number)))?;
            queues.push(queue);
        }
        Ok(Opened {
            queues,
            several_buffers,
        })
    }
}

/// Length in bytes of the longest frame that the MTU of `interface` allows.
fn longest_frame(interface: &Interface) -> u32 {
    interface.mtu.saturating_add(HEADER_BYTES)
}

/// Returns how many bytes of memory a frame of `interface` takes; a longer one takes several times as much.
#[must_use]
pub fn chunk_bytes(interface: &Interface) -> u32 {
    if longest_frame(interface) <= 2048 - HEADROOM_BYTES {
        2048
    } else {
        4096
    }
}

/// Binds a socket. The kernel frees the queue of a socket that was closed only a moment later, so a
/// queue that is taken is tried again for a while.
fn bind_when_free(
    socket: &Socket,
    interface: u32,
    queue: u32,
    delivery: Delivery,
    several_buffers: bool,
) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match socket.bind(interface, queue, delivery, several_buffers) {
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) && start.elapsed() < FREED_WITHIN => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// Returns whether the socket can be bound for frames in one chunk, so that several are the reason
/// why it cannot.
fn bind_fits(bind: &impl Fn(bool) -> io::Result<()>) -> bool {
    bind(false).is_ok()
}

/// Why an attempt stopped.
enum Stopped {
    /// There is no memory, which is the same for every attempt.
    Memory(Error),
    Failure(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Returns a number that no memory has by chance.
fn random() -> Result<u64> {
    let mut number = 0_u64;
    let bytes = size_of::<u64>();
    // SAFETY: the kernel writes eight bytes, any of which are a valid number.
    let got = unsafe { libc::getrandom((&raw mut number).cast(), bytes, 0) };
    match usize::try_from(got) {
        Ok(got) if got == bytes => Ok(number),
        _ => Err(Error::io("get a random number", io::Error::last_os_error())),
    }
}
