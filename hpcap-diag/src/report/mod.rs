//! Reports about a collection: its findings, and its differences from another collection.

mod diff;
mod findings;
pub(crate) mod wrap;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hpcap::error::Context;
use hpcap::message::{Level as MessageLevel, Messages, Stream};
use hpcap::{Error, Kind, Result};
use hpcap_host::Tree;

use crate::bundle::Bundle;
use crate::cli::{Diff, Now, Read};
use crate::collect::command::stop_flag;
use crate::collect::{Options, collect};
use crate::facts::Facts;
use crate::rules::{self, Finding, Level, Rule};

pub use diff::{Change, changes};
pub use findings::render;

/// Reads a tarball and prints what is wrong. Returns whether there is a problem.
///
/// # Errors
/// Errors of reading the tarball, or of printing.
pub fn read(options: &Read) -> Result<bool> {
    let bundle = Bundle::open(&options.file)?;
    let findings = judge(&bundle)?;
    let name = options.file.display().to_string();
    print(&findings::render(&name, &bundle, &findings, options.json)?)?;
    Ok(has_problem(&findings))
}

fn has_problem(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.level == Level::Problem)
}

/// Looks at the running system and prints what is wrong. Returns whether there is a problem.
///
/// # Errors
/// An error of the kernel, that a signal ended it, or an error of printing.
pub fn now(options: &Now, messages: &Messages) -> Result<bool> {
    let bundle = running(options, stop_flag()?, &mut |what| {
        let text = format!("reading {what}");
        messages.tell(MessageLevel::Progress, Stream::Errors, text);
    })?;
    let findings = judge(&bundle)?;
    print(&findings::render(
        "this machine",
        &bundle,
        &findings,
        options.json,
    )?)?;
    Ok(has_problem(&findings))
}

/// Collects the facts of the running system in memory.
fn running(options: &Now, stop: Arc<AtomicBool>, tell: &mut dyn FnMut(&str)) -> Result<Bundle> {
    let mut bundle = Bundle::default();
    let options = Options {
        tree: Tree::machine(),
        interval: options.interval,
        time_limit: options.time_limit,
        redact: false,
        config: options.config.clone(),
        captures: Vec::new(),
        thorough: true,
        stop,
    };
    collect(&options, &mut bundle, tell)?;
    Ok(bundle)
}

/// Compares two tarballs and prints what changed.
///
/// # Errors
/// Errors of reading a tarball, or of printing.
pub fn compare(options: &Diff) -> Result<()> {
    let (first, second) = (
        Bundle::open(&options.first)?,
        Bundle::open(&options.second)?,
    );
    let findings = [judge(&first)?, judge(&second)?];
    let names = [&options.first, &options.second].map(|path| path.display().to_string());
    print(&diff::render(
        &names,
        [&first, &second],
        &findings,
        options.json,
    )?)
}

fn judge(bundle: &Bundle) -> Result<Vec<Finding>> {
    Ok(rules::judge(&all_rules()?, &Facts::of(bundle)))
}

fn all_rules() -> Result<Vec<Rule>> {
    rules::all().map_err(|why| Error::new(Kind::Format, "read the rules", why))
}

/// Prints `text` to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    hpcap_service::let_signals_end();
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader closed the pipe because it has read enough, as `head` does.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "print the result"),
    }
}
