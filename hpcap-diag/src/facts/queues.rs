//! Facts of queues and of their listeners.

use hpcap::{Count, Ledger, Reason};
use hpcap_host::Tree;
use hpcap_host::process::{Thread, is_stopped};
use hpcapctl::doctor::{QueueFacts, SlowListener};
use serde_json::Value as Json;

use super::{Subject, to_f64};
use crate::bundle::Bundle;
use crate::manifest::LATER;
use crate::record::{QueueRecord, QueuesRecord};

/// Ticks a second of the times in `/proc/PID/stat`.
const TICKS: f64 = 100.0;

/// The queues as `hpcapctl doctor` judges them.
pub(super) fn for_doctor(
    tree: &Tree,
    first: &QueuesRecord,
    later: &QueuesRecord,
) -> Vec<QueueFacts> {
    later
        .queues
        .iter()
        .map(|queue| {
            let (now, before) = (ledger(&queue.report), ledger(&before(first, queue).report));
            let losing = Reason::ledger()
                .iter()
                .filter(|reason| reason.is_loss())
                .map(|reason| {
                    let new = now[*reason].frames.saturating_sub(before[*reason].frames);
                    (*reason, new)
                })
                .filter(|(_, frames)| *frames > 0)
                .collect();
            let text = |name: &str| queue.report[name].as_str().unwrap_or_default().to_owned();
            let slowest = listeners(queue).max_by_key(|l| l["lag_bytes"].as_u64());
            QueueFacts {
                name: text("queue"),
                source: text("source"),
                interface: text("interface"),
                ring_bytes: number(&queue.report, "ring_bytes"),
                page_bytes: number(&queue.report, "page_bytes"),
                ledger: now,
                losing,
                poll_thread: poll_thread(tree, queue),
                slowest: slowest.map(|l| SlowListener {
                    id: number(l, "id"),
                    program: l["program"].as_str().unwrap_or_default().to_owned(),
                    lossless: l["contract"] == "lossless",
                    lag_bytes: number(l, "lag_bytes"),
                }),
            }
        })
        .collect()
}

fn number(value: &Json, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

fn listeners(queue: &QueueRecord) -> impl Iterator<Item = &Json> {
    queue.report["listeners"].as_array().into_iter().flatten()
}

/// The same queue in the first reading.
fn before<'a>(first: &'a QueuesRecord, queue: &'a QueueRecord) -> &'a QueueRecord {
    let same = |q: &&QueueRecord| q.name() == queue.name() && q.started == queue.started;
    first.queues.iter().find(same).unwrap_or(queue)
}

fn ledger(report: &Json) -> Ledger {
    let mut ledger = Ledger::default();
    for reason in Reason::ALL {
        let count = &report["ledger"][reason.name()];
        ledger[reason] = Count::new(number(count, "frames"), number(count, "bytes"));
    }
    ledger
}

/// The thread that fills the ring.
fn poll_thread(tree: &Tree, queue: &QueueRecord) -> Option<Thread> {
    let pid = u32::try_from(number(&queue.report, "pid")).ok()?;
    let threads = Thread::of_process(tree, pid);
    let name = format!("poll {}", queue.name());
    let only = (threads.len() == 1)
        .then(|| threads.first())
        .flatten()
        .cloned();
    threads
        .into_iter()
        .find(|thread| thread.name == name)
        .or(only)
}

/// Makes the subjects of queues and listeners.
pub(super) fn subjects(
    bundle: &Bundle,
    tree: &Tree,
    first: &QueuesRecord,
    later: &QueuesRecord,
    seconds: f64,
) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = later.unseen.iter().map(|why| unseen(why)).collect();
    for queue in &later.queues {
        let earlier = before(first, queue);
        let (now, then) = (ledger(&queue.report), ledger(&earlier.report));
        let mut subject = Subject::new("queue", queue.name());
        for reason in Reason::ledger() {
            subject.counter(reason.name(), then[*reason].frames, now[*reason].frames);
        }
        let lost = |ledger: &Ledger| -> u64 {
            let losses = Reason::ledger().iter().filter(|reason| reason.is_loss());
            losses.map(|reason| ledger[*reason].frames).sum()
        };
        subject.counter("lost", lost(&then), lost(&now));
        let wire = |ledger: &Ledger| ledger.on_the_wire().frames;
        subject.counter("wire", wire(&then), wire(&now));
        subject.flag("running", queue.report["running"].as_bool().unwrap_or(true));
        if let Some(age) = queue.place.heartbeat_age_seconds {
            subject.number("heartbeat_age_seconds", age);
        }
        let ring = number(&queue.report, "ring_bytes");
        subject.count("ring_bytes", ring);
        if let Some(load) = poll_load(bundle, tree, queue, seconds) {
            subject.number("poll_load", load);
        }
        for listener in listeners(queue) {
            let mut subject = listener_subject(queue, earlier, listener, ring);
            subject.flag("stopped", was_stopped(bundle, number(listener, "pid")));
            subjects.push(subject);
        }
        subjects.push(subject);
    }
    subjects
}

/// The subject of a queue that could not be opened.
fn unseen(why: &str) -> Subject {
    let mut subject = Subject::new("unseen", "");
    let lines: Vec<&str> = why.lines().map(str::trim).collect();
    subject.flag("unseen", true);
    subject.text("why", lines.join("; "));
    subject
}

fn listener_subject(queue: &QueueRecord, earlier: &QueueRecord, now: &Json, ring: u64) -> Subject {
    let program = now["program"].as_str().unwrap_or_default();
    let id = number(now, "id");
    let mut subject = Subject::new("listener", format!("{program} on {}", queue.name()));
    let lag = number(now, "lag_bytes");
    let then = listeners(earlier).find(|l| number(l, "id") == id);
    subject.count("id", id);
    subject.count("pid", number(now, "pid"));
    subject.count("lag_bytes", lag);
    subject.number(
        "lag_growth_bytes",
        to_f64(lag) - to_f64(then.map_or(lag, |l| number(l, "lag_bytes"))),
    );
    subject.number("lag_share", to_f64(lag) / to_f64(ring.max(1)));
    subject.flag("lossless", now["contract"] == "lossless");
    subject.flag("demoted", now["state"] == "demoted");
    subject.text("queue", queue.name());
    subject
}

/// Whether a process was stopped at the second reading.
fn was_stopped(bundle: &Bundle, pid: u64) -> bool {
    is_stopped(&bundle.text(&format!("{LATER}/proc/{pid}/task/{pid}/stat")))
}

/// The share of its CPU that the poll thread used between the readings.
fn poll_load(bundle: &Bundle, tree: &Tree, queue: &QueueRecord, seconds: f64) -> Option<f64> {
    let pid = number(&queue.report, "pid");
    let thread = poll_thread(tree, queue)?.number;
    let path = format!("proc/{pid}/task/{thread}/stat");
    let (first, later) = (bundle.text(&path), bundle.text(&format!("{LATER}/{path}")));
    let used = ticks(&later)?.checked_sub(ticks(&first)?)?;
    (seconds > 0.0).then(|| to_f64(used) / TICKS / seconds)
}

/// The time that a thread has run, in ticks: fields 14 and 15 of its `stat` file.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(14 - 3);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)
}
