//! The table of all counters of hpcap. It says of each counter how it is called, in which unit it counts, what it
//! means, who counts it, and what to do when it grows.
//!
//! [`QUEUE`], [`LISTENER`] and [`INTERFACE`] are the tables. Each row reads its value from a reading of
//! one queue, one listener or one network interface. The keys of JSON, the names in Prometheus and
//! docs/counters.md come from these rows, so that no two surfaces disagree. [`Delta`] is the difference
//! of two values of a counter, whatever has happened to the counter in between.
//!
//! ```
//! use hpcap::counters::{QUEUE, QueueReading};
//! use hpcap::{Count, Reason};
//!
//! let mut reading = QueueReading::default();
//! reading.counts.ledger[Reason::RingFull] = Count::new(7, 420);
//! let row = QUEUE.iter().find(|row| row.key == "ledger.ring_full.frames").unwrap();
//! assert_eq!(row.metric(), "hpcap_dropped_packets_total");
//! assert_eq!((row.reason, row.value(&reading)), (Some(Reason::RingFull), 7));
//! ```

mod delta;
mod interface;
mod listener;
mod page;
mod queue;

use crate::Reason;

pub use delta::Delta;
pub use interface::{INTERFACE, InterfaceReading};
pub use listener::{LISTENER, ListenerReading};
pub use page::page;
pub use queue::{QUEUE, QueueReading};

/// How a value changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The value only grows, until its counter is reset.
    Counter,
    /// The value goes up and down.
    Gauge,
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Frames.
    Frames,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Gap records of the RAW stream.
    Gaps,
    /// Nanoseconds.
    Nanoseconds,
    /// 1 for yes, 0 for no.
    Flag,
}

impl Unit {
    /// The name of the unit, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes a second",
            Self::Gaps => "gaps",
            Self::Nanoseconds => "nanoseconds",
            Self::Flag => "1 or 0",
        }
    }
}

/// A counter or another value of an `S`: of a queue, a listener or an interface.
#[derive(Debug)]
pub struct Counter<S: 'static> {
    /// Key in JSON; a dot separates the key of an object from a key within it.
    pub key: &'static str,
    /// Name of the family in Prometheus and OpenMetrics, without `_total`. Rows of the same family
    /// stand together and differ in `reason`.
    pub family: &'static str,
    /// What the family counts, where several rows share it.
    pub family_meaning: Option<&'static str>,
    /// The value of the label `reason`.
    pub reason: Option<Reason>,
    /// How the value changes.
    pub kind: Kind,
    /// What the value counts.
    pub unit: Unit,
    /// What the value means.
    pub meaning: &'static str,
    /// Who counts, and where.
    pub place: &'static str,
    /// What to do when the value grows; empty if nothing is to be done.
    pub advice: &'static str,
    read: fn(&S) -> u64,
}

impl<S> Counter<S> {
    /// Returns the row of a value that stands alone in its family. A table adds who counts it, and what
    /// to do when it grows.
    const fn alone(
        kind: Kind,
        key: &'static str,
        family: &'static str,
        unit: Unit,
        meaning: &'static str,
        read: fn(&S) -> u64,
    ) -> Self {
        Self {
            key,
            family,
            family_meaning: None,
            reason: None,
            kind,
            unit,
            meaning,
            place: "",
            advice: "",
            read,
        }
    }

    /// Reads the value from `reading`.
    #[must_use]
    pub fn value(&self, reading: &S) -> u64 {
        (self.read)(reading)
    }

    /// The name in Prometheus, such as `hpcap_receive_packets_total`.
    #[must_use]
    pub fn metric(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.family),
            Kind::Gauge => self.family.to_owned(),
        }
    }

    /// What the family of this row means, for `# HELP`.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.family_meaning.unwrap_or(self.meaning)
    }
}
