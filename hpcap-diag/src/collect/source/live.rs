//! Facts that the kernel and the producers have in no file: interfaces, neighbours, queueing disciplines, sockets,
//! queues, the clock.

use std::time::Duration;

use hpcap::{Queue, Result};
use hpcap_host::interface::{Neighbour, QueueingDiscipline};
use hpcap_host::{Clock, Interface};
use serde_json::json;

use super::super::open::kernel_file;
use super::{Collection, FILE_TIME};
use crate::record::{
    CLOCK, INTERFACES, InterfaceRecord, QUEUES, QueueRecord, QueuesRecord, SOCKETS, parse_sockets,
};

/// Longest time for one question to a driver or a producer.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Largest number of bytes of a table of sockets.
const TABLE_BYTES: usize = 4 << 20;
/// The tables of sockets.
const TABLES: [&str; 4] = ["udp", "udp6", "tcp", "tcp6"];

/// Reads interfaces, sockets and queues, into the folder `folder` of the collection.
pub(super) fn read_changing(collection: &mut Collection<'_>, folder: &str) -> Result<()> {
    read_interfaces(collection, folder)?;
    read_queues(collection, folder)?;
    let mut sockets = Vec::new();
    for table in TABLES {
        let place = collection.options.tree.path(format!("/proc/net/{table}"));
        let text = collection
            .reader
            .read(FILE_TIME, move || kernel_file(&place, TABLE_BYTES));
        match text {
            Ok(text) => {
                sockets.extend(parse_sockets(table, &String::from_utf8_lossy(&text.bytes)));
            }
            Err(why) => collection.note(&format!("{folder}proc/net/{table}"), why),
        }
    }
    collection.add_json(&format!("{folder}{SOCKETS}"), &sockets)
}

/// Reads what changes rarely.
pub(super) fn read_fixed(collection: &mut Collection<'_>) -> Result<()> {
    if !collection.options.tree.is_machine() {
        return Ok(());
    }
    let clock = Clock::read(&collection.options.tree);
    collection.add_json(
        CLOCK,
        &json!({
            "source": clock.source,
            "synchronised": clock.synchronised,
            "error_us": clock.error_us,
            "daemons": clock.daemons,
        }),
    )?;
    let asked = collection.reader.ask(ANSWER_TIME, || {
        (Neighbour::all(), QueueingDiscipline::all())
    });
    let (neighbours, disciplines) = match asked {
        Ok(answers) => answers,
        Err(why) => return collection.skip("neighbours.json", why),
    };
    match neighbours {
        Ok(neighbours) => collection.add_json("neighbours.json", &neighbours)?,
        Err(e) => collection.note("neighbours.json", e.to_string()),
    }
    match disciplines {
        Ok(disciplines) => collection.add_json("qdiscs.json", &disciplines),
        Err(e) => collection.skip("qdiscs.json", e.to_string()),
    }
}

fn read_interfaces(collection: &mut Collection<'_>, folder: &str) -> Result<()> {
    if !collection.options.tree.is_machine() {
        return Ok(());
    }
    let path = format!("{folder}{INTERFACES}");
    let all = match collection.reader.ask(ANSWER_TIME, Interface::all) {
        Ok(Ok(all)) => all,
        Ok(Err(e)) => return collection.skip(&path, e.to_string()),
        Err(why) => return collection.skip(&path, why),
    };
    let mut records = Vec::new();
    for interface in all {
        let name = interface.name.clone();
        let asked = collection
            .reader
            .ask(ANSWER_TIME, move || InterfaceRecord::of(&interface));
        match asked {
            Ok(record) => records.push(record),
            Err(why) => collection.note(&format!("{path}: {name}"), why),
        }
    }
    collection.add_json(&path, &records)
}

fn read_queues(collection: &mut Collection<'_>, folder: &str) -> Result<()> {
    if !collection.options.tree.is_machine() {
        return Ok(());
    }
    let path = format!("{folder}{QUEUES}");
    let (names, unseen) = match collection.reader.ask(ANSWER_TIME, Queue::list) {
        Ok(listed) => listed,
        Err(why) => return collection.skip(&path, why),
    };
    let mut record = QueuesRecord {
        queues: Vec::new(),
        unseen: unseen.iter().map(ToString::to_string).collect(),
    };
    let asks = names.iter().map(|name| {
        let name = *name;
        move || Queue::open(name).map(|queue| QueueRecord::of(&queue))
    });
    let asks = asks.collect();
    let asked = collection.reader.ask_side_by_side(ANSWER_TIME, asks);
    for (name, asked) in names.iter().zip(asked) {
        match asked {
            Ok(Ok(queue)) => record.queues.push(queue),
            Ok(Err(e)) => record.unseen.push(e.to_string()),
            Err(why) => record.unseen.push(format!("queue {name}: {why}")),
        }
    }
    for why in &record.unseen {
        collection.note(&path, why.clone());
    }
    collection.add_json(&path, &record)
}
