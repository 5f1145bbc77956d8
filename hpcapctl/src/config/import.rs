//! `hpcapctl config import`.

use std::path::PathBuf;

use clap::Args;
use hpcap::Result;
use hpcap_config::params::import;
use hpcap_config::{read_bytes, save};

use crate::output::print;

/// Which file is imported, and where the configuration goes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl config import params.cfg                         print the configuration
  hpcapctl config import /etc/hpcap/params.cfg -o new.toml  write it to a file
  hpcapctl config check new.toml                            then compare it with this machine

Each doubtful line of params.cfg is named on stderr, with what was made of it.")]
pub struct Import {
    /// The original's params.cfg
    pub params: PathBuf,
    /// Write the configuration to this file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

impl Import {
    /// Imports the file, and prints remarks on stderr.
    ///
    /// # Errors
    /// Returns an error if one file cannot be read or the other cannot be written.
    pub fn run(&self) -> Result<()> {
        let imported = import(&read_bytes(&self.params)?);
        for remark in &imported.remarks {
            hpcap_cli::say(format_args!(
                "{}: {remark}",
                hpcap::visible::visible_path(&self.params)
            ));
        }
        let text = imported.config.to_string();
        match &self.output {
            None => print(&text).map(drop),
            Some(path) => {
                save(path, &text, self.force)?;
                let path = path.display().to_string();
                print(&format!("{} is written\n", hpcap::visible(&path))).map(drop)
            }
        }
    }
}
