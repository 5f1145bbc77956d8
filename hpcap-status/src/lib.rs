//! `hpcap-status` shows the queues of a machine: whether frames are lost, where, since when, and who is
//! to blame.
//!
//! | module | content |
//! |---|---|
//! | [`collect`] | reads counters, and turns them into one [`Report`](collect::report::Report) with rates, losses and a verdict |
//! | [`app`] | what the user has chosen; keys, the terminal, and the loop of the dashboard |
//! | [`ui`] | draws a report into a buffer of characters, one widget a file |
//! | [`plain`] | the same report as text or JSON, without a terminal |
//! | [`text`] | numbers and times for people |
//!
//! A report is data: it comes from a machine or from a file, and every form renders it alike. Reading
//! costs a producer nothing, because counters are in shared memory.

pub mod app;
pub mod cli;
pub mod collect;
pub mod plain;
pub mod text;
pub mod ui;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hpcap::Result;
use hpcap::visible::visible_lines;
use hpcap_config::{Config, DEFAULT_PATH};

use cli::Cli;
use collect::Collector;

/// Does what the command line `cli` asks for, and returns the exit code.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    match try_run(cli) {
        Ok(unseen) if unseen.is_empty() => ExitCode::SUCCESS,
        Ok(unseen) => {
            unseen.iter().for_each(|why| complain(why));
            ExitCode::FAILURE
        }
        Err(e) => {
            complain(&e.to_string());
            ExitCode::from(e.exit_code())
        }
    }
}

fn complain(why: &str) {
    use std::io::Write;
    let text = visible_lines(&format!("hpcap-status: {why}")).into_owned();
    // Standard error may be gone together with the terminal.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Returns why queues are missing in what was printed.
fn try_run(cli: &Cli) -> Result<Vec<String>> {
    let collector = Collector::start(logs(cli)?)?;
    let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if cli.watch {
        plain::watch(collector, cli.interval, cli.json).map(|()| Vec::new())
    } else if cli.once || cli.json || !has_terminal {
        plain::once(collector, cli.json)
    } else {
        app::run(collector, cli.interval).map(|()| Vec::new())
    }
}

/// Returns the folder of the logs of the monitor, if it has any.
fn logs(cli: &Cli) -> Result<Option<PathBuf>> {
    if let Some(folder) = &cli.logs {
        return Ok((folder != Path::new("none")).then(|| folder.clone()));
    }
    let config = match &cli.config {
        Some(path) => hpcap_config::load(path)?.config,
        // The dashboard works without the configuration of the machine, and so with a wrong one.
        None => hpcap_config::load(Path::new(DEFAULT_PATH))
            .map_or_else(|_| Config::default(), |loaded| loaded.config),
    };
    Ok(Some(config.monitor.basedir))
}
