//! How a capture has started, for the person who reads the messages.

use std::fmt;

use hpcap::units::Bytes;
use hpcap_host::Interface;
use nix::errno::Errno;

use super::super::event::InterfaceName;
use super::bpf::Place;
use super::queue::Queue;
use super::refusal::{Failure, Step};
use super::socket::Delivery;

/// The error numbers of ways that were tried in vain, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Refused {
    zero_copy: i32,
    native: i32,
}

impl Refused {
    /// Notes why a way of opening the socket was refused.
    pub(super) fn note(&mut self, failure: &Failure, place: Place, delivery: Delivery) {
        let errno = failure.error.raw_os_error().unwrap_or(libc::EIO);
        match (failure.step, place, delivery) {
            (Step::Bind(_) | Step::LongFrames(_), _, Delivery::ZeroCopy) => self.zero_copy = errno,
            (_, Place::Driver, _) => self.native = errno,
            _ => {}
        }
    }
}

/// How a capture by AF_XDP has started: in which mode, how frames arrive, and why not better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfXdpStart {
    interface: InterfaceName,
    queues: usize,
    place: Place,
    delivery: Delivery,
    several_buffers: bool,
    refused: Refused,
    memory_bytes: u64,
    page_bytes: u64,
}

impl AfXdpStart {
    pub(super) fn new(
        interface: &Interface,
        queues: &[Queue],
        place: Place,
        delivery: Delivery,
        several_buffers: bool,
        refused: Refused,
    ) -> Self {
        let memory = |queue: &Queue| queue.socket.memory.mapped.bytes() as u64;
        let page_bytes = queues.iter().map(|queue| queue.socket.memory.page_bytes);
        Self {
            interface: InterfaceName::new(&interface.name),
            queues: queues.len(),
            place,
            delivery,
            several_buffers,
            refused,
            memory_bytes: queues.iter().map(memory).sum(),
            page_bytes: page_bytes.min().unwrap_or_default(),
        }
    }

    /// Returns whether the program runs in the driver, rather than in the network stack.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.place == Place::Driver
    }

    /// Returns whether the NIC writes to the memory of the capture.
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.delivery == Delivery::ZeroCopy
    }
}

/// Says why the kernel refused.
fn reason(errno: i32) -> &'static str {
    match errno {
        libc::EOPNOTSUPP => "the driver has none",
        errno => Errno::from_raw(errno).desc(),
    }
}

impl fmt::Display for AfXdpStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues = match self.queues {
            1 => "1 queue".to_owned(),
            n => format!("{n} queues"),
        };
        write!(f, "{} is captured by AF_XDP, {queues}, ", self.interface)?;
        match (self.place, self.refused.native) {
            (Place::Driver, _) => write!(f, "native mode (in the driver)")?,
            (Place::Stack, 0) => write!(f, "generic mode (in the network stack)")?,
            (Place::Stack, errno) => write!(
                f,
                "generic mode (in the network stack; no native mode: {})",
                reason(errno)
            )?,
        }
        match (self.delivery, self.refused.zero_copy) {
            (Delivery::ZeroCopy, _) => write!(f, ", zero-copy")?,
            (Delivery::Copy, 0) => write!(f, ", the kernel copies")?,
            (Delivery::Copy, errno) => {
                write!(f, ", the kernel copies (no zero-copy: {})", reason(errno))?;
            }
        }
        write!(
            f,
            ", {} for frames in pages of {}",
            Bytes(self.memory_bytes),
            Bytes(self.page_bytes)
        )?;
        if !self.several_buffers {
            write!(f, "; a longer frame than the MTU allows is lost")?;
        }
        write!(
            f,
            "; the network stack of this machine gets none of these frames"
        )
    }
}
