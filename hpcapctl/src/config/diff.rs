//! `hpcapctl config diff`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hpcap::Result;
use hpcap::report::json_line;
use hpcap::visible::visible;
use hpcap_config::diff::{Difference, differences};
use hpcap_config::{DEFAULT_PATH, Machine, load};

use super::running;
use crate::output::print;

/// What is compared.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl config diff                  /etc/hpcap/hpcap.toml and the running system
  hpcapctl config diff new.toml         another file and the running system
  hpcapctl config diff old.toml new.toml

With the running system, the settings of queues and interfaces are compared that can be read there.
The exit code is 1 if something differs.")]
pub struct Diff {
    /// The first configuration
    #[arg(default_value = DEFAULT_PATH)]
    pub first: PathBuf,
    /// The second configuration [default: the running system]
    pub second: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

impl Diff {
    /// Prints the differences and returns the exit code: 1 if there are some.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or has errors.
    pub fn run(&self) -> Result<ExitCode> {
        let first = load(&self.first)?.config;
        let found = match &self.second {
            Some(second) => differences(&first, &load(second)?.config),
            None => running::differences(&first, &Machine::read()),
        };
        let second = match &self.second {
            Some(path) => path.display().to_string(),
            None => "the running system".into(),
        };
        let mut text = String::new();
        for difference in &found {
            text += &match self.json {
                true => json_line(difference)?,
                false => line(difference, &self.first.display().to_string(), &second),
            };
        }
        if found.is_empty() && !self.json {
            text = "no difference\n".into();
        }
        print(&text)?;
        Ok(ExitCode::from(u8::from(!found.is_empty())))
    }
}

fn line(difference: &Difference, first: &str, second: &str) -> String {
    let section = visible(&difference.section);
    let (first, second) = (visible(first), visible(second));
    if difference.key.is_empty() {
        let only = if difference.first.is_some() {
            first
        } else {
            second
        };
        return format!("{section}: only in {only}\n");
    }
    let value = |literal: &Option<String>| literal.clone().unwrap_or_else(|| "not set".into());
    format!(
        "{section}: {}: {} in {first}, {} in {second}\n",
        difference.key,
        visible(&value(&difference.first)),
        visible(&value(&difference.second))
    )
}
