//! The shared memory that a producer's answer gives access to, before it is mapped.
//! [`Connection::ask`](crate::connection::Connection::ask) returns it.

use std::os::fd::{AsFd, OwnedFd};

use crate::memory::{Access, Mapping, Place};
use hpcap_base::error::{Error, Kind, Result};
use hpcap_sys::abi;

/// A file or device, and the offset of a memory area in it.
type Located = (OwnedFd, u64);

/// The memory of an observer (the queue page) or of a listener (also ring and slot).
#[derive(Debug)]
pub struct Shared {
    queue: Located,
    listener: Option<(Located, Located)>,
}

fn place(at: &Located) -> Place<'_> {
    Place::new(at.0.as_fd(), at.1)
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Shared {
    /// The queue page is a separate file.
    pub(crate) fn file(queue: OwnedFd) -> Self {
        Self {
            queue: (queue, 0),
            listener: None,
        }
    }

    /// The queue page is part of a device.
    pub(crate) fn device(device: OwnedFd) -> Self {
        Self {
            queue: (device, abi::HPCAP_MMAP_QUEUE),
            listener: None,
        }
    }

    /// Adds ring and slot of a listener.
    pub(crate) fn of_listener(self, ring: Located, slot: Located) -> Self {
        Self {
            listener: Some((ring, slot)),
            ..self
        }
    }

    /// The location of the queue page.
    #[must_use]
    pub fn queue_page(&self) -> Place<'_> {
        place(&self.queue)
    }

    /// Maps the ring, which has `ring_bytes` bytes in pages of `page_bytes` bytes, twice in a row;
    /// and the slot.
    ///
    /// # Errors
    /// Returns [`Kind::Format`] when this is the memory of an observer, which has no ring, and the
    /// errors of [`Mapping::twice`].
    pub fn map_listener(&self, ring_bytes: u64, page_bytes: u64) -> Result<(Mapping, Mapping)> {
        let Some((ring, slot)) = &self.listener else {
            let why = "the producer gave no access to ring and slot";
            return Err(Error::new(Kind::Format, "attach to the queue", why));
        };
        let ring = Mapping::twice(
            place(ring),
            size(ring_bytes),
            size(page_bytes),
            Access::Read,
            "the ring",
        )?;
        let slot = Mapping::of(
            place(slot),
            abi::HPCAP_SLOT_BYTES,
            Access::Write,
            "the slot",
        )?;
        Ok((ring, slot))
    }
}
