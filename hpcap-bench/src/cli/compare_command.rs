//! `hpcap-bench compare` as a command.

use std::path::PathBuf;

use clap::Args;
use hpcap::Result;

use super::Output;
use crate::compare::compare;
use crate::run::Results;

/// Say what is better, worse or the same in the second of two results of `hpcap-bench run`
///
/// Each figure has a 95 % confidence interval of the difference (Welch's t), from the measurements of
/// the same target under the same load. Each side needs at least two of them.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The first results: the folder of a run, or its results.json
    before: PathBuf,
    /// The second results
    after: PathBuf,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    let comparison = compare(&Results::read(&args.before)?, &Results::read(&args.after)?);
    args.output.print(&comparison)
}
