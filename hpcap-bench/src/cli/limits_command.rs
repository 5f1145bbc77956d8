//! `hpcap-bench limits` as a command.

use clap::Args;
use hpcap::units::{Rate, parse_caplen, parse_rate};
use hpcap::{Error, Result};

use super::Output;
use crate::limits::{FrameSize, Limits, Link, USUAL_SIZES, clock_here, parse_frame_size};

/// Show the theory for a link: how much time, how many cycles and how much disk a frame has
///
/// A frame takes 24 bytes more on the wire than its own: preamble, FCS and the gap to the next frame.
#[derive(Debug, Args)]
pub(crate) struct LimitsArgs {
    /// Rate of the link in bits per second, such as 10G
    #[arg(default_value = "10G", value_name = "RATE", value_parser = parse_link)]
    link: u64,
    /// Sizes of frames in bytes without FCS; imix is a mixture [default: 60 to 1514, and imix]
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', value_parser = parse_frame_size)]
    size: Vec<FrameSize>,
    /// Clock of one processor in Hz, such as 3.2G [default: that of this machine, if it is known]
    #[arg(long, value_name = "HZ", value_parser = parse_clock)]
    clock: Option<u64>,
    /// Captured bytes of each frame at most; 0 captures whole frames
    #[arg(short = 's', long, visible_alias = "snaplen", value_name = "N", default_value = "0", value_parser = parse_caplen)]
    caplen: u32,
    #[command(flatten)]
    output: Output,
}

fn parse_link(text: &str) -> Result<u64> {
    match parse_rate(text)? {
        Rate::BitsPerSecond(bits) => Ok(bits),
        Rate::FramesPerSecond(_) => Err(Error::usage(
            format!("link {text:?}"),
            "expected bits per second, such as 10G",
        )),
    }
}

fn parse_clock(text: &str) -> Result<u64> {
    let number = text.trim_end_matches("Hz");
    parse_link(number).map_err(|_| {
        let why = "expected cycles per second, such as 3.2G";
        Error::usage(format!("clock {text:?}"), why)
    })
}

pub(crate) fn run(args: &LimitsArgs) -> Result<()> {
    let link = Link {
        bits_per_second: args.link,
        clock_hz: args.clock.map(|hz| hz as f64).or_else(clock_here),
        caplen: args.caplen,
    };
    let sizes = match args.size.as_slice() {
        [] => &USUAL_SIZES,
        sizes => sizes,
    };
    args.output.print(&Limits::new(&link, sizes))
}
