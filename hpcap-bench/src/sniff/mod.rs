//! Prints every frame of an interface with hpcap-sniff, with a sniffer that copies frames, and with
//! tcpdump, for several sizes and rates, and counts the frames that each of them missed.
//!
//! The author of the zero-copy sniffer of 2006 planned this measurement. The sender knows how many frames it
//! has sent, and each program prints one line for each frame that it saw.

mod sniffer;

use std::path::PathBuf;

use hpcap::{Kind, Result};

use crate::capture::namespace::within;
use crate::capture::{
    ARRIVE, Outcome, RECEIVER, SENDER, delivery_threads, send, summary, times_since,
};
use crate::report::{Report, Row};
use crate::workspace::Workspace;
use sniffer::Sniffer;

/// The loads, and how often each of them is offered.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for the printed lines.
    pub dir: PathBuf,
    /// Sizes of the frames in bytes.
    pub sizes: Vec<u32>,
    /// Rates as the generator takes them; empty = as fast as the sender can.
    pub rates: Vec<String>,
    /// Seconds for which frames are offered to each program.
    pub seconds: u32,
    /// Number of runs of each program at each load.
    pub runs: usize,
}

/// Bytes that the lines of an unlimited sender may need.
const ROOM: u64 = 2 << 30;

/// Measures the sniffers. If that is not possible, a row of the report states the reason.
///
/// # Errors
/// When there is not enough room, or a program fails.
pub fn sniff(settings: &Settings, report: &mut Report) -> Result<()> {
    const WHAT: &str = "sniffers on veth";
    for program in ["ip", "tcpdump"] {
        if !crate::process::exists(program) {
            report.add(Row::skipped(WHAT, format!("there is no `{program}`")));
            return Ok(());
        }
    }
    let workspace = Workspace::new(&settings.dir, ROOM)?;
    let measured = within(workspace.path(), [SENDER, RECEIVER], || {
        measure(settings, &workspace, report)
    });
    match measured {
        Err(e) if e.kind() == Kind::Permission || e.os_error() == Some(libc::EPERM) => {
            report.add(Row::skipped(WHAT, "takes root"));
            Ok(())
        }
        measured => measured,
    }
}

fn measure(settings: &Settings, workspace: &Workspace, report: &mut Report) -> Result<()> {
    for size in &settings.sizes {
        for rate in &settings.rates {
            let (load, spec) = match rate.as_str() {
                "" => (format!("{size} B, unlimited"), format!("gen:size={size}")),
                rate => (
                    format!("{size} B, {rate}"),
                    format!("gen:size={size},rate={rate}"),
                ),
            };
            let spec = format!("{spec},duration={}s", settings.seconds);
            let mut outcomes = [const { Vec::new() }; Sniffer::ALL.len()];
            for _ in 0..settings.runs {
                for (sniffer, outcomes) in Sniffer::ALL.into_iter().zip(&mut outcomes) {
                    outcomes.push(once(sniffer, &spec, workspace)?);
                }
            }
            for (sniffer, outcomes) in Sniffer::ALL.into_iter().zip(&outcomes) {
                report
                    .captures
                    .push(summary(&load, sniffer.name(), outcomes));
            }
        }
    }
    Ok(())
}

/// Offers the frames of `spec` to one sniffer.
fn once(sniffer: Sniffer, spec: &str, workspace: &Workspace) -> Result<Outcome> {
    let mut running = sniffer.start(RECEIVER, workspace)?;
    let before = running.times();
    let delivery = delivery_threads();
    let sent = send(spec, 0.0, workspace.path())?;
    std::thread::sleep(ARRIVE);
    let outside = sent.time + times_since(&delivery);
    let (user, system) = running.times_since(&before);
    let captured = running.stop()?;
    Ok(Outcome {
        offered: sent.offered.frames,
        captured,
        user,
        system,
        outside,
    })
}
