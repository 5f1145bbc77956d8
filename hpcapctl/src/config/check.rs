//! `hpcapctl config check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hpcap::Result;
use hpcap::report::json_line;
use hpcap_config::{DEFAULT_PATH, Document, Level, Machine, Problem, Problems, check, read_text};

use crate::output::print;

/// Which configuration is checked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl config check                  /etc/hpcap/hpcap.toml, and whether it fits this machine
  hpcapctl config check new.toml         another file
  hpcapctl config check --syntax x.toml  for another machine: the file alone
  hpcapctl config check --json           one JSON object for each problem

The exit code is 1 if there is an error, and 0 if there are only warnings.")]
pub struct Check {
    /// The configuration
    #[arg(default_value = DEFAULT_PATH)]
    pub file: PathBuf,
    /// Do not compare the file with this machine
    #[arg(long)]
    pub syntax: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

impl Check {
    /// Prints the problems and returns the exit code: 1 if one of them is an error.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn run(&self) -> Result<ExitCode> {
        let name = self.file.display().to_string();
        let problems = match Document::parse(&name, &read_text(&self.file)?) {
            Err(Problems(problems)) => problems,
            Ok(document) => {
                let machine = match self.syntax {
                    true => None,
                    false => Some(Machine::read()),
                };
                check::check(&document, machine.as_ref())
            }
        };
        self.report(&name, &problems)?;
        let failed = problems.iter().any(|p| p.level == Level::Error);
        Ok(ExitCode::from(u8::from(failed)))
    }

    fn report(&self, name: &str, problems: &[Problem]) -> Result<()> {
        let mut text = String::new();
        for problem in problems {
            text += &match self.json {
                true => json_line(problem)?,
                false => format!("{problem}\n"),
            };
        }
        if !self.json {
            let count = |level| problems.iter().filter(|p| p.level == level).count();
            text += &match (count(Level::Error), count(Level::Warning)) {
                (0, 0) => format!("{}: no problems\n", hpcap::visible::visible(name)),
                (errors, warnings) => {
                    format!(
                        "{}, {}\n",
                        plural(errors, "error"),
                        plural(warnings, "warning")
                    )
                }
            };
        }
        print(&text).map(drop)
    }
}

/// `1 error`, `2 errors`.
fn plural(n: usize, word: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {word}{s}")
}
