//! `hpcapctl install`, `uninstall` and `upgrade`: capture as services, with the kernel module or in userspace.

mod checks;
mod plan;
pub mod ports;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hpcap::Result;
use hpcap_host::{PciDevice, Tree};

use crate::change::step::{Root, Step};
use crate::change::{Changer, Lines};
use crate::monitors;
use plan::Wishes;
use ports::Port;

/// The options of `hpcapctl install`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl install eth0                capture eth0 into queue hpcap0, now and at each boot
  hpcapctl install eth0 eth1           eth0 as hpcap0, eth1 as hpcap1
  hpcapctl install eth0 --record       also record the queue into /var/lib/hpcap/hpcap0
  hpcapctl install eth0 --engine module   the kernel module takes the port: no IP traffic goes through it then
  hpcapctl install eth0 --dry-run      only print what would be done

The counters of all queues and interfaces are logged to /var/log/hpcap (`hpcapctl monitors status`).
Everything that is changed is listed in /var/lib/hpcapctl/manifest.json; `hpcapctl uninstall` takes it
back. A run that fails undoes itself, and a run that was cut off is undone by the next one.")]
pub struct Install {
    /// The network interfaces to capture
    #[arg(value_name = "IF", required = true)]
    interfaces: Vec<String>,

    /// Also record each queue
    #[arg(long)]
    record: bool,

    /// Do not log and publish the counters
    #[arg(long)]
    no_monitor: bool,

    /// What captures the interfaces; without the option, what captures them already, and hpcapd others
    #[arg(long, value_enum)]
    engine: Option<Engine>,

    /// Capture also an interface through which the network of this machine goes
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    how: How,
}

/// What captures an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// The kernel module where it drives the NIC, and hpcapd for others
    Auto,
    /// The kernel module; an interface that it cannot drive is an error
    Module,
    /// hpcapd, through the kernel's sockets; the network goes on
    Userspace,
}

/// The options of `hpcapctl upgrade`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl upgrade             after an update of the packages: the same interfaces, the new services
  hpcapctl upgrade --dry-run   only print what would be done

The interfaces, their queues and files that somebody has changed stay as they are.")]
pub struct Upgrade {
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
    let How { root, .. } = &options.how;
    let changer = Changer::open(root)?;
    let (captured, problems) = choose(options, &changer);
    let known: Vec<String> = plan::installed(&changer).map(|(name, _)| name).collect();
    let wishes = Wishes {
        record: options.record,
        monitor: !options.no_monitor,
    };
    let units = checks::check(root, &options.interfaces, &known, wishes, problems)?;
    let plan = |changer: &Changer| {
        plan::steps(
            changer,
            root,
            &options.interfaces,
            &captured,
            wishes,
            &units,
        )
    };
    let mut text = carry_out(&options.how, changer, &plan)?;
    if !options.how.dry_run {
        let _ = writeln!(text, "{}", describe_hardware(&captured));
        let _ = writeln!(
            text,
            "`hpcapctl status` shows the queues; `hpcapctl uninstall` takes all of this back"
        );
    }
    Ok(text)
}

