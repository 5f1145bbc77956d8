//! What each way of printing costs hpcap-sniff: its processor time for each frame of a generator.
//!
//! A ring of `hpcapd` holds its producer back, so no frame is missed. The lines go into a pipe, from which `cat` reads.

use std::process::Command;

use hpcap::error::Context;
use hpcap::{Queue, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::sniffer::QUEUE;
use crate::capture::wait_for;
use crate::process::{Running, own};
use crate::report::{Figure, Report, Row, Target, Unit};
use crate::workspace::Workspace;

/// A way of printing.
struct Way {
    what: &'static str,
    options: &'static [&'static str],
    frames: u64,
    /// Most nanoseconds that a frame may take.
    most_ns: Option<f64>,
}

const WAYS: [Way; 4] = [
    Way {
        what: "hpcap-sniff --count-only",
        options: &["--count-only"],
        frames: 10_000_000,
        most_ns: Some(200.0),
    },
    Way {
        what: "hpcap-sniff, lines into a pipe",
        options: &[],
        frames: 2_000_000,
        most_ns: Some(1000.0),
    },
    Way {
        what: "hpcap-sniff --json, into a pipe",
        options: &["--json"],
        frames: 2_000_000,
        most_ns: None,
    },
    Way {
        what: "hpcap-sniff --log, into a pipe",
        options: &["--log"],
        frames: 2_000_000,
        most_ns: None,
    },
];

/// Measures all ways in turn, and adds a row for each to `report`.
///
/// # Errors
/// When a program fails.
pub(super) fn measure(runs: usize, workspace: &Workspace, report: &mut Report) -> Result<()> {
    let mut figures = WAYS.map(|_| Vec::new());
    for _ in 0..runs {
        for (way, figures) in WAYS.iter().zip(&mut figures) {
            figures.push(once(way, workspace)?);
        }
    }
    for (way, figures) in WAYS.iter().zip(&figures) {
        let figure = Figure::of(Unit::NsPerFrame, figures);
        let per_second = 1000.0 / figure.median;
        let row = Row::new(way.what, figure).note(format!(
            "{per_second:.1} million frames a second on one core"
        ));
        report.add(match way.most_ns {
            Some(most) => row.target(Target::AtMost(most)),
            None => row,
        });
    }
    Ok(())
}

/// Returns the nanoseconds that hpcap-sniff takes for each frame.
fn once(way: &Way, workspace: &Workspace) -> Result<f64> {
    let folder = workspace.path();
    let run = |command: &mut Command| Running::start(command.env("HPCAP_RUN_DIR", folder), folder);
    let mut daemon = Command::new(own("hpcapd"));
    daemon.args(["--quiet", "--ring", "64M"]);
    let mut daemon = run(daemon.arg(format!("gen:size=60,count={}", way.frames)))?;
    let socket = folder.join(format!("{QUEUE}.sock"));
    wait_for("hpcapd serves its queue", || {
        Queue::open(socket.as_path()).is_ok()
    })?;
    let pipe = workspace.file("lines");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).context(|| "make a pipe")?;
    // Shells open the two ends, and become the programs.
    let mut reader = Command::new("sh");
    reader
        .args(["-c", "exec cat < \"$0\" > /dev/null"])
        .arg(&pipe);
    let mut reader = Running::start(&mut reader, folder)?;
    let mut sniffer = Command::new("sh");
    sniffer.args([
        "-c",
        "pipe=$1; program=$0; shift; exec \"$program\" \"$@\" > \"$pipe\"",
    ]);
    sniffer.arg(own("hpcap-sniff")).arg(&pipe);
    sniffer.args([QUEUE, "--lossless"]).args(way.options);
    let usage = run(&mut sniffer)?.wait()?;
    reader.wait()?;
    daemon.wait()?;
    workspace.remove("lines");
    Ok((usage.user + usage.system).as_nanos() as f64 / way.frames as f64)
}
