//! The state of queues as data: one model, which text, JSON and every other form render.
//!
//! A [`Survey`] opens the queues of this machine and says which ones it could not see. A
//! [`QueueReport`] is the state of one of them: its counters and listeners ([`QueueStatus`]) and the
//! settings of its duplicate filter ([`DedupReport`]). [`Rates`] are the difference of two readings
//! of a ledger. Every type implements `Serialize`; [`json_line`] writes it as one line of JSON, and
//! `Display` writes it for people.
//!
//! ```
//! use std::time::Duration;
//!
//! use hpcap::report::{Rates, json_line};
//! use hpcap::{Count, Ledger, Reason};
//!
//! let before = Ledger::default();
//! let mut now = before;
//! now[Reason::Captured] = Count::new(2000, 120_000);
//! let rates = Rates::between(&before, &now, Duration::from_secs(2));
//! assert_eq!(rates.captured.frames_per_second, 1000.0);
//! assert!(json_line(&rates)?.starts_with("{\"seconds\":2.0,"));
//! # Ok::<(), hpcap::Error>(())
//! ```

mod dedup;
mod rates;
mod status;
mod survey;

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::visible::{visible, visible_json};

pub use dedup::{DedupFields, DedupReport};
pub use rates::{Rate, Rates};
pub use status::{ListenerStatus, QueueStatus, write_ledger};
pub use survey::Survey;

/// All that is known of a queue.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct QueueReport {
    /// The counters and the listeners.
    #[serde(flatten)]
    pub status: QueueStatus,
    /// The duplicate filter; `None` when the producer does not report its settings.
    pub dedup: Option<DedupReport>,
}

impl QueueReport {
    /// Reads the state of `queue` and asks its producer for the settings of the duplicate filter.
    #[must_use]
    pub fn of(queue: &Queue) -> Self {
        Self {
            status: QueueStatus::of(queue),
            dedup: DedupReport::of(queue),
        }
    }
}

/// Writes the status, with a line for the duplicate filter after the headline.
impl fmt::Display for QueueReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.status.headline())?;
        if let Some(dedup) = &self.dedup {
            writeln!(f, "  {:<12} {}", "dedup", visible(&dedup.text))?;
        }
        f.write_str(&self.status.details())
    }
}

/// Writes `object` as one line of JSON that ends with a newline. Control characters are escaped, so
/// that the line is safe to print on a terminal.
///
/// # Errors
/// Returns [`Kind::Io`](crate::Kind::Io) when `object` cannot be written as JSON, such as a map
/// whose keys are not strings.
pub fn json_line(object: &impl Serialize) -> Result<String> {
    serde_json::to_string(object)
        .map(|line| visible_json(&line).into_owned() + "\n")
        .map_err(|e| Error::io("print JSON", e.into()))
}