/// Returns the ports that the module is to capture, and what is wrong with them.
fn choose(options: &Install, changer: &Changer) -> (Vec<Port>, Vec<String>) {
    let tree = Tree::machine();
    let installed = ports::installed(changer);
    let mut captured = Vec::new();
    let mut problems = Vec::new();
    if options.engine == Some(Engine::Userspace) {
        return (captured, problems);
    }
    let is_machine = Root::new(&options.how.root).is_running_system();
    let mut fresh = Vec::new();
    for interface in &options.interfaces {
        if let Some(port) = installed.iter().find(|port| port.interface == *interface) {
            captured.push(port.clone());
            continue;
        }
        // The module takes the port away from the network of the machine, so it does that only when asked.
        let Some(engine) = options.engine else {
            continue;
        };
        // An interface that hpcapd captures keeps its engine.
        if engine == Engine::Auto && plan::installed(changer).any(|(name, _)| name == *interface) {
            continue;
        }
        match Port::of_interface(&tree, interface).filter(|_| is_machine) {
            Some(port) => fresh.push(port),
            None if engine == Engine::Module => problems.push(format!(
                "the kernel module cannot drive {interface}, which is no Intel 82599, X540, X550 or 82576 of this machine: \
                 --engine userspace captures it"
            )),
            None => {}
        }
    }
    if !fresh.is_empty() {
        problems.extend(ports::problems(&tree, &fresh, options.yes));
        for port in &fresh {
            let taken = plan::installed(changer).find(|(_, number)| *number == port.number);
            if let Some((other, number)) = taken {
                problems.push(format!(
                    "{} is hpcap{number} in the kernel module, and this queue is that of {other}: hpcapctl uninstall",
                    port.interface
                ));
            }
        }
    }
    captured.extend(fresh);
    (captured, problems)
}

/// Applies a plan, after what is left of an earlier run was undone, or prints it. Returns what to print.
fn carry_out(
    how: &How,
    mut changer: Changer,
    plan: &dyn Fn(&Changer) -> Vec<Step>,
) -> Result<String> {
    let dry_run = how.dry_run;
    let mut text = String::new();
    let mut done = Lines::new();
    if changer.is_unfinished() {
        text.push_str("an earlier run was cut off; first, what it changed is undone\n");
        if !dry_run {
            done = changer.recover()?;
        }
    }
    let steps = plan(&changer);
    if dry_run {
        for step in &steps {
            if !changer.steps().contains(&step) && changer.would_change(step) {
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
    Ok(text)
}

/// Updates the installed files to those of the installed packages. Returns what to print.
///
/// # Errors
/// As [`install`].
pub fn upgrade(options: &Upgrade) -> Result<String> {
    let root: &Path = &options.how.root;
    let changer = Changer::open(root)?;
    let interfaces: Vec<String> = plan::installed(&changer).map(|(name, _)| name).collect();
    if interfaces.is_empty() {
        return Ok("nothing to do: `hpcapctl install` has changed nothing\n".to_owned());
    }
    let captured = ports::installed(&changer);
    let has_link = |part: &str| {
        let is_link =
            |step: &&Step| matches!(step, Step::CreateLink { path, .. } if path.contains(part));
        changer.steps().iter().any(is_link)
    };
    let wishes = Wishes {
        record: has_link("/hpcapdd-queue@"),
        monitor: has_link(monitors::UNIT),
    };
    let units = checks::check(root, &interfaces, &interfaces, wishes, Vec::new())?;
    let plan =
        |changer: &Changer| plan::steps(changer, root, &interfaces, &captured, wishes, &units);
    let mut text = carry_out(&options.how, changer, &plan)?;
    text.push_str("services that run go on with the programs that they were started from; `systemctl restart hpcap.target` starts the new ones\n");
    Ok(text)
}

/// Says which engine captures, and why.
fn describe_hardware(captured: &[Port]) -> String {
    if let [port, ..] = captured {
        return format!(
            "the kernel module captures {}, whose interface is hpcap{}",
            port.interface, port.number
        );
    }
    let supported = PciDevice::all(&Tree::machine())
        .into_iter()
        .find(PciDevice::is_supported);
    match supported {
        Some(device) => format!(
            "hpcapd captures through the kernel's sockets. The kernel module can drive the NIC {}: hpcapctl uninstall, \
             then hpcapctl install IF --engine module",
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
        // The list is removed even without a step: an install that was killed at once may have left an unfinished list.
        for line in changer.undo_all()? {
            let _ = writeln!(text, "{line}");
        }
    }
    if text.is_empty() {
        text.push_str("nothing to do: `hpcapctl install` has changed nothing\n");
    }
    Ok(text)
}
