//! `hpcapdd` to a disk, in turn with `dd` with direct writes to the same disk.

use std::path::PathBuf;
use std::process::Command;

use hpcap::Result;
use hpcap::units::Bytes;

use crate::process::{Usage, own, run};
use crate::report::{Pairs, Report, Target, Unit};
use crate::workspace::{Workspace, files_below, total_bytes};

/// Settings of the disk benchmark.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A folder on the disk.
    pub dir: PathBuf,
    /// Bytes that each run writes.
    pub bytes: u64,
    /// Number of runs of each program.
    pub runs: usize,
}

const LENGTHS: [u64; 2] = [1514, 60];
const RATIO: f64 = 0.9;
const DD_BLOCK: u64 = 4 << 20;

/// Returns the bytes per second from the start of the program to its end.
pub(crate) fn speed(bytes: u64, usage: &Usage) -> f64 {
    bytes as f64 / usage.wall.as_secs_f64()
}

/// Measures the disk benchmark and adds its rows to `report`.
///
/// # Errors
/// When there is not enough room, or a program fails.
pub fn disk(settings: &Settings, report: &mut Report) -> Result<()> {
    let workspace = Workspace::new(&settings.dir, settings.bytes + (64 << 20))?;
    for len in LENGTHS {
        let mut pairs = Pairs::new(Unit::BytesPerSecond);
        for _ in 0..settings.runs {
            let dd = run_dd(&workspace, settings.bytes)?;
            pairs.add(run_hpcapdd(&workspace, len, settings.bytes)?, dd);
        }
        let what = format!("hpcapdd to disk, frames of {len} bytes");
        report.add(
            pairs
                .row(what, "dd oflag=direct bs=4M")
                .target(Target::Ratio(RATIO))
                .note(format!("{} each", Bytes(settings.bytes))),
        );
    }
    Ok(())
}

fn run_dd(workspace: &Workspace, bytes: u64) -> Result<f64> {
    let mut command = Command::new("dd");
    command
        .args(["if=/dev/zero", "oflag=direct", "bs=4M", "status=none"])
        .arg(format!("count={}", bytes / DD_BLOCK))
        .arg(format!("of={}", workspace.file("dd").display()));
    let usage = run(&mut command, workspace.path())?;
    workspace.remove("dd");
    Ok(speed(bytes / DD_BLOCK * DD_BLOCK, &usage))
}

fn run_hpcapdd(workspace: &Workspace, len: u64, bytes: u64) -> Result<f64> {
    let folder = workspace.file("raw");
    let mut command = Command::new(own("hpcapdd"));
    command
        .arg("--quiet")
        .arg("--source")
        .arg(format!("gen:size={len},count={}", bytes / (len + 12)))
        .arg(&folder);
    let usage = run(&mut command, workspace.path())?;
    let written = total_bytes(&files_below(&folder, ".raw")?)?;
    workspace.remove("raw");
    Ok(speed(written, &usage))
}
