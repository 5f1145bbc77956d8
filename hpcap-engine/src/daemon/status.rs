//! `hpcapd --status` and `--kill`: what runs on this machine, seen from outside.

pub(super) use hpcap::queue::status::print_ledger;
use hpcap::queue::status::report;
use hpcap::{Error, Queue, QueueName, Result};

/// Prints the queues of this machine, or one of them.
pub(super) fn show(only: Option<QueueName>, json: bool) -> Result<String> {
    report(only, json, |e| eprintln!("hpcapd: {e}"))
}

/// Kills listener `id` of queue `name`.
pub(super) fn kill(name: &str, id: &str) -> Result<String> {
    let name: QueueName = name.parse()?;
    let number: u64 = id.parse().map_err(|_| {
        Error::usage(
            format!("listener {id:?}"),
            "expected the number in column id of `hpcapd --status`",
        )
    })?;
    Queue::open(name)?.kill(number)?;
    Ok(format!("listener {number} of {name} is killed\n"))
}
