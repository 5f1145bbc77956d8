//! The answer to the first question: am I losing frames, where, since when, and who is to blame?

use hpcap::counters::QUEUE;
use hpcap::{Reason, visible};

use super::report::{Level, QueueReport, Report, Verdict};
use crate::text::{Clock, bytes, count, duration, percent, rate};

/// Judges the state that `report` shows; `clock` writes its times.
#[must_use]
pub fn judge(report: &Report, clock: &Clock) -> Verdict {
    let failed = || report.queues.iter().find(|q| is_failed(q));
    let losing = most(
        report,
        |q| q.losses.losing && q.running,
        |q| q.rates.as_ref().map_or(0.0, |r| r.lost.frames_per_second),
    );
    if let Some(queue) = losing {
        return of_losing(report, queue, clock);
    }
    if let Some(queue) = failed() {
        return of_failed(queue);
    }
    if report.queues.is_empty() {
        return without_queues(report);
    }
    let unheard = most(
        report,
        |q| q.flags.discarding && q.running,
        |q| q.rate(Reason::NoListener),
    );
    let lost = most(
        report,
        |q| q.losses.total.frames > 0,
        |q| q.losses.last_ns.map_or(0.0, |ns| ns as f64),
    );
    let mut verdict = match (lost, unheard) {
        (Some(queue), _) => of_lost(report, queue, clock),
        (None, Some(queue)) => of_unheard(queue),
        (None, None) => of_fine(report, clock),
    };
    if let Some(why) = report.unseen.first() {
        verdict.reason = format!("not all can be seen: {}", one_line(why));
        verdict.level = verdict.level.min(Level::Blind);
    }
    verdict
}

/// Whether the queue ended in a way that an operator should know.
fn is_failed(queue: &QueueReport) -> bool {
    matches!(queue.end.as_deref(), Some("failed" | "died"))
}

/// Returns the queue with the largest `key` among those for which `is_one` holds.
fn most(
    report: &Report,
    is_one: impl Fn(&QueueReport) -> bool,
    key: impl Fn(&QueueReport) -> f64,
) -> Option<&QueueReport> {
    let found = report.queues.iter().filter(|queue| is_one(queue));
    found.max_by(|a, b| key(a).total_cmp(&key(b)))
}

fn others(report: &Report, is_one: impl Fn(&QueueReport) -> bool) -> String {
    match report.queues.iter().filter(|queue| is_one(queue)).count() {
        0 | 1 => String::new(),
        2 => " and 1 more queue".to_owned(),
        all => format!(" and {} more queues", all - 1),
    }
}

fn of_losing(report: &Report, queue: &QueueReport, clock: &Clock) -> Verdict {
    let more = others(report, |q| q.losses.losing && q.running);
    let losses = &queue.losses;
    let now = queue
        .rates
        .as_ref()
        .map_or(0.0, |r| r.lost.frames_per_second);
    let speed = match now > 0.0 {
        true => format!("{} ({})", rate(now, "pps"), percent(losses.share_now)),
        false => format!("{} frames", count(losses.in_run)),
    };
    let since = losses.since_ns.map_or_else(String::new, |since| {
        let time = report.time_ns.saturating_sub(since);
        format!(
            " since {} ({})",
            clock.time(since),
            duration(time as f64 / 1e9)
        )
    });
    Verdict {
        level: Level::Losing,
        headline: format!("LOSING FRAMES  {}{more}: {speed}{since}", queue.queue),
        reason: blame(queue),
    }
}

/// Says why a queue loses frames, who is to blame, and what to do.
fn blame(queue: &QueueReport) -> String {
    let Some(reason) = queue.loss_reasons().first().copied() else {
        return String::new();
    };
    let who = match reason {
        Reason::RingFull => queue.holder().map(|l| {
            format!(
                "{} (pid {}, listener {}) holds {} of the ring of {}",
                visible(&l.program),
                l.pid,
                l.id,
                bytes(l.lag_bytes as f64),
                bytes(queue.ring_bytes as f64)
            )
        }),
        Reason::NicMissed => queue.poll.as_ref().and_then(|poll| {
            let load = percent(poll.load?);
            Some(format!("poll thread uses {load} of CPU {}", poll.cpus))
        }),
        _ => None,
    };
    let key = format!("ledger.{}.frames", reason.name());
    let row = QUEUE.iter().find(|row| row.key == key);
    let what = match (reason, queue.holder()) {
        (Reason::RingFull, Some(l)) if l.stopped => {
            format!(
                "its process is stopped, and goes on with kill -CONT {}",
                l.pid
            )
        }
        // The general advice is to find the listener, which has been found here.
        (Reason::RingFull, Some(_)) => "its disk or its program is too slow".to_owned(),
        _ => row.map_or("", |row| row.advice).to_owned(),
    };
    match who {
        Some(who) => format!("{reason}: {who}; {what}"),
        None => format!("{reason}: {what}"),
    }
}

