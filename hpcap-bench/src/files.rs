//! `raw2pcap` in turn with `cp`, and `checkraw`, on files in the page cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap::units::Bytes;
use hpcap::{Error, Kind, Result};

use crate::disk::speed;
use crate::process::{own, run};
use crate::report::{Figure, Pairs, Report, Row, Target, Unit};
use crate::workspace::{Workspace, files_below, free_bytes, total_bytes};

/// Settings of the file benchmarks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folders to work in, each of which is measured separately.
    pub dirs: Vec<PathBuf>,
    /// Bytes of each file.
    pub bytes: u64,
    /// Number of runs of each program.
    pub runs: usize,
}

const RATIO: f64 = 0.5;
const CHECK_BYTES_PER_SECOND: f64 = 2e9;
/// Frame lengths of the recorded files, with their names in the table.
const SIZES: [(&str, &str); 2] = [("60", "60 bytes"), ("imix", "IMIX")];

/// Records a file of about `bytes` bytes (2 GiB at most) into `folder`, and returns its path.
///
/// # Errors
/// When there is not enough room, or the recorder fails.
pub(crate) fn record(workspace: &Workspace, size: &str, name: &str, bytes: u64) -> Result<PathBuf> {
    let folder = workspace.file(name);
    // The mean of IMIX: 7 frames of 60, 4 of 590 and one of 1514 bytes in twelve frames.
    let len = size.parse().unwrap_or(358);
    // A few frames fewer than fit, because the end of a file needs room, too.
    let count = (bytes - bytes / 256) / (len + 12);
    let mut command = Command::new(own("hpcapdd"));
    command
        .args(["--quiet", "--buffered", "--source"])
        .arg(format!("gen:size={size},count={count}"))
        .arg(&folder);
    run(&mut command, workspace.path())?;
    match files_below(&folder, ".raw")?.as_slice() {
        [file] => Ok(file.clone()),
        files => Err(Error::new(
            Kind::Format,
            format!("record a file of {}", Bytes(bytes)),
            format!("there are {} files", files.len()),
        )),
    }
}

/// Measures the file benchmarks and adds their rows to `report`.
///
/// # Errors
/// When there is not enough room, or a program fails.
pub fn files(settings: &Settings, report: &mut Report) -> Result<()> {
    for dir in &settings.dirs {
        let needed = 4 * settings.bytes;
        if free_bytes(dir)? < needed {
            let what = format!("raw2pcap, checkraw in {}", dir.display());
            report.add(Row::skipped(what, format!("{} are needed", Bytes(needed))));
            continue;
        }
        let workspace = Workspace::new(dir, needed)?;
        for (size, name) in SIZES {
            let file = record(&workspace, size, "raw", settings.bytes)?;
            let place = format!("{name}, {}", dir.display());
            convert(settings, &workspace, &file, &place, report)?;
            check(settings, &workspace, &file, &place, report)?;
            workspace.remove("raw");
        }
    }
    Ok(())
}

fn convert(
    settings: &Settings,
    workspace: &Workspace,
    file: &Path,
    place: &str,
    report: &mut Report,
) -> Result<()> {
    let bytes = total_bytes(&[file.to_owned()])?;
    let mut pairs = Pairs::new(Unit::BytesPerSecond);
    for _ in 0..settings.runs {
        let copy = workspace.file("copy");
        let usage = run(Command::new("cp").arg(file).arg(&copy), workspace.path())?;
        let cp = speed(bytes, &usage);
        workspace.remove("copy");

        let mut command = Command::new(own("raw2pcap"));
        command
            .arg("--quiet")
            .arg(file)
            .arg("-o")
            .arg(workspace.file("out.pcap"));
        let usage = run(&mut command, workspace.path())?;
        pairs.add(speed(bytes, &usage), cp);
        workspace.remove("out.pcap");
    }
    report.add(
        pairs
            .row(format!("raw2pcap, {place}"), "cp")
            .target(Target::Ratio(RATIO))
            .note(format!("{} of RAW in the page cache", Bytes(bytes))),
    );
    Ok(())
}

fn check(
    settings: &Settings,
    workspace: &Workspace,
    file: &Path,
    place: &str,
    report: &mut Report,
) -> Result<()> {
    let bytes = total_bytes(&[file.to_owned()])?;
    let mut runs = Vec::new();
    for _ in 0..settings.runs {
        let usage = run(Command::new(own("checkraw")).arg(file), workspace.path())?;
        runs.push(bytes as f64 / (usage.user + usage.system).as_secs_f64());
    }
    report.add(
        Row::new(
            format!("checkraw, {place}"),
            Figure::of(Unit::BytesPerSecond, &runs),
        )
        .target(Target::AtLeast(CHECK_BYTES_PER_SECOND))
        .note("by processor time: what one core does"),
    );
    Ok(())
}
