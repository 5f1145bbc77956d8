//! `hpcap-bench report` as a command.

use std::path::PathBuf;

use clap::Args;
use hpcap::{Error, Result};

use crate::chart::report;
use crate::run::Results;

/// Draw the charts and the page of a run again, such as of one that was interrupted
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The folder of a run
    folder: PathBuf,
}

pub(crate) fn run(args: &ReportArgs) -> Result<()> {
    if !args.folder.is_dir() {
        let why = "expected the folder of a run";
        return Err(Error::usage(
            format!("report {}", args.folder.display()),
            why,
        ));
    }
    report::write(&Results::read(&args.folder)?, &args.folder)
}
