//! The time machine: when something happens, writes what was in the ring before it, and what comes
//! after it.
//!
//! A watch follows the queues like any tap, and stores nothing. At an event, a session begins at the
//! wanted time in the ring, and ends when the time after the event is over.

mod command;
mod trigger;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hpcap::message::{Level, Messages};
use hpcap::{Error, Result};

use crate::cli::Cli;
use crate::plan::{Plan, Target};
use crate::report::Reporter;
use crate::session::{Session, install_signals};
use crate::window::Window;

pub use trigger::Trigger;
use watch::Watch;

/// Time before an event that is written, unless the user says otherwise.
const BEFORE: Duration = Duration::from_secs(5);
/// Time after an event that is written, unless the user says otherwise.
const AFTER: Duration = Duration::from_secs(2);

/// Waits for the events that `cli` names, and writes the frames around each into the outputs of `plan`.
///
/// # Errors
/// Returns a usage error for outputs that cannot hold what is asked for, and the errors of queues,
/// outputs and commands.
pub fn run(cli: &Cli, plan: &Plan, messages: &Messages, least: Level) -> Result<()> {
    check_outputs(plan, cli.times)?;
    let signals = Arc::new(install_signals()?);
    let reporter = || Reporter::new(messages, least);
    let mut watch = Watch::open(plan, &cli.on, Arc::clone(&signals), reporter())?;
    let (before, after) = (cli.before.unwrap_or(BEFORE), cli.after.unwrap_or(AFTER));
    for number in 1..=cli.times {
        let Some(event) = watch.wait()? else {
            return Ok(());
        };
        let window = Window::around((event.time, event.end), before, after);
        let what = format!("{} at {}", event.what, event.time);
        reporter().info(&format!("event {number}: {what}"));
        let mut plan = plan.clone();
        plan.window = Some(window);
        plan.comment = format!("{before:?} before and {after:?} after: {what}");
        if cli.times > 1 {
            for output in &mut plan.outputs {
                if let Target::Path(path) = &mut output.target {
                    *path = numbered(path, number);
                }
            }
        }
        Session::open(plan, reporter(), Arc::clone(&signals))?.run()?;
        watch.ignore_until(window.until);
    }
    Ok(())
}

/// Refuses outputs that a window cannot be written to.
fn check_outputs(plan: &Plan, times: u64) -> Result<()> {
    for output in &plan.outputs {
        match output.target {
            Target::Listen(_) => {
                return Err(
                    Error::usage("--on with --listen", "viewers come at any time")
                        .advise("write the event into a file: -w FILE"),
                );
            }
            Target::Stdout if times > 1 => {
                return Err(
                    Error::usage("--times with standard output", "it takes one event").advise(
                        "write the events into files: -w FILE.pcapng makes FILE-1.pcapng and so on",
                    ),
                );
            }
            Target::Stdout | Target::Path(_) => {}
        }
    }
    Ok(())
}

/// Adds a number to the name of a file: `x.pcapng` becomes `x-1.pcapng`.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_stands_before_the_ending() {
        for (path, name) in [("a/x.pcapng", "a/x-3.pcapng"), ("x", "x-3")] {
            assert_eq!(numbered(Path::new(path), 3), Path::new(name));
        }
    }
}
