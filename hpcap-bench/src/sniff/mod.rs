//! Prints every frame of an interface with hpcap-sniff, with a sniffer that copies frames, and with
//! tcpdump, for several sizes and rates, and counts the frames that each of them missed.
//!
//! The author of the zero-copy sniffer of 2006 planned this measurement. The sender knows how many frames it
//! has sent, and each program prints one line for each frame that it saw.

mod printing;
mod sniffer;

use std::path::PathBuf;

use hpcap::Result;

use crate::capture::namespace::within_or_skip;
use crate::capture::{Outcome, RECEIVER, offer, take_turns};
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
    let workspace = Workspace::new(&settings.dir, ROOM)?;
    printing::measure(settings.runs, &workspace, report)?;
    for program in ["ip", "tcpdump"] {
        if !crate::process::exists(program) {
            report.add(Row::skipped(WHAT, format!("there is no `{program}`")));
            return Ok(());
        }
    }
    within_or_skip(WHAT, &workspace, report, |report| {
        measure(settings, &workspace, report)
    })?;
    Ok(())
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
            report.captures.extend(take_turns(
                &load,
                settings.runs,
                &Sniffer::ALL,
                Sniffer::name,
                |sniffer| once(sniffer, &spec, workspace),
            )?);
        }
    }
    Ok(())
}

/// Offers the frames of `spec` to one sniffer.
fn once(sniffer: Sniffer, spec: &str, workspace: &Workspace) -> Result<Outcome> {
    let mut running = sniffer.start(RECEIVER, workspace)?;
    let offer = offer(spec, running.programs(), workspace)?;
    Ok(offer.outcome(running.stop()?))
}
