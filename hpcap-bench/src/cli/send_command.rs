//! `hpcap-bench send` as a command.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::send::{Outcome, send};
use clap::Args;
use hpcap::error::Context;
use hpcap::{Error, Result};
use hpcap_source::SourceSpec;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Send the frames of a source out of an interface, and say exactly how many were sent.
///
/// Frames go byte for byte as they are, straight to the driver: a capture on the same interface
/// does not see them, one at the other end does. What the interface has no room for is sent again; a
/// source with a rate that is too high is sent more slowly, unless it says late=miss. Ends with
/// the source or with SIGINT or SIGTERM, and prints what was sent in either case.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// What to send: gen:size=imix,rate=1G,count=1000000 or pcap:FILE,speed=real,loop=3.
    source: String,
    /// The interface that it goes out of. Takes root, or CAP_NET_RAW.
    #[arg(long, value_name = "IF")]
    to: String,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SendArgs) -> Result<()> {
    let source: SourceSpec = args.source.parse()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .context(|| "prepare for SIGINT and SIGTERM")?;
    }
    let mut outcome = Outcome::default();
    let result = send(&source, &args.to, &stop, &mut outcome, &mut |event| {
        eprintln!("hpcap-bench: {event}");
    });
    // The counts are useful even after an error, unless no frame was sent.
    if result.is_ok() || outcome.sent.frames > 0 {
        print(&outcome, args.json)?;
    }
    result
}

fn print(outcome: &Outcome, json: bool) -> Result<()> {
    let tried = || "print what was sent";
    let text = if json {
        serde_json::to_string(outcome).map_err(|e| Error::io(tried(), e.into()))?
    } else {
        outcome.to_string()
    };
    writeln!(std::io::stdout().lock(), "{text}").context(tried)
}
