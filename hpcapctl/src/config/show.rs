//! `hpcapctl config show`.

use std::path::PathBuf;

use clap::Args;
use hpcap::Result;
use hpcap::report::json_line;
use hpcap_config::{DEFAULT_PATH, load};

use crate::output::print;

/// Which configuration is shown, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl config show                  /etc/hpcap/hpcap.toml without comments and defaults
  hpcapctl config show --all new.toml   every key of another file, also those with their default
  hpcapctl config show --json           JSON, with every key")]
pub struct Show {
    /// The configuration
    #[arg(default_value = DEFAULT_PATH)]
    pub file: PathBuf,
    /// Print every key, also those with their default
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Show {
    /// Prints the configuration.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or has errors.
    pub fn run(&self) -> Result<()> {
        let config = load(&self.file)?.config;
        let text = match (self.json, self.all) {
            (true, _) => json_line(&config.to_json())?,
            (false, true) => config.to_full_text(),
            (false, false) => config.to_string(),
        };
        print(&text).map(drop)
    }
}
