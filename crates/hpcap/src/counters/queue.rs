//! The counters of a queue.

use super::{Counter, Kind, Unit};
use crate::queue::{LedgerSnapshot, Queue};
use crate::{Count, Reason};

/// The counters of a queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueueReading {
    /// The ledger and what the queue counts beside it.
    pub counts: LedgerSnapshot,
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
    /// Whether the producer of the queue still runs.
    pub running: bool,
}

impl QueueReading {
    /// Reads the counters of `queue` from its page. This asks the producer nothing.
    #[must_use]
    pub fn of(queue: &Queue) -> Self {
        // The order matters: the counters of a queue that does not run are final.
        let running = queue.is_running();
        Self {
            counts: queue.ledger(),
            ring_bytes: queue.info().ring_bytes,
            running,
        }
    }

    fn count(&self, reason: Reason) -> Count {
        self.counts.ledger[reason]
    }
}

const PRODUCER: &str = "the poll thread, in the queue page";

/// The two rows, frames and bytes, of a reason.
macro_rules! reason {
    ($reason:ident, $name:literal, $family:literal, $of_family:literal, $meaning:literal,
     $place:expr, $advice:literal) => {
        [
            Counter {
                key: concat!("ledger.", $name, ".frames"),
                family: concat!("hpcap_", $family, "_packets"),
                family_meaning: Some(concat!("Frames ", $of_family)),
                reason: Some(Reason::$reason),
                kind: Kind::Counter,
                unit: Unit::Frames,
                meaning: concat!("Frames ", $meaning),
                place: $place,
                advice: $advice,
                read: |q: &QueueReading| q.count(Reason::$reason).frames,
            },
            Counter {
                key: concat!("ledger.", $name, ".bytes"),
                family: concat!("hpcap_", $family, "_bytes"),
                family_meaning: Some(concat!("Bytes of the frames ", $of_family)),
                reason: Some(Reason::$reason),
                kind: Kind::Counter,
                unit: Unit::Bytes,
                meaning: concat!("Bytes of the frames ", $meaning),
                place: $place,
                advice: $advice,
                read: |q: &QueueReading| q.count(Reason::$reason).bytes,
            },
        ]
    };
}

const fn plain(
    key: &'static str,
    family: &'static str,
    unit: Unit,
    meaning: &'static str,
    advice: &'static str,
    read: fn(&QueueReading) -> u64,
) -> Counter<QueueReading> {
    Counter {
        place: PRODUCER,
        advice,
        ..Counter::alone(Kind::Counter, key, family, unit, meaning, read)
    }
}

const DISCARDED: [[Counter<QueueReading>; 2]; 3] = [
    reason!(
        Duplicate,
        "duplicate",
        "discarded",
        "that nobody wanted, by reason",
        "that were removed as copies of earlier frames",
        PRODUCER,
        "nothing: the duplicate filter does its work"
    ),
    reason!(
        Filtered,
        "filtered",
        "discarded",
        "that nobody wanted, by reason",
        "that the filter rejected",
        PRODUCER,
        "nothing: the filter does its work"
    ),
    reason!(
        NoListener,
        "no_listener",
        "discarded",
        "that nobody wanted, by reason",
        "that arrived while no listener was attached",
        PRODUCER,
        "start the recorder, if one should run"
    ),
];

const DROPPED: [[Counter<QueueReading>; 2]; 3] = [
    reason!(
        RingFull,
        "ring_full",
        "dropped",
        "that were lost, by reason",
        "that were lost because a lossless listener held the ring back",
        PRODUCER,
        "find the listener with the largest lag (`hpcapctl status`): its disk or its program is too slow"
    ),
    reason!(
        NicMissed,
        "nic_missed",
        "dropped",
        "that were lost, by reason",
        "that the NIC or the kernel lost before the poll thread saw them",
        "the NIC or the kernel; the poll thread reads their counters",
        "give the poll thread a core of its own on the node of the NIC, and see `hpcapctl doctor`"
    ),
    reason!(
        NicError,
        "nic_error",
        "dropped",
        "that were lost, by reason",
        "that arrived damaged",
        "the NIC; the poll thread reads its counters",
        "clean or replace cable and transceivers"
    ),
];

