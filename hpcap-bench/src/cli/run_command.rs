//! `hpcap-bench run` as a command.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hpcap::units::{Rate, parse_duration};
use hpcap::visible::visible_lines;
use hpcap::{Error, Kind, Result, Timestamp};

use crate::chart::report;
use crate::limits::{FrameSize, USUAL_SIZES};
use crate::process::catch_interrupts;
use crate::run::{
    Plan, Target, expected, folder_of, parse_copies, parse_offered, parse_sizes, run as run_plan,
};

/// Measure captures frame by frame, under the same load one after the other (needs root)
///
/// Frames of each size are sent at each rate over a veth pair in a namespace of its own, and each target captures them.
/// Every frame that was sent is accounted for. The command fails if a frame is missing that the target does not report
/// as lost. The folder of the results has a page with charts (report.html), results.json, results.csv, and one .dat
/// file a target with the columns of the original HPCAP; an interrupted run keeps what it has.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Sizes in bytes without FCS, imix, or edges (60, 61, 63, 64, 65, 72, 127 ... 1514)
    /// [default: 60, 124, 252, 508, 1020, 1276, 1514, imix]
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', value_parser = parse_sizes)]
    size: Vec<Vec<FrameSize>>,
    /// Offered rates, such as 100kpps or 1G, or max [default: 50kpps, max]
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', value_parser = OfferedRate::parse)]
    rate: Vec<OfferedRate>,
    /// Parts of the frames that are copies of others, such as 0,0.1; hpcapd removes them
    #[arg(long, value_name = "PART,...", value_delimiter = ',', value_parser = parse_copies, default_value = "0")]
    copies: Vec<f64>,
    /// Numbers of programs that read the queue of hpcapd
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u8).range(1..=16))]
    consumers: Vec<u8>,
    /// What captures: hpcapd:af_packet, hpcapd:af_xdp, hpcapdd:af_packet, hpcapdd:af_xdp, tcpdump,
    /// dumpcap, netsniff-ng [default: all of them that are there]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    target: Vec<Target>,
    /// Time for which frames are sent in each measurement
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    duration: Duration,
    /// Number of measurements of each
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    repeats: u8,
    /// Measure for a minute: two sizes, one rate, one second, once
    #[arg(long, conflicts_with_all = ["size", "rate", "duration", "repeats"])]
    quick: bool,
    /// Folder for the results, which must not exist [default: benchmark-DATE_TIME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print no progress
    #[arg(short, long)]
    quiet: bool,
}

/// A rate, or none for as fast as possible.
#[derive(Debug, Clone, Copy)]
struct OfferedRate(Option<Rate>);

impl OfferedRate {
    fn parse(text: &str) -> Result<Self> {
        parse_offered(text).map(Self)
    }
}

fn or_default<T: Copy>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default } else { given }.to_vec()
}

impl RunArgs {
    fn plan(&self) -> Plan {
        let sizes: Vec<FrameSize> = self.size.iter().flatten().copied().collect();
        let rates: Vec<Option<Rate>> = self.rate.iter().map(|rate| rate.0).collect();
        let plan = Plan {
            sizes: or_default(&sizes, &USUAL_SIZES),
            rates: or_default(&rates, &[Some(Rate::FramesPerSecond(50_000)), None]),
            copies: self.copies.clone(),
            consumers: self.consumers.iter().map(|n| usize::from(*n)).collect(),
            targets: or_default(&self.target, &Target::ALL),
            duration: self.duration,
            repeats: self.repeats.into(),
        };
        if !self.quick {
            return plan;
        }
        Plan {
            sizes: vec![FrameSize::Bytes(60), FrameSize::Imix],
            rates: vec![None],
            duration: Duration::from_secs(1),
            repeats: 1,
            ..plan
        }
    }
}

pub(crate) fn run(args: &RunArgs) -> Result<()> {
    let plan = args.plan();
    catch_interrupts();
    let folder = args
        .out
        .clone()
        .unwrap_or_else(|| folder_of(Timestamp::now()));
    let say = |text: &str| {
        if !args.quiet {
            // The run goes on, and its results are kept, when nobody reads the messages any more.
            hpcap_cli::say(format_args!("hpcap-bench: {}", visible_lines(text)));
        }
    };
    let minutes = expected(&plan).as_secs().div_ceil(60);
    say(&format!(
        "{} measurements, about {minutes} min; results in {}",
        plan.cells().len(),
        folder.display()
    ));
    let command: Vec<String> = std::env::args_os()
        .map(|word| word.display().to_string())
        .collect();
    let results = run_plan(&plan, &folder, command.join(" "), &mut { say })?;
    report::write(&results, &folder)?;
    let mut problems = results.problems();
    if !args.target.is_empty() {
        // A target that was asked for must be there.
        let missing = results.unavailable.iter();
        problems.extend(missing.map(|one| format!("{}: {}", one.what, one.why)));
    }
    if problems.is_empty() {
        return Ok(());
    }
    let tried = format!("account for every frame (results in {})", folder.display());
    Err(Error::new(Kind::Format, tried, problems.join("; ")))
}
