//! Resident memory: that of the recorder without its rings, and that of the converter and the
//! checker for files of two sizes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hpcap::Result;
use hpcap::units::Bytes;

use crate::files::record;
use crate::process::{Running, own};
use crate::report::{Figure, Report, Row, Target, Unit};
use crate::workspace::Workspace;

const RECORDER_BYTES: f64 = (32 << 20) as f64;
const TOOL_BYTES: f64 = (64 << 20) as f64;
/// Sizes of the files to convert and to check, in bytes.
const FILES: [u64; 2] = [256 << 20, 2 << 30];
const EVERY: Duration = Duration::from_millis(5);

/// Measures memory with files in `dir` and adds the rows to `report`.
///
/// # Errors
/// When there is not enough room, or a program fails.
pub fn memory(dir: &Path, report: &mut Report) -> Result<()> {
    let workspace = Workspace::new(dir, 6 << 30)?;
    recorder(&workspace, report)?;
    for bytes in FILES {
        let file = record(&workspace, "imix", "raw", bytes)?;
        let mut convert = Command::new(own("raw2pcap"));
        convert
            .arg("--quiet")
            .arg(&file)
            .arg("-o")
            .arg(workspace.file("out.pcapng"));
        let mut check = Command::new(own("checkraw"));
        check.arg(&file);
        for (name, command) in [("raw2pcap", &mut convert), ("checkraw", &mut check)] {
            let mut peak = 0;
            Running::start(command, workspace.path())?
                .wait_watching(EVERY, |pid| peak = peak.max(high_water(pid).unwrap_or(0)))?;
            report.add(
                Row::new(
                    format!("{name}, memory, file of {}", Bytes(bytes)),
                    figure(peak),
                )
                .target(Target::AtMost(TOOL_BYTES))
                .note("peak of the resident set"),
            );
        }
        workspace.remove("raw");
        workspace.remove("out.pcapng");
    }
    Ok(())
}

fn recorder(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let mut command = Command::new(own("hpcapdd"));
    command
        .args(["--quiet", "--source", "gen:size=imix,rate=4G,duration=3s"])
        .arg(workspace.file("recording"));
    let mut peak = 0;
    Running::start(&mut command, workspace.path())?
        .wait_watching(EVERY, |pid| peak = peak.max(beyond_rings(pid).unwrap_or(0)))?;
    workspace.remove("recording");
    report.add(
        Row::new(
            "hpcapdd, memory beyond the ring, recording 4 Gb/s",
            figure(peak),
        )
        .target(Target::AtMost(RECORDER_BYTES))
        .note("peak of the resident set"),
    );
    Ok(())
}

fn figure(bytes: u64) -> Figure {
    Figure::of(Unit::Bytes, &[bytes as f64])
}

/// Parses a field of a file in /proc that is in KiB. Returns its value in bytes.
fn kib(line: &str, key: &str) -> Option<u64> {
    let value = line.strip_prefix(key)?.trim().strip_suffix("kB")?;
    value.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Returns the peak of the resident set so far, in bytes.
fn high_water(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| kib(line, "VmHWM:"))
}

/// Returns the resident memory in bytes, without the shared ring and the packet socket's ring.
fn beyond_rings(pid: u32) -> Option<u64> {
    let path: PathBuf = format!("/proc/{pid}/smaps").into();
    let smaps = std::fs::read_to_string(path).ok()?;
    Some(resident_beyond_rings(&smaps))
}

fn resident_beyond_rings(smaps: &str) -> u64 {
    let mut sum = 0;
    let mut ring = false;
    for line in smaps.lines() {
        // A mapping begins with its address range; the lines after it are fields with a name and a
        // colon.
        if line.split_once('-').is_some_and(|(from, _)| {
            !from.is_empty() && from.chars().all(|c| c.is_ascii_hexdigit())
        }) {
            ring = line.contains("/memfd:hpcap-ring") || line.contains("socket:[");
        } else if !ring {
            sum += kib(line, "Rss:").unwrap_or(0);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_do_not_count() {
        let smaps = "\
55d0-55e0 r-xp 00000000 fe:00 1 /usr/bin/hpcapdd
Size:               1024 kB
Rss:                 512 kB
7f00-7f10 rw-s 00000000 00:01 2 /memfd:hpcap-ring (deleted)
Rss:              262144 kB
7f20-7f30 rw-s 00000000 00:01 3 /memfd:hpcap-queue (deleted)
Rss:                  12 kB
7f40-7f50 rw-s 00000000 00:08 4 socket:[77]
Rss:               65536 kB
7ffc-7ffd rw-p 00000000 00:00 0 [stack]
Rss:                 100 kB
";
        assert_eq!(resident_beyond_rings(smaps), 624 * 1024);
    }

    #[test]
    fn this_process_has_a_peak() {
        assert!(high_water(std::process::id()).is_some_and(|bytes| bytes > 1 << 20));
    }
}
