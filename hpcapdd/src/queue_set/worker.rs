//! The recording of one queue, in a thread of its own.

use std::thread::JoinHandle;

use hpcap::error::Context;
use hpcap::{QueueName, Result};
use hpcap_service::Part;

use crate::cli::Cli;
use crate::internal_error::internal_error;
use crate::plan::{Destination, Origin};
use crate::recorder::record_one;
use crate::report::reporter::Reporter;
use crate::session::signals::Signals;

/// A thread that records a queue.
pub(super) struct Worker {
    pub(super) queue: QueueName,
    signals: Signals,
    part: Part,
    /// `None` after the outcome was taken.
    thread: Option<JoinHandle<Result<()>>>,
}

impl Worker {
    /// Starts to record `queue` into `destination`, with the limits and formats of `cli`.
    ///
    /// # Errors
    /// An error if the thread cannot start.
    pub(super) fn start(
        queue: QueueName,
        cli: Cli,
        destination: Destination,
        (mut reporter, part): (Reporter, Part),
        signals: Signals,
    ) -> Result<Self> {
        let of_thread = signals.clone();
        let record = move || {
            let origin = Origin::Queue(queue);
            record_one(&cli, &origin, &destination, &mut reporter, &of_thread)
        };
        let thread = std::thread::Builder::new()
            .name(queue.to_string())
            .spawn(record)
            .context(|| format!("start the thread that records {queue}"))?;
        Ok(Self {
            queue,
            signals,
            part,
            thread: Some(thread),
        })
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Whether the recording goes on, or its outcome was not taken yet.
    pub(super) fn goes_on(&self) -> bool {
        self.thread.is_some()
    }

    /// Whether the recording has begun, or waits for its queue.
    pub(super) fn is_ready(&self) -> bool {
        self.part.is_ready()
    }

    /// The heartbeat of the thread; `None` after it has ended.
    pub(super) fn beat(&self) -> Option<u64> {
        self.goes_on().then(|| self.part.beat())
    }

    /// Takes the outcome of the recording, once, after it has ended.
    pub(super) fn outcome(&mut self) -> Option<Result<()>> {
        let thread = self.thread.take_if(|thread| thread.is_finished())?;
        let joined = thread.join();
        Some(joined.unwrap_or_else(|panic| {
            Err(internal_error(
                format!("record {}", self.queue),
                panic.as_ref(),
            ))
        }))
    }
}
