//! docs/counters.md: the text between the tables stands here, the tables come from the rows.

use std::fmt::Write;

use super::{Counter, INTERFACE, LISTENER, QUEUE};

const START: &str = "\
# The counters

When a number of hpcap grows, look it up here: what it means, who counts it, and what to do.

A counter has two names. The *key* is its name in JSON (`hpcapctl status --json` for queues and listeners) and in the full
log of `hpcap-monitor`; a dot stands before the key of an inner object. The *metric* is its name in Prometheus.

Each frame is counted once, by what became of it ([ledger.md](ledger.md)):

    hpcap_receive_packets_total = hpcap_captured_packets_total
                                + sum of hpcap_discarded_packets_total over its reasons
                                + sum of hpcap_dropped_packets_total over its reasons

Bytes are those of whole frames without FCS. A lost frame whose length nobody knows counts as 0 bytes.

A counter starts at 0 when its queue starts, or when the driver of its interface is loaded. A counter that is smaller than
before has started again. The programs of hpcap then take its growth as 0, so that no rate is negative; `rate()` and
`increase()` of Prometheus expect such a start, too.

The last column of the tables says what to do when a counter grows. It is empty where growth is normal.
";

const QUEUES: &str = "
## Queues

Labels: `device` is the adapter, such as `hpcap0`, and `queue` the number of its queue.
";

const LISTENERS: &str = "
## Listeners

Labels: those of the queue; `listener` is the number that `hpcapctl kill` takes, and `program` the name of the listener.
";

const INTERFACES: &str = "
## Network interfaces

Labels: `device` is the interface. The numbers are those of `ip -s link`, and count what passes the interface, whether
or not hpcap captures it.
";

/// Returns the text of docs/counters.md.
#[must_use]
pub fn page() -> String {
    let mut page = START.to_owned();
    page += QUEUES;
    table(&mut page, QUEUE);
    page += LISTENERS;
    table(&mut page, LISTENER);
    page += INTERFACES;
    table(&mut page, INTERFACE);
    page
}

fn table<S>(page: &mut String, rows: &[Counter<S>]) {
    page.push_str("\n| key | metric | unit | meaning | counted by | when it grows |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let reason = row
            .reason
            .map(|reason| format!("{{reason=\"{reason}\"}}"))
            .unwrap_or_default();
        let _ = writeln!(
            page,
            "| `{}` | `{}{reason}` | {} | {} | {} | {} |",
            row.key,
            row.metric(),
            row.unit.name(),
            row.meaning,
            row.place,
            row.advice
        );
    }
}
