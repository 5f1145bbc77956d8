//! The counters of a listener.

use super::{Counter, Kind, Unit};
use crate::listener::Contract;
use crate::queue::ListenerInfo;

/// The values of a listener at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ListenerReading {
    /// Published bytes that the listener has not acknowledged.
    pub lag_bytes: u64,
    /// Whether the listener holds the ring back.
    pub lossless: bool,
}

impl From<&ListenerInfo> for ListenerReading {
    fn from(listener: &ListenerInfo) -> Self {
        Self {
            lag_bytes: listener.lag_bytes,
            lossless: !matches!(listener.contract, Contract::Lossy),
        }
    }
}

const fn gauge(
    key: &'static str,
    family: &'static str,
    unit: Unit,
    meaning: &'static str,
    advice: &'static str,
    read: fn(&ListenerReading) -> u64,
) -> Counter<ListenerReading> {
    Counter {
        place: "the listener's slot, compared with the queue page",
        advice,
        ..Counter::alone(Kind::Gauge, key, family, unit, meaning, read)
    }
}

/// The values of a listener.
pub static LISTENER: &[Counter<ListenerReading>] = &[
    gauge(
        "lag_bytes",
        "hpcap_listener_lag_bytes",
        Unit::Bytes,
        "Published bytes that the listener has not read yet; a lossless listener whose lag reaches the size of the ring costs frames",
        "make the listener faster, or its disk, or give the queue a larger ring",
        |l| l.lag_bytes,
    ),
    gauge(
        "lossless",
        "hpcap_listener_lossless",
        Unit::Flag,
        "Whether the listener holds the ring back until it has read everything",
        "",
        |l| u64::from(l.lossless),
    ),
];
