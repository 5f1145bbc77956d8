//! The files of results: JSON with everything, CSV, and the original's columns.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hpcap::error::Context;
use hpcap::{Error, Result};

use super::measure::Measurement;
use super::results::{FILE, Results};

/// Writes all files of `results` into `folder`. A file is replaced at once, so that an interrupted
/// run leaves whole files.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(results: &Results, folder: &Path) -> Result<()> {
    let json = serde_json::to_string_pretty(results)
        .map_err(|e| Error::io("write the results", e.into()))?;
    replace(&folder.join(FILE), &json)?;
    replace(&folder.join("results.csv"), &csv(&results.measurements))?;
    let mut kinds: Vec<(&str, f64, usize)> = Vec::new();
    for m in &results.measurements {
        let kind = (m.target.as_str(), m.copies, m.consumers);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for (target, copies, consumers) in kinds {
        let of_kind = results
            .measurements
            .iter()
            .filter(|m| (m.target.as_str(), m.copies, m.consumers) == (target, copies, consumers));
        let mut name = format!("benchmark-{}", target.replace(':', "-"));
        if consumers > 1 {
            let _ = write!(name, "-{consumers}consumers");
        }
        if copies > 0.0 {
            let _ = write!(name, "_duprate{copies}");
        }
        replace(&folder.join(name + ".dat"), &dat(of_kind))?;
    }
    Ok(())
}

fn replace(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    let tried = || format!("write {}", path.display());
    fs::write(&part, text).context(tried)?;
    fs::rename(&part, path).context(tried)
}

/// Returns the columns of hpcap-benchmark of the original HPCAP, one line a measurement: rate asked
/// for in Mb/s, frame size, duration, rate in Mb/s without preamble, FCS and gap, frames generated,
/// received, lost, received %, disappeared, lost %, lost in the port, its %, duplicates, its %.
///
/// The original rescales numbers that do not add up; here they stay as they are, and unreported losses are
/// `disappeared`. A size or rate that is no number is 0.
fn dat<'a>(measurements: impl Iterator<Item = &'a Measurement>) -> String {
    let mut text = String::new();
    for m in measurements {
        let a = &m.account;
        let offered = a.offered.frames.max(1) as f64;
        let percent = |frames: u64| frames as f64 / offered * 100.0;
        let told: u64 = a.said.iter().flat_map(|said| said.values()).sum();
        let lost = told - a.removed_copies();
        let port = a.said_lost("nic_missed") + a.said_lost("kernel");
        let duplicates = a.removed_copies() + a.repeated;
        let disappeared = a.missing.saturating_sub(told);
        let asked = hpcap::units::parse_rate(&m.rate).ok();
        let asked = match asked {
            Some(hpcap::units::Rate::BitsPerSecond(bits)) => bits as f64 / 1e6,
            _ => 0.0,
        };
        let actual = a.offered.bytes as f64 * 8.0 / a.offered.seconds.max(1e-9) / 1e6;
        let size: u32 = m.size.parse().unwrap_or(0);
        let _ = writeln!(
            text,
            "{asked} {size} {:.3} {actual:.3} {} {} {lost} {:.4} {disappeared} {:.4} {port} {:.4} \
             {duplicates} {:.4}",
            a.offered.seconds,
            a.offered.frames,
            a.captured,
            percent(a.captured),
            percent(lost),
            percent(port),
            percent(duplicates),
        );
    }
    text
}

/// Returns a table with a heading, one line a measurement. Times are in nanoseconds.
fn csv(measurements: &[Measurement]) -> String {
    let mut text = String::from(
        "target,size,rate,copies,consumers,repeat,seconds,offered,offered_bytes,offered_copies,\
         captured,captured_bytes,corrupted,repeated,reordered,foreign,missing,removed_copies,lost,\
         unexplained,user_ns,kernel_ns,outside_ns,memory_bytes,latency_p50_ns,latency_p99_ns,\
         latency_max_ns,stamp_error_min_ns,stamp_error_p50_ns,stamp_error_max_ns,problems\n",
    );
    for m in measurements {
        let a = &m.account;
        let unexplained = a.unexplained.map_or(String::new(), |n| n.to_string());
        let latency = a.latency.map_or(",,".into(), |l| {
            format!("{},{},{}", l.p50_ns, l.p99_ns, l.max_ns)
        });
        let stamps = a.stamp_error.map_or(",,".into(), |s| {
            format!("{},{},{}", s.min_ns, s.p50_ns, s.max_ns)
        });
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{:.6},{},{},{},{},{},{},{},{},{},{},{},{},{unexplained},{:.2},{:.2},\
             {:.2},{},{latency},{stamps},\"{}\"",
            m.target,
            m.size,
            m.rate,
            m.copies,
            m.consumers,
            m.repeat,
            a.offered.seconds,
            a.offered.frames,
            a.offered.bytes,
            a.offered.copies,
            a.captured,
            a.captured_bytes,
            a.corrupted,
            a.repeated,
            a.reordered,
            a.foreign,
            a.missing,
            a.removed_copies(),
            a.lost(),
            m.cost.user_ns,
            m.cost.kernel_ns,
            m.cost.outside_ns,
            m.memory_bytes,
            a.problems.join("; ").replace('"', "'"),
        );
    }
    text
}
