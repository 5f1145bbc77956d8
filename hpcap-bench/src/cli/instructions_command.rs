//! `hpcap-bench instructions` as a command.

use std::path::PathBuf;

use clap::Args;
use hpcap::Result;

use super::Output;
use crate::instructions::{Instructions, Loop, Stored};
use crate::process;

/// Count the instructions that the loops of a frame's way need for each frame (needs valgrind)
///
/// The counts are the same on each machine, unlike times. They leave out the C library, whose copying
/// depends on the processor. With --compare, a count that has grown by more than 2 % is a failure.
#[derive(Debug, Args)]
pub(crate) struct InstructionsArgs {
    /// Count only these loops
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Compare the counts with those in FILE, if the same compilers made them
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Store the counts in FILE
    #[arg(long, value_name = "FILE", conflicts_with = "names")]
    save: Option<PathBuf>,
    /// Run the loops in this process. The command runs itself with this option under callgrind
    #[arg(long, hide = true)]
    count_here: bool,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(args: &InstructionsArgs) -> Result<()> {
    let loops = Loop::named(&args.names)?;
    if args.count_here {
        return loops.iter().try_for_each(Loop::run_here);
    }
    process::catch_interrupts();
    let stored = args.compare.as_deref().map(Stored::read).transpose()?;
    let mut instructions = Instructions::count(&loops)?;
    if let Some(stored) = &stored {
        instructions.compare(stored);
    }
    if let Some(path) = &args.save {
        Stored::new(&instructions.counts).write(path)?;
    }
    args.output.print(&instructions)?;
    instructions.check()
}
