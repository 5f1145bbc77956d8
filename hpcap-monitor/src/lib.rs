//! `hpcap-monitor` reads the counters of every queue and of every network interface at a fixed
//! interval. It logs them, publishes them for Prometheus, says when frames are lost, and reports what
//! its logs hold.
//!
//! | module | content |
//! |---|---|
//! | [`sample`] | all counters at one moment, and the traffic between two moments |
//! | [`ticker`] | the moments: a timer that does not drift |
//! | [`span`] | what happened to an adapter or interface in a span of time |
//! | [`log`] | the files: the original's log, the full log, their retention |
//! | [`events`] | what begins and ends: losses, links without signal, stuck listeners |
//! | [`history`] | the last hour and the last day |
//! | [`serve`] | the page and the text for Prometheus over HTTP, and that text in a file |
//! | [`report`] | the summary of a log |
//! | [`chart`] | pictures of speed and losses |
//! | [`markup`] | text in pages |
//! | [`service`] | the program that does all of it at each moment |
//!
//! Sampling reads shared memory, and asks no producer anything, so that it costs a capture nothing.
//! Opening queues, writing files and serving HTTP happen in threads of their own, because each of them
//! can wait for somebody else.

#![warn(clippy::cast_possible_truncation)]

pub mod chart;
pub mod cli;
pub mod events;
pub mod history;
pub mod log;
pub mod markup;
pub mod report;
pub mod sample;
pub mod serve;
pub mod service;
pub mod settings;
pub mod span;
pub mod ticker;

use std::io::Write;
use std::process::ExitCode;

use hpcap::error::Context;
use hpcap::message::{self, Stream};

use cli::{Cli, Command};

/// Does what the command line `cli` asks for, and returns the exit code.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let notice = |_: Stream, dropped: u64| {
        format!("hpcap-monitor: {dropped} messages before this one were dropped: nobody read them")
    };
    message::run("hpcap-monitor", notice, |messages| match &cli.command {
        Command::Run(options) => service::run(&options.settings()?, messages),
        Command::Report(options) => print(&options.run()?),
    })
}

fn print(text: &str) -> hpcap::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader closed the pipe because it has read enough, as `head` does.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "print the report"),
    }
}
