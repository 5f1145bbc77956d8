//! The page for people: whether frames are being lost, where, since when, and who holds the ring.
//!
//! The page is one document without scripts, and loads nothing. Everything that others name is escaped.

mod table;
mod verdict;

use std::fmt::Write;
use std::sync::PoisonError;
use std::time::Duration;

use hpcap::Timestamp;
use hpcap::counters::ListenerReading;
use hpcap::units::{Bytes, Si};

use super::Published;
use crate::chart::{Chart, Paint, Size, Theme};
use crate::history::{Past, before};
use crate::markup::{Escaped, Grouped};
use crate::report::text::{At, Short};
use crate::sample::{Causes, ListenerSample, QueueSample, Sample};
use crate::span::Span;
use table::Table;
use verdict::{Verdict, lost_frames};

/// Seconds after which a browser loads the page again.
const REFRESH: u32 = 10;
/// Largest number of adapters and interfaces with charts.
const CHARTS: usize = 6;
/// Fill of a ring, in percent, from which on it is shown as bad.
const NEARLY_FULL: f64 = 75.0;

const STYLE: &str = "\
*{box-sizing:border-box}\
body{margin:0 auto;padding:14px 18px 40px;max-width:1180px;background:var(--page);color:var(--text);\
font:15px/1.45 Roboto,Helvetica,Arial,sans-serif}\
header{border-left:6px solid;padding:2px 0 2px 14px;margin:6px 0 14px}\
header.good{border-color:var(--good)}header.bad{border-color:var(--bad)}header.past{border-color:var(--label)}\
h1{font-size:24px;line-height:1.25;margin:0}.good h1{color:var(--good)}.bad h1{color:var(--bad)}\
header p{margin:3px 0 0}\
h2{font-size:16px;margin:24px 0 4px}h3{font-size:15px;margin:14px 0 0}\
p.empty,footer,.dim{color:var(--label)}footer{margin-top:30px;font-size:13px}a{color:inherit}\
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:14px;min-width:55%}\
th{text-align:left;color:var(--label);font-weight:normal;white-space:nowrap}\
th,td{padding:4px 16px 4px 0;border-bottom:1px solid var(--grid);vertical-align:top;white-space:nowrap}\
td.w{white-space:normal;min-width:240px}\
.n{text-align:right;font-variant-numeric:tabular-nums}.alarm{color:var(--bad);font-weight:bold}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(330px,1fr));gap:0 24px}\
.charts svg{width:100%;height:auto;display:block}.bar{width:110px;height:10px;vertical-align:-1px;margin-right:8px}\
@media(max-width:480px){body{padding:10px 12px 30px}h1{font-size:21px}}";

