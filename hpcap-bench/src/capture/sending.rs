//! Sending the frames of a measurement, and the processor time of it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hpcap::{Error, Kind, Result};

use super::SENDER;
use crate::process::{Running, Times, own};
use crate::run::Offered;

/// Returns the kernel's threads that hand frames over when a processor has many, with their times.
pub(crate) fn delivery_threads() -> Vec<(u32, Times)> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|process| {
            let process = process.ok()?;
            let pid = process.file_name().to_str()?.parse().ok()?;
            let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
            name.starts_with("ksoftirqd/")
                .then(|| Some((pid, Times::of(pid)?)))?
        })
        .collect()
}

/// Returns how long the processes `earlier` have run since their times were read.
pub(crate) fn times_since(earlier: &[(u32, Times)]) -> Duration {
    let since = |(pid, earlier): &(u32, Times)| {
        Times::of(*pid).map_or(Duration::ZERO, |now| now.total_since(earlier))
    };
    earlier.iter().map(since).sum()
}

/// Returns the processor time of the children of this process that have ended.
fn time_of_children() -> Duration {
    // SAFETY: zero is a valid value of a structure of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `rusage`, which outlives the call.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs())
            + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// What was sent, and the time that it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// What the sender says it has sent.
    pub(crate) offered: Offered,
    /// The sender's processor time.
    pub(crate) time: Duration,
}

/// Sends the frames of `spec`, this part of them copies, and waits for the end.
///
/// # Errors
/// When the sender fails, or does not say what it has sent.
pub(crate) fn send(spec: &str, copies: f64, folder: &Path) -> Result<Sent> {
    let before = time_of_children();
    let mut command = Command::new(own("hpcap-bench"));
    command.args(["send", spec, "--to", SENDER, "--json"]);
    if copies > 0.0 {
        command.args(["--copies", &copies.to_string()]);
    }
    let mut running = Running::start(&mut command, folder)?;
    running.wait()?;
    let time = time_of_children().saturating_sub(before);
    let said = running.stdout();
    let offered = offered(&said).ok_or_else(|| {
        let why = format!("it does not say how many: {said:?}");
        Error::new(Kind::Format, "send frames", why)
    })?;
    Ok(Sent { offered, time })
}

/// Reads what the sender has printed.
fn offered(said: &str) -> Option<Offered> {
    let said: serde_json::Value = serde_json::from_str(said).ok()?;
    Some(Offered {
        frames: said["sent"]["frames"].as_u64()?,
        bytes: said["sent"]["bytes"].as_u64()?,
        copies: said["copies"]["frames"].as_u64()?,
        seconds: said["seconds"].as_f64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_that_says_nothing_is_noticed() {
        let said = r#"{"sent":{"frames":5,"bytes":300},"copies":{"frames":1},"seconds":0.5}"#;
        let offered = offered(said).unwrap();
        assert_eq!((offered.frames, offered.bytes, offered.copies), (5, 300, 1));
        for said in ["", "{}", r#"{"sent":{"frames":5}}"#, "sent 5 frames"] {
            assert_eq!(super::offered(said), None, "{said}");
        }
    }
}