fn of_failed(queue: &QueueReport) -> Verdict {
    let why = match queue.end.as_deref() {
        Some("died") => "its producer died",
        _ => "its source failed",
    };
    Verdict {
        level: Level::Failed,
        headline: format!("FAILED  {}: {why}, nothing is captured", queue.queue),
        reason: format!(
            "{} was {}; start it again, and look into its log",
            visible(&queue.source),
            visible(&queue.software)
        ),
    }
}

fn without_queues(report: &Report) -> Verdict {
    if let Some(why) = report.unseen.first() {
        let mut lines = why.lines();
        return Verdict {
            level: Level::Blind,
            headline: format!("CANNOT SEE  {}", visible(lines.next().unwrap_or_default())),
            reason: one_line(&lines.collect::<Vec<_>>().join("\n")),
        };
    }
    let reason = match report.engine.modules.is_empty() {
        true => {
            "hpcapd -i INTERFACE serves one, hpcapdd -i INTERFACE -w FOLDER records without one"
        }
        false => {
            "the module is loaded, and no port of it captures: hpcapctl up, or hpcapctl doctor"
        }
    };
    Verdict {
        level: Level::Idle,
        headline: "NOTHING IS CAPTURED  no queue is served on this machine".into(),
        reason: reason.into(),
    }
}

fn of_lost(report: &Report, queue: &QueueReport, clock: &Clock) -> Verdict {
    let losses = &queue.losses;
    let more = others(report, |q| q.losses.total.frames > 0);
    let when = match losses.last_ns {
        Some(last) => {
            let time = report.time_ns.saturating_sub(last);
            let ago = duration(time as f64 / 1e9);
            format!("last at {}, {ago} ago", clock.time(last))
        }
        None => format!(
            "none in the last {}, before that nobody watched",
            duration(losses.quiet_seconds)
        ),
    };
    let reasons: Vec<&str> = queue.loss_reasons().iter().map(|r| r.name()).collect();
    Verdict {
        level: Level::Lost,
        headline: format!(
            "no loss now  {}{more} lost {} frames ({}) earlier: {when}",
            queue.queue,
            count(losses.total.frames),
            percent(losses.share),
        ),
        reason: format!("{}: Enter shows the reasons", reasons.join(", ")),
    }
}

fn of_unheard(queue: &QueueReport) -> Verdict {
    Verdict {
        level: Level::Unheard,
        headline: format!(
            "NOBODY LISTENS  {} discards {}",
            queue.queue,
            rate(queue.rate(Reason::NoListener), "pps")
        ),
        reason: format!("hpcapdd {} FOLDER records the queue", queue.queue),
    }
}

fn of_fine(report: &Report, clock: &Clock) -> Verdict {
    let frames: u64 = report
        .queues
        .iter()
        .map(|queue| queue.count(Reason::Captured).frames)
        .fold(0, u64::saturating_add);
    let since = report.queues.iter().map(|queue| queue.start_ns).min();
    let since = since.map_or_else(String::new, |ns| format!(" since {}", clock.time(ns)));
    let queues = match report.queues.len() {
        1 => "1 queue".to_owned(),
        n => format!("{n} queues"),
    };
    let ended = report.queues.iter().filter(|queue| !queue.running).count();
    Verdict {
        level: Level::Fine,
        headline: format!(
            "no frame lost  {queues}, {} frames captured{since}",
            count(frames)
        ),
        reason: match ended {
            0 => String::new(),
            1 => "1 queue has ended".into(),
            n => format!("{n} queues have ended"),
        },
    }
}

/// Returns an error and its advice as one line.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    visible(&lines.join("; ")).into_owned()
}
