//! Counters of a stream, which its worker writes and others read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a stream, on a cache line of their own, so that workers do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Counters {
    received: AtomicU64,
    sent: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    unwritten: AtomicU64,
}

/// Counts of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamCounts {
    /// Number of the stream.
    pub number: u32,
    /// Frames that the interface received.
    pub received: u64,
    /// Frames that the interface sent.
    pub sent: u64,
    /// Bytes of all these frames.
    pub bytes: u64,
    /// Frames that are missing.
    pub lost: u64,
    /// Frames that are not known to be in the file of the stream, because writing failed; known at the
    /// end.
    pub unwritten: u64,
}

impl StreamCounts {
    /// Frames of both directions.
    #[must_use]
    pub fn captured(&self) -> u64 {
        self.received + self.sent
    }
}

/// Frames of one batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batch {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) bytes: u64,
}

impl Counters {
    /// Adds a batch. Only the worker of the stream does so.
    pub(super) fn add(&self, batch: Batch) {
        self.received.fetch_add(batch.received, Ordering::Relaxed);
        self.sent.fetch_add(batch.sent, Ordering::Relaxed);
        self.bytes.fetch_add(batch.bytes, Ordering::Relaxed);
    }

    /// Sets the number of frames that are missing.
    pub(super) fn set_lost(&self, frames: u64) {
        self.lost.store(frames, Ordering::Relaxed);
    }

    /// Sets the number of frames that are not known to be written, of all that were captured.
    pub(super) fn set_delivered(&self, frames: u64) {
        let captured = self.received.load(Ordering::Relaxed) + self.sent.load(Ordering::Relaxed);
        let unwritten = captured.saturating_sub(frames);
        self.unwritten.store(unwritten, Ordering::Relaxed);
    }

    /// Reads the counters of stream `number`.
    pub(super) fn read(&self, number: u32) -> StreamCounts {
        StreamCounts {
            number,
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            unwritten: self.unwritten.load(Ordering::Relaxed),
        }
    }
}
