//! `hpcapctl down`: stops capturing, and puts back what `up` changed.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use hpcap::Result;
use hpcap_config::Machine;

use super::Which;
use super::record::{MODULES, MONITOR, Records};
use crate::output::print;

/// Which interfaces are taken down.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl down                     everything that `hpcapctl up` has changed
  hpcapctl down eth0                one interface; the kernel modules stay loaded
  hpcapctl down --dry-run           only print what would be undone

`down` undoes the steps of `up` in reverse order. A setting that another program has changed since is left
alone, and named.")]
pub struct Down {
    #[command(flatten)]
    which: Which,
}

impl Down {
    /// Takes the interfaces down, and prints what was done.
    ///
    /// # Errors
    /// Errors of the list of changes; those of interfaces are printed, and the exit code is 1.
    pub fn run(&self) -> Result<ExitCode> {
        take_down(&self.which)
    }
}

/// Undoes what `up` has done to the interfaces, and without a name what it has done at all.
///
/// # Errors
/// Errors of the list of changes; those of interfaces are printed, and the exit code is 1.
pub(super) fn take_down(which: &Which) -> Result<ExitCode> {
    which.check_privileges()?;
    let records = match which.dry_run {
        true => Records::look(&which.root),
        false => Records::lock(&which.root)?,
    };
    let labels = match which.interfaces.is_empty() {
        true => records.labels(),
        false => labels_of(which, &records)?,
    };
    let mut text = String::new();
    let mut failed = false;
    let all = labels.iter().map(String::as_str);
    // The monitor reads the queues, and the modules serve them.
    let shared = |label| which.interfaces.is_empty().then_some(label);
    for label in shared(MONITOR)
        .into_iter()
        .chain(all)
        .chain(shared(MODULES))
    {
        let mut changer = records.open(label)?;
        let lines = if which.dry_run {
            let steps = changer.steps().into_iter().rev();
            steps.map(|step| format!("would undo: {step}")).collect()
        } else {
            match changer.undo_all() {
                Ok(lines) => lines,
                Err(e) => {
                    hpcap_cli::say(format_args!("hpcapctl: {label}: {e}"));
                    failed = true;
                    continue;
                }
            }
        };
        if !lines.is_empty() {
            let _ = writeln!(text, "{label}:");
            for line in lines {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    if text.is_empty() && !failed {
        text.push_str("nothing to do: `hpcapctl up` has changed nothing here\n");
    }
    print(&text)?;
    Ok(ExitCode::from(u8::from(failed)))
}

/// The labels of the interfaces that are named. A record may be older than the configuration, so it is found without
/// the configuration, too.
fn labels_of(which: &Which, records: &Records<'_>) -> Result<Vec<String>> {
    let known = records.labels();
    if which.interfaces.iter().all(|name| known.contains(name)) {
        return Ok(which.interfaces.clone());
    }
    let config = which.load()?;
    let machine = Machine::read_from(&which.tree());
    let selected = which.select(&config, &machine)?;
    Ok(selected
        .into_iter()
        .map(|position| config.interfaces[position].label())
        .collect())
}
