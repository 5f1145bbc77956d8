//! The recorder: `hpcapdd QUEUE DEST`.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use hpcap::error::Context;
use hpcap_engine::source::interface::Interface;
use hpcapdd::cli::{Cli, HINTS};
use hpcapdd::familiar::translated;
use hpcapdd::recorder::record;
use hpcapdd::signals::Signals;

fn main() -> ExitCode {
    match run(hpcap_cli::parse(HINTS)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("hpcapdd: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(cli: Cli) -> hpcap::Result<()> {
    if cli.list_interfaces {
        let list = Interface::list()?;
        return match std::io::stdout().write_all(list.as_bytes()) {
            // Whoever read the list has found the interface.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.context(|| "print the interfaces"),
        };
    }
    let cli = translated(cli)?;
    record(&cli, Signals::install()?)
}