impl Published {
    /// Returns the page. `nonce` is the word by which the header of the response allows the style sheet of the page.
    #[must_use]
    pub fn page(&self, nonce: &str) -> String {
        let verdict = Verdict::of(self);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n\
             <title>{title}</title>\n<style nonce=\"{nonce}\">{colours}{STYLE}</style>\n</head>\n<body>\n\
             <header class=\"{class}\">\n<h1>{title}</h1>\n",
            title = Escaped(&verdict.title),
            colours = Theme::style_sheet(),
            class = verdict.class,
        );
        // Writing to a string does not fail.
        for detail in &verdict.details {
            let _ = writeln!(out, "<p>{}</p>", Escaped(detail));
        }
        out.push_str("</header>\n");
        if let Some(sample) = &self.sample {
            self.write_traffic(&mut out, sample);
            write_queues(&mut out, sample);
            write_listeners(&mut out, sample);
            self.write_charts(&mut out, sample.moment.time);
            self.write_disks(&mut out);
            write_unseen(&mut out, sample);
        }
        self.write_events(&mut out);
        self.write_footer(&mut out);
        out.push_str("</body>\n</html>\n");
        out
    }

    fn write_traffic(&self, out: &mut String, sample: &Sample) {
        let now = sample.moment.time;
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        // Those with losses come first, then the fastest.
        let mut spans: Vec<(&str, &Span)> = self
            .spans
            .iter()
            .map(|(name, span)| (name.as_str(), span))
            .collect();
        spans.sort_by_cached_key(|(name, span)| {
            let lost = history
                .of(name)
                .map_or(0, |past| lost_frames(&past.lost_in_day(now)));
            std::cmp::Reverse((span.traffic.lost.frames, lost, span.highest_bps))
        });
        let mut table = Table::new(
            "Adapters and interfaces",
            &[
                "",
                "link",
                "#received",
                "#frames/s",
                "#lost now",
                "#lost in the last hour",
                "#in the last day",
                "last loss",
            ],
        );
        for (name, span) in &spans {
            let link = sample.interfaces.iter().find(|one| one.name == *name);
            let past = history.of(name);
            let lost = |causes: fn(&Past, Timestamp) -> Causes| {
                past.map_or(0, |past| lost_frames(&causes(past, now)))
            };
            let seconds = span.elapsed.as_secs_f64().max(0.001);
            let frames = span.traffic.received.frames as f64 / seconds;
            let last = past.and_then(|past| past.last_loss.as_ref());
            table.row();
            table.text(name);
            table.text(&link.map_or_else(String::new, link_text));
            table.number(&format!("{}b/s", Si(span.highest_bps as f64)), false);
            table.number(&Si(frames.round()).to_string(), false);
            for frames in [
                span.traffic.lost.frames,
                lost(Past::lost_in_hour),
                lost(Past::lost_in_day),
            ] {
                table.number(&Grouped(frames).to_string(), frames > 0);
            }
            table.wide(&last.map_or_else(String::new, verdict::loss_text));
        }
        table.finish(out, "No interface is up yet.");
    }

    fn write_charts(&self, out: &mut String, now: Timestamp) {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(&str, &Past)> = history.iter().collect();
        let weight = |past: &Past| {
            let lost = lost_frames(&past.lost_in_day(now));
            let bits = past
                .day
                .parts
                .iter()
                .map(|part| u128::from(part.received_bits))
                .sum::<u128>();
            (lost, bits)
        };
        all.sort_by_cached_key(|(_, past)| std::cmp::Reverse(weight(past)));
        if all.is_empty() {
            return;
        }
        let shown = all.len().min(CHARTS);
        let _ = writeln!(out, "<h2>The last hour and the last day</h2>");
        for (name, past) in &all[..shown] {
            let _ = writeln!(out, "<h3>{}</h3>\n<div class=\"charts\">", Escaped(name));
            for (what, buckets, length) in [("hour", &past.hour, 3600), ("day", &past.day, 86_400)]
            {
                let chart = Chart {
                    title: String::new(),
                    details: vec![format!("{name} in the last {what}")],
                    buckets: buckets.clone(),
                    start: before(now, Duration::from_secs(length)),
                    end: now,
                };
                out.push_str(&chart.draw(Size::Half).svg(Paint::Classes));
            }
            out.push_str("</div>\n");
        }
        if all.len() > shown {
            let _ = writeln!(
                out,
                "<p class=\"dim\">{} more have had fewer losses and frames.</p>",
                all.len() - shown
            );
        }
    }

    fn write_disks(&self, out: &mut String) {
        let mut table = Table::new("Disks", &["folder", "used"]);
        for (path, percent) in &self.disks {
            table.row();
            table.text(&path.display().to_string());
            table.bar(*percent, &format!("{percent:.0} %"), *percent > 95.0);
        }
        table.finish(out, "No disk can be examined.");
    }

    fn write_events(&self, out: &mut String) {
        let mut table = Table::new("Events", &["time", "what happened"]);
        for told in self.recent.iter().rev() {
            table.row();
            table.text(&Short(told.time).to_string());
            table.wide(&told.message);
        }
        table.finish(out, "Nothing has happened.");
    }

    fn write_footer(&self, out: &mut String) {
        let time = self.sample.as_ref().map_or_else(
            || "no sample yet".to_owned(),
            |sample| format!("sample of {}", At(sample.moment.time)),
        );
        let _ = writeln!(
            out,
            "<footer>hpcap-monitor {}, {}, {} samples, {} missed, {} not written. \
             <a href=\"/metrics\">Metrics for Prometheus</a></footer>",
            env!("CARGO_PKG_VERSION"),
            Escaped(&time),
            Grouped(self.samples),
            Grouped(self.missed),
            Grouped(self.unwritten)
        );
    }
}

