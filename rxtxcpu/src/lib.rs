//! `rxtxcpu`: captures the frames of each CPU, NUMA node or queue by themselves.
//!
//! The kernel spreads the frames of an interface over *streams*
//! ([`hpcap_source::af_packet::streams`]). A worker thread takes the frames of a stream, counts them
//! and writes them to the stream's own file. The summary at the end says how many frames each CPU has
//! handled, which shows whether RSS, RPS, XPS and the like do what they were set up for.
//!
//! Options, summary and messages are those of the program of this name by StackPath (2018), so that
//! its scripts go on working.
//!
//! | module | contents |
//! |---|---|
//! | [`invocation`] | what the name of the program says: subject and direction |
//! | [`subject`] | CPUs, NUMA nodes, queues: their words, and how many there are |
//! | [`cli`], [`usage`] | the command line, and what is said about a wrong one |
//! | [`members`] | lists and masks |
//! | [`plan`] | what to capture, decided from the command line and the machine |
//! | [`mod@capture`] | the workers, and the thread that watches them |
//! | [`output`] | files, and when a new one starts |
//! | [`repeats`] | frames that are sent again and again |
//! | [`steer`] | which queue and CPU a flow will reach |
//! | [`summary`] | what is printed at the end |

#![warn(clippy::cast_possible_truncation)]

pub mod capture;
pub mod cli;
pub mod failure;
pub mod invocation;
pub mod members;
pub mod output;
pub mod plan;
pub mod repeats;
mod say;
pub mod steer;
pub mod subject;
pub mod summary;
pub mod usage;
mod verbose;

use std::ffi::OsString;
use std::process::ExitCode;

use cli::Request;
use failure::Failure;
use invocation::Invocation;
use plan::Plan;
use say::{say, say_text, with_messages};

/// Runs the program with the words of a command line. The first word is the name of the program.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    hpcap_cli::survive_sigusr1();
    let words: Vec<OsString> = words.into_iter().collect();
    let invocation = Invocation::of(words.first());
    with_messages(invocation.program, || run_as(&invocation, &words))
}

fn run_as(invocation: &Invocation, words: &[OsString]) -> ExitCode {
    let cli = match usage::parse(invocation, words) {
        Ok(Request::Capture(cli)) => cli,
        Ok(Request::Steer(steer)) => return steer::run(invocation.program, &steer),
        Err(code) => return code,
    };
    match capture(invocation, &cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let name = invocation.program;
            say(format_args!("{name}: {failure}"));
            if failure.is_usage() {
                say_text(&usage::short(invocation));
            }
            failure.exit_code()
        }
    }
}

fn capture(invocation: &Invocation, cli: &cli::Cli) -> Result<(), Failure> {
    let plan = Plan::make(invocation, cli)?;
    let capture = capture::Capture::start(&plan)?;
    let result = capture.run();
    summary::print(&plan, &result)?;
    match result.failure {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}
