//! `hpcapctl install` and `uninstall`: capture in userspace as services.

mod checks;
mod plan;

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use hpcap::Result;
use hpcap_host::{PciDevice, Tree};

use crate::change::{Changer, Lines};

/// The options of `hpcapctl install`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl install eth0                capture eth0 into queue hpcap0, now and at each boot
  hpcapctl install eth0 eth1           eth0 as hpcap0, eth1 as hpcap1
  hpcapctl install eth0 --record       also record the queue into /var/lib/hpcap/hpcap0
  hpcapctl install eth0 --dry-run      only print what would be done

Everything that is changed is listed in /var/lib/hpcapctl/manifest.json; `hpcapctl uninstall` takes it
back. A run that fails undoes itself, and a run that was cut off is undone by the next one.")]
pub struct Install {
    /// The network interfaces to capture
    #[arg(value_name = "IF", required = true)]
    interfaces: Vec<String>,

    /// Also record each queue
    #[arg(long)]
    record: bool,

    #[command(flatten)]
    how: How,
}

/// The options of `hpcapctl uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    #[command(flatten)]
    how: How,
}

/// How a change is made.
#[derive(Debug, Args)]
struct How {
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,

    /// Change the system below this folder, such as an image; starts nothing
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Installs services. Returns what to print.
///
/// # Errors
/// All problems that the checks find, in one error; or the error of the step that failed, after the
/// steps before it were undone.
pub fn install(options: &Install) -> Result<String> {
    let How { dry_run, root } = &options.how;
    let units = checks::check(root, &options.interfaces, options.record)?;
    let mut changer = Changer::open(root)?;
    let mut text = String::new();
    let mut done = Lines::new();
    if changer.is_unfinished() {
        text.push_str("an earlier run was cut off; first, what it changed is undone\n");
        if !dry_run {
            done = changer.recover()?;
        }
    }
    let steps = plan::steps(&changer, root, &options.interfaces, options.record, &units);
    if *dry_run {
        for step in &steps {
            if !changer.steps().contains(&step) {
                let _ = writeln!(text, "would {step}");
            }
        }
        return Ok(text);
    }
    done.extend(changer.apply(&steps)?);
    if done.is_empty() {
        text.push_str("nothing to do: this is installed already\n");
    }
    for line in done {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "{}", describe_hardware());
    let _ = writeln!(
        text,
        "`hpcapctl status` shows the queues; `hpcapctl uninstall` takes all of this back"
    );
    Ok(text)
}

/// Says which engine captures, and why.
fn describe_hardware() -> String {
    let supported = PciDevice::all(&Tree::machine())
        .into_iter()
        .find(PciDevice::is_supported);
    match supported {
        Some(device) => format!(
            "hpcapd captures through the kernel's sockets. The NIC {} can capture with the kernel module, \
             which this command does not install: see docs/driver.md",
            device.address
        ),
        None => "this machine has no NIC that hpcap's kernel module drives (Intel 82599 or a relative), \
                 so hpcapd captures through the kernel's sockets"
            .to_owned(),
    }
}

/// Undoes everything that `install` did. Returns what to print.
///
/// # Errors
/// The error of the step that cannot be undone.
pub fn uninstall(options: &Uninstall) -> Result<String> {
    let How { dry_run, root } = &options.how;
    let mut changer = Changer::open(root)?;
    let mut text = String::new();
    if *dry_run {
        for step in changer.steps().into_iter().rev() {
            let _ = writeln!(text, "would undo: {step}");
        }
    } else {
        checks::check_privileges(root)?;
        // Also without a step: an install that was killed at once may have left an unfinished list.
        for line in changer.undo_all()? {
            let _ = writeln!(text, "{line}");
        }
    }
    if text.is_empty() {
        text.push_str("nothing to do: `hpcapctl install` has changed nothing\n");
    }
    Ok(text)
}
