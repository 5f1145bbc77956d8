//! `hpcap-bench run`: a whole capture path, frame by frame.
//!
//! A sender offers frames on one end of a veth pair. Each frame has a number, the time of sending, and
//! a content that follows from its number. Each program in turn captures the other end under the same
//! load, and what became of each frame is accounted for: captured with all bytes right, lost for a
//! reason that the program tells, removed as a copy, or unexplained, which is a failure. No number is
//! rescaled.

mod account;
mod measure;
mod passport;
mod plan;
mod results;
mod target;
mod write;

use std::path::Path;
use std::time::{Duration, Instant};

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};

pub use account::{Account, Offered, Said};
pub use measure::{Cost, Measurement};
pub use passport::Passport;
pub use plan::{Cell, Plan, folder_of, name_of_rate, parse_copies, parse_offered, parse_sizes};
pub use results::{FILE, FORMAT, Failure, Results};
pub use target::{Engine, Target};

use crate::capture::namespace::within;
use crate::capture::{RECEIVER, SENDER};
use crate::workspace::Workspace;
use measure::measure;

/// Bytes of disk that a capture of one second may need.
const BYTES_PER_SECOND: u64 = 1 << 30;
/// Time of a measurement beside that of sending: starting, settling, waiting, verifying.
const AROUND: Duration = Duration::from_millis(3500);

/// Measures all of `plan`, and writes the results into `folder` after each measurement. `say` gets
/// messages on the progress.
///
/// # Errors
/// When `folder` exists or cannot be written, or nothing can be measured. A measurement that fails
/// is among the results.
pub fn run(
    plan: &Plan,
    folder: &Path,
    command: String,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Results> {
    std::fs::create_dir(folder).context(|| format!("make {} for the results", folder.display()))?;
    let room = plan.duration.as_secs().max(1) * BYTES_PER_SECOND;
    let workspace = Workspace::new(folder, room)?;
    within(workspace.path(), [SENDER, RECEIVER], || {
        let (plan, unavailable) = possible(plan);
        for one in &unavailable {
            say(&format!("{}: {}", one.what, one.why));
        }
        let cells = plan.cells();
        let mut results = Results {
            format: FORMAT,
            machine: Passport::here(&plan.targets),
            command,
            planned: cells.len(),
            measurements: Vec::new(),
            unavailable,
            failures: Vec::new(),
        };
        let outcome = measure_all(&plan, &cells, folder, &workspace, &mut results, say);
        write::write(&results, folder)?;
        outcome.map(|()| results)
    })
}

/// Returns the plan with those targets that can capture here, and the others.
fn possible(plan: &Plan) -> (Plan, Vec<Failure>) {
    let mut unavailable = Vec::new();
    let mut plan = plan.clone();
    plan.targets
        .retain(|target| match target.why_not(RECEIVER) {
            None => true,
            Some(why) => {
                unavailable.push(Failure {
                    what: target.name().into(),
                    why: why.into(),
                });
                false
            }
        });
    (plan, unavailable)
}

fn measure_all(
    plan: &Plan,
    cells: &[Cell],
    folder: &Path,
    workspace: &Workspace,
    results: &mut Results,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<()> {
    if cells.is_empty() {
        let why = "none of the programs can capture here";
        return Err(Error::new(Kind::NotFound, "measure captures", why));
    }
    let from = Instant::now();
    for (done, cell) in cells.iter().enumerate() {
        match measure(cell, plan.duration, workspace) {
            Ok(measurement) => {
                let left = remaining(from.elapsed(), done + 1, cells.len());
                say(&progress(&measurement, done + 1, cells.len(), left));
                results.measurements.push(measurement);
            }
            // An interrupt ends the run; what was measured is kept.
            Err(e) if crate::process::check_interrupted().is_err() => return Err(e),
            Err(e) => {
                let failure = Failure {
                    what: format!("{}, {}", cell.target, cell.source(plan.duration)),
                    why: e.to_string().replace('\n', " "),
                };
                say(&format!("{}: {}", failure.what, failure.why));
                results.failures.push(failure);
            }
        }
        write::write(results, folder)?;
    }
    Ok(())
}

/// Returns the time that a run takes.
#[must_use]
pub fn expected(plan: &Plan) -> Duration {
    let cells = u32::try_from(plan.cells().len()).unwrap_or(u32::MAX);
    (plan.duration + AROUND).saturating_mul(cells)
}

/// Returns the time that is left after `done` of `all` measurements took `elapsed`.
fn remaining(elapsed: Duration, done: usize, all: usize) -> Duration {
    elapsed.mul_f64((all - done) as f64 / done.max(1) as f64)
}

fn progress(m: &Measurement, done: usize, all: usize, left: Duration) -> String {
    let a = &m.account;
    let percent = a.lost() as f64 / a.offered.frames.max(1) as f64 * 100.0;
    let mut line = format!(
        "{done}/{all} {}: {} frames, {} lost ({percent:.2} %), {:.0} ns a frame",
        m.what(),
        a.offered.frames,
        a.lost(),
        m.cost.user_ns + m.cost.kernel_ns,
    );
    for problem in &a.problems {
        line.push_str("; DOES NOT ADD UP: ");
        line.push_str(problem);
    }
    if done < all {
        let seconds = left.as_secs();
        line.push_str(&format!("  [{}:{:02} left]", seconds / 60, seconds % 60));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_from_the_time_so_far() {
        let left = |done, all| remaining(Duration::from_secs(10), done, all).as_secs();
        assert_eq!([left(1, 3), left(5, 10), left(10, 10)], [20, 10, 0]);
    }
}
