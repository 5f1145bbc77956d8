//! Opening a capture: the mode and the delivery of frames are chosen by trying.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;

use super::bpf::Place;
use super::memory::FrameMemory;
use super::program::{Program, Unserved};
use super::queue::Queue;
use super::refusal::{Failure, Step};
use super::socket::{Delivery, Socket};
use super::spec::{AfXdpSpec, Mode, Queues, ZeroCopy};
use super::start::{AfXdpStart, Refused};
use super::watch::Watch;

/// Frames that the memory of a queue holds, unless there are many queues.
const FRAMES: u32 = 16_384;
/// Frames that the memory of all queues together holds by default.
const FRAMES_OF_ALL: u32 = 131_072;
/// Least frames of a queue by default.
const FRAMES_LEAST: u32 = 2048;
/// Bytes of a chunk that the kernel keeps free before the frame (`XDP_PACKET_HEADROOM`).
const HEADROOM_BYTES: u32 = 256;
/// Time within which the kernel frees the queue of a closed socket, even on a busy machine.
const FREED_WITHIN: Duration = Duration::from_secs(2);
/// An Ethernet header with two VLAN tags.
const HEADER_BYTES: u32 = 22;

/// A running capture. Closing it detaches the program first, so that the network stack gets the
/// frames again at once.
#[derive(Debug)]
pub(super) struct Capture {
    /// The kernel detaches the program when this descriptor closes.
    _link: OwnedFd,
    pub(super) queues: Vec<Queue>,
    pub(super) program: Program,
    pub(super) watch: Watch,
    pub(super) start: AfXdpStart,
}

impl Capture {
    /// Starts to capture `interface` in the best way that `spec` allows and that works.
    pub(super) fn open(
        spec: &AfXdpSpec,
        interface: &Interface,
        cookie: Option<u64>,
    ) -> Result<Self> {
        if let Some(program) = interface.xdp_program {
            return Err(Failure::program_is_there(interface, program));
        }
        let there = interface.channels().map_or(1, |c| c.receive.max(1));
        let queues = chosen(spec, interface, there)?;
        let failed = |step| move |error| Failure { step, error };
        let watch = Watch::open(interface, spec.promiscuous)?;
        let unserved = if spec.pass {
            Unserved::Pass
        } else {
            Unserved::Drop
        };
        let program = Program::load(queues.last + 1, cookie, unserved)
            .map_err(failed(Step::Load))
            .map_err(|failure| failure.explain(interface, Place::Driver))?;
        let mut refused = Refused::default();
        let mut last = None;
        for (place, delivery) in attempts(spec) {
            match Self::attempt(spec, interface, queues, &program, place, delivery) {
                Ok((link, queues, several_buffers)) => {
                    return Ok(Self {
                        start: AfXdpStart::new(
                            interface,
                            &queues,
                            place,
                            delivery,
                            several_buffers,
                            refused,
                        ),
                        _link: link,
                        queues,
                        program,
                        watch,
                    });
                }
                Err(Stopped::Memory(error)) => return Err(error),
                Err(Stopped::Failure(failure)) => {
                    if !failure.is_about_mode(delivery) {
                        return Err(failure.explain(interface, place));
                    }
                    refused.note(&failure, place, delivery);
                    last = Some(failure.explain(interface, place));
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            let tried = format!("capture {} through AF_XDP", interface.name);
            Error::new(Kind::Io, tried, "there is no way left")
        }))
    }

    /// Tries one way. Returns the link, the queues, and whether frames may be in several chunks.
    fn attempt(
        spec: &AfXdpSpec,
        interface: &Interface,
        numbers: Queues,
        program: &Program,
        place: Place,
        delivery: Delivery,
    ) -> std::result::Result<(OwnedFd, Vec<Queue>, bool), Stopped> {
        let failed = |step| move |error| Stopped::Failure(Failure { step, error });
        let longest = interface.mtu.saturating_add(HEADER_BYTES);
        let chunk_bytes = if longest <= 2048 - HEADROOM_BYTES {
            2048
        } else {
            4096
        };
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
            let queue = Queue::new(socket);
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
        let link = program
            .attach(interface.index, place)
            .map_err(failed(Step::Attach))?;
        Ok((link, queues, several_buffers))
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

/// Returns the queues to capture, of `there` queues.
fn chosen(spec: &AfXdpSpec, interface: &Interface, there: u32) -> Result<Queues> {
    let all = Queues {
        first: 0,
        last: there - 1,
    };
    match spec.queues {
        None => Ok(all),
        Some(queues) if queues.last < there => Ok(queues),
        Some(queues) => Err(Error::new(
            Kind::NotFound,
            format!("capture queue {} of {}", queues.last, interface.name),
            match there {
                1 => "it has one receive queue, number 0".to_owned(),
                _ => format!("its receive queues are {all}"),
            },
        )
        .advise(format!(
            "ethtool -l {} shows and ethtool -L changes their number",
            interface.name
        ))),
    }
}

/// Returns the ways to try, the best first.
fn attempts(spec: &AfXdpSpec) -> Vec<(Place, Delivery)> {
    let mut ways = Vec::new();
    if spec.mode != Mode::Generic {
        if spec.zero_copy != ZeroCopy::Off {
            ways.push((Place::Driver, Delivery::ZeroCopy));
        }
        if spec.zero_copy != ZeroCopy::On {
            ways.push((Place::Driver, Delivery::Copy));
        }
    }
    if spec.mode != Mode::Native && spec.zero_copy != ZeroCopy::On {
        ways.push((Place::Stack, Delivery::Copy));
    }
    ways
}

/// Returns the number of frames that the memory of a queue holds by default.
fn frames_of_queue(interface: &Interface, queues: Queues, delivery: Delivery) -> u32 {
    let count = queues.last - queues.first + 1;
    let share = (FRAMES_OF_ALL / count).clamp(FRAMES_LEAST, FRAMES);
    let mut frames = 1 << share.ilog2();
    if delivery == Delivery::ZeroCopy {
        // The NIC holds as many chunks as its ring has descriptors.
        let ring = interface.ring_lengths().map_or(0, |ring| ring.receive);
        frames = frames.max(ring.saturating_mul(2).next_power_of_two().min(1 << 20));
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_queues_share_the_memory() {
        let interface = Interface::any();
        let frames = |last| {
            let queues = Queues { first: 0, last };
            frames_of_queue(&interface, queues, Delivery::Copy)
        };
        assert_eq!(
            [0, 7, 8, 15, 200].map(frames),
            [16_384, 16_384, 8192, 8192, 2048]
        );
    }

    #[test]
    fn ways_are_tried_from_the_best_on() {
        let ways = |options: &str| attempts(&AfXdpSpec::parse(options).unwrap());
        let (driver, stack) = (Place::Driver, Place::Stack);
        let (zero, copy) = (Delivery::ZeroCopy, Delivery::Copy);
        assert_eq!(ways("e"), [(driver, zero), (driver, copy), (stack, copy)]);
        assert_eq!(ways("e,mode=native"), [(driver, zero), (driver, copy)]);
        assert_eq!(ways("e,zerocopy=on"), [(driver, zero)]);
        assert_eq!(ways("e,mode=generic"), [(stack, copy)]);
        assert_eq!(ways("e,zerocopy=off"), [(driver, copy), (stack, copy)]);
    }
}
