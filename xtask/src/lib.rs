//! What a developer runs with `cargo xtask`, and what the Makefile calls.
//!
//! | module | contents |
//! |---|---|
//! | [`bench_report`] | the tables of docs/performance.md, measured and written (make bench-report) |
//! | [`page`], [`completions`] | man pages and shell completions, made from the command lines of the programs, so that they name exactly the options that the programs have |
//! | [`demo`] | the demonstration of `make run` |
//! | [`documents`] | comparison of the documents with the command lines of the programs |
//! | [`licences`] | the libraries in the programs, and their licences |
//! | [`lint`] | checks of what no compiler checks |

pub mod bench_report;
pub mod completions;
pub mod demo;
pub mod documents;
pub mod licences;
pub mod lint;
pub mod page;

use clap::{Command, CommandFactory};

/// The command lines of all programs that `make install` installs.
#[must_use]
pub fn programs() -> Vec<Command> {
    let mut programs = vec![
        raw2pcap::checkraw::Cli::command(),
        hpcap_bench::cli::Cli::command(),
        hpcap_diag::cli::Cli::command(),
        hpcap_monitor::cli::Cli::command(),
        hpcap_sniff::cli::Cli::command(),
        hpcap_status::cli::Cli::command(),
        hpcap_tap::cli::Cli::command(),
        hpcapctl::cli::Cli::command(),
        hpcapd::cli::Cli::command(),
        hpcapdd::cli::Cli::command(),
        raw2pcap::convert::Cli::command(),
    ];
    programs.extend(rxtxcpu::invocation::NAMES.iter().map(rxtxcpu::cli::command));
    for program in &mut programs {
        // A command knows its full name, --help and --version only after it was built.
        program.build();
    }
    programs
}