const CAPTURED: [Counter<QueueReading>; 2] = {
    let mut rows = reason!(
        Captured,
        "captured",
        "captured",
        "that are stored in the ring",
        "that are stored in the ring",
        PRODUCER,
        ""
    );
    // The family has this reason alone, and needs no label.
    rows[0].reason = None;
    rows[1].reason = None;
    rows
};

const RECEIVED: [Counter<QueueReading>; 2] = [
    plain(
        "on_the_wire.frames",
        "hpcap_receive_packets",
        Unit::Frames,
        "All frames on the wire: captured, discarded and dropped",
        "",
        |q| q.counts.ledger.on_the_wire().frames,
    ),
    plain(
        "on_the_wire.bytes",
        "hpcap_receive_bytes",
        Unit::Bytes,
        "Bytes of all frames on the wire, without FCS; frames whose length nobody knows count as 0 bytes",
        "",
        |q| q.counts.ledger.on_the_wire().bytes,
    ),
];

const MORE: [Counter<QueueReading>; 8] = [
    plain(
        "duplicates_marked",
        "hpcap_marked_packets",
        Unit::Frames,
        "Captured frames that carry a mark as a duplicate",
        "nothing: the duplicate filter does its work",
        |q| q.counts.duplicates_marked,
    ),
    plain(
        "frames_cut",
        "hpcap_cut_packets",
        Unit::Frames,
        "Captured frames longer than 65,535 bytes, of which the rest is not stored",
        "switch off the offload that merges frames: `hpcapctl doctor` names it",
        |q| q.counts.frames_cut,
    ),
    plain(
        "times_adjusted",
        "hpcap_time_adjusted_packets",
        Unit::Frames,
        "Captured frames whose time a record cannot hold, stored with the nearest time that it can",
        "check the clock of the machine, or of the capture file",
        |q| q.counts.times_adjusted,
    ),
    plain(
        "gaps",
        "hpcap_gaps",
        Unit::Gaps,
        "Gap records in the stream, each of which says where frames are missing",
        "look for the reason of the loss in `hpcap_dropped_packets_total`",
        |q| q.counts.gaps,
    ),
    plain(
        "published_bytes",
        "hpcap_ring_published_bytes",
        Unit::Bytes,
        "Bytes of the RAW stream that listeners may read, since the queue started",
        "",
        |q| q.counts.published,
    ),
    Counter {
        kind: Kind::Gauge,
        ..plain(
            "longest_pause_ns",
            "hpcap_longest_pause_nanoseconds",
            Unit::Nanoseconds,
            "The longest time between two looks of the poll thread for frames, since the queue started; frames wait in the NIC meanwhile, \
             and those that find no room there are `nic_missed`",
            "give the poll thread a core of its own: something else ran there, or the machine itself stood still",
            |q| q.counts.longest_pause_ns,
        )
    },
    Counter {
        kind: Kind::Gauge,
        ..plain(
            "ring_bytes",
            "hpcap_ring_size_bytes",
            Unit::Bytes,
            "Size of the ring",
            "",
            |q| q.ring_bytes,
        )
    },
    Counter {
        kind: Kind::Gauge,
        ..plain(
            "running",
            "hpcap_queue_running",
            Unit::Flag,
            "Whether the producer of the queue runs",
            "",
            |q| u64::from(q.running),
        )
    },
];

/// The counters of a queue. `on the wire = captured + discarded + dropped`.
pub static QUEUE: &[Counter<QueueReading>] = &{
    let [received, received_bytes] = RECEIVED;
    let [captured, captured_bytes] = CAPTURED;
    let [[d0, d0b], [d1, d1b], [d2, d2b]] = DISCARDED;
    let [[l0, l0b], [l1, l1b], [l2, l2b]] = DROPPED;
    let [m0, m1, m2, m3, m4, m5, m6, m7] = MORE;
    [
        received,
        received_bytes,
        captured,
        captured_bytes,
        d0,
        d1,
        d2,
        d0b,
        d1b,
        d2b,
        l0,
        l1,
        l2,
        l0b,
        l1b,
        l2b,
        m0,
        m1,
        m2,
        m3,
        m4,
        m5,
        m6,
        m7,
    ]
};