fn link_text(interface: &crate::sample::InterfaceSample) -> String {
    match interface.reading {
        reading if !reading.up => "down".to_owned(),
        reading if !reading.link => "no link".to_owned(),
        reading if reading.speed_bits_per_second == 0 => "up".to_owned(),
        reading => format!("{}b/s", Si(reading.speed_bits_per_second as f64)),
    }
}

/// The lossless listener of a queue that is furthest behind.
fn slowest(queue: &QueueSample) -> Option<&ListenerSample> {
    let lossless = queue.listeners.iter().filter(|one| one.reading.lossless);
    lossless.max_by_key(|one| one.reading.lag_bytes)
}

fn fill_percent(queue: &QueueSample, reading: &ListenerReading) -> f64 {
    match queue.reading.ring_bytes {
        0 => 0.0,
        ring => (100.0 * reading.lag_bytes as f64 / ring as f64).min(100.0),
    }
}

fn write_queues(out: &mut String, sample: &Sample) {
    use hpcap::Reason;
    let mut table = Table::new(
        "Queues",
        &[
            "",
            "from",
            "ring in use",
            "held by",
            "#on the wire",
            "#captured",
            "#ring_full",
            "#nic_missed",
            "#nic_error",
            "#discarded",
        ],
    );
    for queue in &sample.queues {
        let ledger = &queue.reading.counts.ledger;
        let holder = slowest(queue);
        let fill = holder.map_or(0.0, |one| fill_percent(queue, &one.reading));
        table.row();
        table.text(&queue.name.to_string());
        table.text(&queue.interface);
        let text = format!("{fill:.0} % of {}", Bytes(queue.reading.ring_bytes));
        table.bar(fill, &text, fill > NEARLY_FULL);
        table.text(&match holder {
            Some(one) => format!("{} (pid {})", one.program, one.pid),
            None if queue.served => "nobody".to_owned(),
            None => "the queue has ended".to_owned(),
        });
        table.number(&Grouped(ledger.on_the_wire().frames).to_string(), false);
        table.number(&Grouped(ledger[Reason::Captured].frames).to_string(), false);
        for reason in [Reason::RingFull, Reason::NicMissed, Reason::NicError] {
            let frames = ledger[reason].frames;
            table.number(&Grouped(frames).to_string(), frames > 0);
        }
        let unwanted = [Reason::Duplicate, Reason::Filtered, Reason::NoListener];
        let unwanted: u64 = unwanted.iter().map(|reason| ledger[*reason].frames).sum();
        table.number(&Grouped(unwanted).to_string(), false);
    }
    table.finish(
        out,
        "No queue is served: neither hpcapd nor a module captures.",
    );
}

fn write_listeners(out: &mut String, sample: &Sample) {
    let mut table = Table::new(
        "Listeners",
        &[
            "queue",
            "#number",
            "program",
            "#pid",
            "contract",
            "behind",
            "#bytes behind",
        ],
    );
    for queue in &sample.queues {
        for one in &queue.listeners {
            let fill = fill_percent(queue, &one.reading);
            table.row();
            table.text(&queue.name.to_string());
            table.number(&one.id.to_string(), false);
            table.text(&one.program);
            table.number(&one.pid.to_string(), false);
            table.text(if one.reading.lossless {
                "lossless"
            } else {
                "lossy"
            });
            let bad = one.reading.lossless && fill > NEARLY_FULL;
            table.bar(fill, &format!("{fill:.0} % of the ring"), bad);
            table.number(&Grouped(one.reading.lag_bytes).to_string(), false);
        }
    }
    table.finish(out, "No program reads a queue.");
}

fn write_unseen(out: &mut String, sample: &Sample) {
    if sample.unseen.is_empty() {
        return;
    }
    let mut table = Table::new("What the monitor cannot see", &["why"]);
    for why in &sample.unseen {
        table.row();
        table.wide(why);
    }
    table.finish(out, "");
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
