//! The program `hpcapdd`, which records a queue or a source: `hpcapdd QUEUE DEST`.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use hpcap::error::Context;
use hpcap::message;
use hpcap_host::Interface;
use hpcapdd::aliases::resolve_aliases;
use hpcapdd::cli::{Cli, HINTS};
use hpcapdd::recorder::{record, style_of};
use hpcapdd::report::reporter::notice;
use hpcapdd::session::signals::Signals;

fn main() -> ExitCode {
    let cli: Cli = hpcap_cli::parse(HINTS);
    let style = style_of(&cli);
    message::run("hpcapdd", notice(style), |messages| run(cli, messages))
}

fn run(cli: Cli, messages: &message::Messages) -> hpcap::Result<()> {
    if cli.list_interfaces {
        let list = Interface::list()?;
        return match std::io::stdout().write_all(list.as_bytes()) {
            // The reader closed the pipe because it has read enough, as `head` does.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.context(|| "print the interfaces"),
        };
    }
    let cli = resolve_aliases(cli)?;
    record(&cli, messages, &Signals::install()?)
}
