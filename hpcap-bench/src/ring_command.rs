//! `hpcap-bench ring` as a command.

use clap::Args;
use hpcap::Result;
use hpcap::units::parse_size;
use hpcap_bench::report::Report;
use hpcap_bench::ring::{Settings, engine_cost, frame_cost, listener_cost};

/// Measure what a frame costs the producer of a ring, beside a bare loop.
#[derive(Args)]
pub(crate) struct RingArgs {
    /// Size of the ring.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    ring: u64,
    /// Frames in a batch.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    batch: u32,
    /// Runs of each loop.
    #[arg(long, value_name = "N", default_value_t = 9)]
    runs: usize,
    /// Stamp frames with the system's clock, not with the counter of the processor.
    #[arg(long)]
    system_clock: bool,
}

pub(crate) fn run(args: &RingArgs) -> Result<()> {
    let settings = Settings {
        ring_bytes: args.ring,
        batch: args.batch,
        runs: args.runs,
        system_clock: args.system_clock,
    };
    let mut report = Report::new();
    frame_cost(&settings, &mut report)?;
    engine_cost(&settings, &mut report)?;
    listener_cost(&settings, &mut report)?;
    println!("{report}");
    Ok(())
}
