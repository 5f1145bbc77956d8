//! What a volume sustains, and what it can record: direct writes of one and of several threads, and `hpcapdd` in turn
//! with `dd` with direct writes to the same disk.

mod volume;

use std::path::PathBuf;
use std::process::Command;

use hpcap::Result;
use hpcap::units::Bytes;

use crate::limits::{FrameSize, RECORD_BYTES, USUAL_SIZES, WIRE_BYTES};
use crate::process::{Usage, own, run};
use crate::report::{Figure, Pairs, Report, Row, Target, Unit};
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
/// Number of writes that are in flight beside one at a time.
const IN_FLIGHT: usize = 4;

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
    sustained(settings, &workspace, report)?;
    let mut recorded = f64::INFINITY;
    for len in LENGTHS {
        let mut pairs = Pairs::new(Unit::BytesPerSecond);
        for _ in 0..settings.runs {
            let dd = run_dd(&workspace, settings.bytes)?;
            pairs.add(run_hpcapdd(&workspace, len, settings.bytes)?, dd);
        }
        recorded = recorded.min(pairs.ours().median);
        let what = format!("hpcapdd to disk, frames of {len} bytes");
        report.add(
            pairs
                .row(what, "dd oflag=direct bs=4M")
                .target(Target::Ratio(RATIO))
                .note(format!("{} each", Bytes(settings.bytes))),
        );
    }
    for size in USUAL_SIZES {
        report.add(recordable(size, recorded));
    }
    Ok(())
}

/// Measures what the volume sustains with one write at a time, and with several in flight.
fn sustained(settings: &Settings, workspace: &Workspace, report: &mut Report) -> Result<()> {
    let mut pairs = Pairs::new(Unit::BytesPerSecond);
    let mut slowest = Vec::new();
    for _ in 0..settings.runs {
        let once = |in_flight| {
            let sustained = volume::write(&workspace.file("volume"), settings.bytes, in_flight);
            workspace.remove("volume");
            sustained
        };
        let (one, several) = (once(1)?, once(IN_FLIGHT)?);
        pairs.add(several.speed, one.speed);
        slowest.push(one.slowest);
    }
    report.add(
        Row::new("the volume, one write at a time", pairs.peer()).note(format!(
            "its slowest eighth: {}",
            Figure::of(Unit::BytesPerSecond, &slowest)
        )),
    );
    let what = format!("the volume, {IN_FLIGHT} writes in flight");
    report.add(pairs.row(what, "one write at a time").note("4 MiB each"));
    Ok(())
}

/// Returns the row that says at which rate of a link a disk of `speed` bytes a second records frames of `size`.
fn recordable(size: FrameSize, speed: f64) -> Row {
    let bytes = size.mean(|len| len);
    let frames = speed / (bytes + f64::from(RECORD_BYTES));
    let bits = frames * (bytes + f64::from(WIRE_BYTES)) * 8.0;
    let what = format!("hpcapdd records frames of {size} bytes at");
    let what = what.replace("imix bytes", "IMIX");
    Row::new(what, Figure::of(Unit::NsPerFrame, &[1e9 / frames])).note(format!(
        "{:.2} million frames a second, {:.1} Gb/s on the wire",
        frames / 1e6,
        bits / 1e9
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordable_rate_follows_from_the_speed_of_the_disk() {
        // A frame of 60 bytes takes 72 on the disk, and 84 on the wire.
        let row = recordable(FrameSize::Bytes(60), 72e6);
        assert_eq!(row.ours.map(|figure| figure.median), Some(1000.0));
        assert_eq!(
            row.note,
            "1.00 million frames a second, 0.7 Gb/s on the wire"
        );
    }
}
