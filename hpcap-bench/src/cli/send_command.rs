//! `hpcap-bench send` as a command.

use std::ffi::OsString;

use super::Output;
use crate::send::{COPY_DISTANCE, CopySettings, Outcome, Requests, send};
use clap::Args;
use hpcap::Result;
use hpcap::error::Context;
use hpcap::visible::visible_lines;
use hpcap_source::SourceSpec;

/// Send the frames of a source on an interface, and report exactly how many were sent
///
/// The frames go to the driver byte for byte. A capture at the other end of the link sees them, a
/// capture on the same interface does not. A frame for which the interface has no room is sent again.
/// A source whose rate is too high is sent more slowly, unless it has late=miss. The command ends with
/// the source or at SIGINT or SIGTERM, and reports in each case what was sent. SIGUSR1 reports it, too.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Source of the frames, such as gen:size=imix,rate=1G,count=1000000 or pcap:FILE,speed=real
    source: OsString,
    /// Interface to send on (needs root, or CAP_NET_RAW)
    #[arg(long, value_name = "IF")]
    to: String,
    /// Send copies of earlier frames, too, at random: this part of all sent frames, such as 0.1
    #[arg(long, value_name = "PART")]
    copies: Option<f64>,
    /// Mean number of frames between a frame and its copy, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = COPY_DISTANCE, requires = "copies")]
    distance: u32,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(args: &SendArgs) -> Result<()> {
    let source: SourceSpec = SourceSpec::text_of(&args.source).parse()?;
    let copies = args
        .copies
        .map(|part| CopySettings::new(part, args.distance));
    let copies = copies.transpose()?;
    let requests = Requests::by_signals().context(|| "prepare for signals")?;
    let mut outcome = Outcome::default();
    let result = send(
        &source,
        &args.to,
        copies,
        &requests,
        &mut outcome,
        &mut |event| {
            let event = event.to_string();
            hpcap_cli::say(format_args!("hpcap-bench: {}", visible_lines(&event)));
        },
    );
    // The counts are useful even after an error, unless no frame was sent.
    if result.is_ok() || outcome.sent.frames > 0 {
        args.output.print(&outcome)?;
    }
    result
}
