//! `hpcap-diag` collects everything that explains a failure of a capture into one file, reads such files, and says
//! what an expert would say.
//!
//! | module | content |
//! |---|---|
//! | [`collect`] | reading the sources, each within limits of time and size, and writing the tarball |
//! | [`redact`] | replacing addresses, names and secrets |
//! | [`manifest`] | what is in a collection, and what could not be read |
//! | [`record`] | interfaces, queues and sockets as they stand in a collection |
//! | [`bundle`] | a collection in memory, from a tarball or from the running system |
//! | [`facts`] | numbers, words and flags in a collection |
//! | [`rules`] | what an expert would say of which facts; each rule is a file in `rules/` |
//! | [`decode`] | files and lines of an oops of the modules |
//! | [`profile`] | where poll threads, recorders and softirqs spend their time |
//! | [`trace`] | the way of frames through the kernel |
//! | [`perf`] | rings of the kernel's perf events |
//! | [`output`] | files that are called `.part` until they are complete |
//! | [`report`] | the findings and the difference of two collections, as text and JSON |
//!
//! A collection is a tree: `proc/` and `sys/` have the files of the kernel under their own names, other files have
//! what the kernel says in no file. `later/` has the second reading of what changes.

#![warn(clippy::cast_possible_truncation)]

pub mod bundle;
pub mod cli;
pub mod collect;
pub mod decode;
pub mod facts;
pub mod manifest;
pub mod output;
pub mod perf;
pub mod profile;
pub mod record;
pub mod redact;
pub mod report;
pub mod rules;
pub mod trace;

use std::process::ExitCode;

use hpcap::message::{self, Stream};

use cli::{Cli, Command};

/// Does what the command line `cli` asks for, and returns the exit code.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let notice = |_: Stream, dropped: u64| {
        format!("hpcap-diag: {dropped} messages before this one were dropped: nobody read them")
    };
    let mut has_problem = false;
    let code = message::run("hpcap-diag", notice, |messages| {
        match &cli.command {
            Command::Collect(options) => collect::command::run(options, messages)?,
            Command::Read(options) => has_problem = report::read(options)?,
            Command::Now(options) => has_problem = report::now(options, messages)?,
            Command::Diff(options) => report::compare(options)?,
            Command::Decode(options) => decode::run(options)?,
            Command::Profile(options) => profile::run(options, messages)?,
            Command::Trace(options) => trace::run(options, messages)?,
        }
        Ok(())
    });
    match has_problem {
        true => ExitCode::FAILURE,
        false => code,
    }
}
