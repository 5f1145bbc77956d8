//! `hpcapctl selftest`: whether what is installed here works together, tried with generated traffic.
//!
//! The traffic tests run hpcapd, hpcapdd and checkraw in a folder of their own, so that they neither see nor
//! disturb the queues of the machine.

mod run;
mod still;
mod traffic;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hpcap::Result;
use hpcap::report::json_line;
use hpcap_config::DEFAULT_PATH;
use serde::Serialize;

use crate::output::print;
use run::Lab;
use traffic::told;

/// The names of the tests, in their order.
const TESTS: [&str; 9] = [
    "configuration",
    "modules",
    "queues",
    "programs",
    "rx",
    "store",
    "small-ring",
    "padding-edge",
    "wire",
];

/// The tests, and the form of their results.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl selftest                    every test: about half a minute
  hpcapctl selftest --json             one JSON object for each test
  hpcapctl selftest --dir /data        store the test files there; they are removed afterwards
  hpcapctl selftest --programs DIR     test the programs in DIR, such as target/release
  hpcapctl selftest --capture eth1 --send \
    'ssh tx hpcap-bench send gen:size={size},count={frames},rate={pps}pps --to eth1 --json'
                                       also capture what another machine sends to eth1
  hpcapctl selftest --capture hpcap0 --sender moongen --send \
    'ssh tx ./MoonGen send.lua 0 --size {size_with_fcs} --rate {mbits} --count {frames}'
                                       the same for a queue of the kernel module

The exit code is 1 if a test fails. A test that does not concern this machine is skipped.")]
pub struct Selftest {
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    /// Folder for the files of the tests [default: the one for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Folder of hpcapd, hpcapdd and checkraw [default: that of hpcapctl, then PATH]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,

    /// The configuration that is checked
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,

    /// Run only these tests
    #[arg(long, value_name = "TEST,...", value_delimiter = ',', value_parser = TESTS)]
    only: Vec<String>,

    #[command(flatten)]
    wire: wire::Options,
}

/// The outcome of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The test has passed.
    Pass,
    /// The test has failed.
    Fail,
    /// The test does not concern this machine.
    Skipped,
}

/// The result of a test.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The test.
    pub test: &'static str,
    /// The outcome.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub next: Option<String>,
}

impl Outcome {
    fn pass(test: &'static str, found: impl Into<String>) -> Self {
        Self {
            test,
            state: State::Pass,
            found: found.into(),
            next: None,
        }
    }

    fn skipped(test: &'static str, found: impl Into<String>) -> Self {
        Self {
            state: State::Skipped,
            ..Self::pass(test, found)
        }
    }

    fn fail(test: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            state: State::Fail,
            next: Some(next.into()),
            ..Self::pass(test, found)
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Pass => "pass",
            State::Fail => "FAIL",
            State::Skipped => "skipped",
        };
        let indent = " ".repeat(26);
        let found = self.found.replace('\n', &format!("\n{indent}"));
        write!(f, "{state:<8} {:<16} {found}", self.test)?;
        match &self.next {
            Some(next) => write!(
                f,
                "\n{indent}next: {}",
                next.replace('\n', &format!("\n{indent}"))
            ),
            None => Ok(()),
        }
    }
}

impl Selftest {
    /// Runs the tests and prints each result when it is there. Returns 1 if one failed.
    ///
    /// # Errors
    /// Errors of the folder for the files of the tests.
    pub fn run(&self) -> Result<ExitCode> {
        let mut failed = false;
        let mut tell = |outcome: &Outcome| -> Result<()> {
            failed |= outcome.state == State::Fail;
            print(&match self.json {
                true => json_line(outcome)?,
                false => format!("{}\n", hpcap::visible::visible_lines(&outcome.to_string())),
            })
            .map(drop)
        };
        let wanted = |test: &str| self.only.is_empty() || self.only.iter().any(|one| one == test);
        if wanted("configuration") {
            tell(&still::check_configuration(&self.config))?;
        }
        if wanted("modules") {
            tell(&still::check_modules())?;
        }
        if wanted("queues") {
            tell(&still::check_queues())?;
        }
        let lab = Lab::new(self.dir.as_deref(), self.programs.clone())?;
        let programs = still::check_programs(&lab);
        // The tests with traffic need the programs, so that their defects are told in any case.
        if wanted("programs") || programs.state == State::Fail {
            tell(&programs)?;
        }
        if programs.state == State::Pass {
            for (name, test) in traffic::TESTS {
                if wanted(name) {
                    tell(&told(name, test(&lab)))?;
                }
            }
            if wanted("wire") {
                self.wire.run(&lab, &mut tell)?;
            }
        }
        Ok(ExitCode::from(u8::from(failed)))
    }
}
