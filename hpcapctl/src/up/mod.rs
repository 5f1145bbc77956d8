//! `hpcapctl up`, `down` and `restart`: interfaces, modules and services as the configuration says.

mod down;
mod modules;
mod plan;
mod record;
mod unit;
mod wait;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hpcap::units::parse_duration;
use hpcap::{Error, Kind, Result};
use hpcap_config::{Config, DEFAULT_PATH, Machine, load};
use hpcap_host::{Interface, Tree};
use nix::unistd::geteuid;

use crate::change::Changer;
use crate::change::step::{Before, Root, Step};
use crate::output::print;
use plan::{Facts, Plan};
use record::{MODULES, Records};

pub use down::Down;
pub(crate) use modules::check_versions;

/// Which interfaces are brought up, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl up                       every interface of /etc/hpcap/hpcap.toml
  hpcapctl up eth0                  one of them, by name, PCI address or queue
  hpcapctl up --dry-run             only print what would be done
  hpcapctl up --wait 30s            wait longer for the links
  hpcapctl up --config lab.toml     another configuration

The configuration decides: MTU, speed, pause frames, offloads, promiscuous mode and addresses; the kernel
module, its queues and rings; or the services of hpcapd and hpcapdd. What is as it should be is left alone. If
a step fails, the steps before it for that interface are undone. `hpcapctl down` puts everything back.")]
pub struct Up {
    #[command(flatten)]
    which: Which,

    /// Take an interface away from the network stack although it has IP addresses
    #[arg(long)]
    yes: bool,

    /// How long to wait for each link
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    wait: Duration,
}

/// The interfaces of a command.
#[derive(Debug, Args)]
pub struct Which {
    /// Interfaces of the configuration: name, PCI or MAC address, or queue [default: all]
    #[arg(value_name = "IF")]
    pub interfaces: Vec<String>,

    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,

    /// Only print what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// With --dry-run: plan for the copy of a machine below this folder
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        requires = "dry_run",
        hide = true
    )]
    pub root: PathBuf,
}

/// Stops and starts interfaces.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl restart                  load the modules anew, and start all queues anew
  hpcapctl restart eth0             one interface

Restarting is `hpcapctl down` and then `hpcapctl up`. Recordings end, and begin again. Without an interface,
the kernel modules are unloaded and loaded with new parameters.")]
pub struct Restart {
    #[command(flatten)]
    up: Up,
}

impl Which {
    fn tree(&self) -> Tree {
        Tree::at(&self.root)
    }

    fn load(&self) -> Result<Config> {
        let path = match self.root == Path::new("/") {
            true => self.config.clone(),
            false => Root::new(&self.root).path(&self.config.display().to_string()),
        };
        load(&path)
            .map(|document| document.config)
            .map_err(|e| match e.kind() {
                Kind::NotFound => e.advise("make one: hpcapctl config new"),
                _ => e,
            })
    }

    /// The places in `config` of the interfaces that are named; all, if none is named.
    fn select(&self, config: &Config, machine: &Machine) -> Result<Vec<usize>> {
        let all = 0..config.interfaces.len();
        if self.interfaces.is_empty() {
            return Ok(all.collect());
        }
        let mut selected = Vec::new();
        for name in &self.interfaces {
            let is_called = |position: &usize| {
                let interface = &config.interfaces[*position];
                let port = machine.port_of(interface);
                interface.label() == *name
                    || port.is_some_and(|port| port.name.as_deref() == Some(name))
                    || port.is_some_and(|port| port.pci.is_some_and(|pci| pci.to_string() == *name))
                    || config
                        .queues_of(*position)
                        .iter()
                        .any(|queue| queue.to_string() == *name)
            };
            match all.clone().find(is_called) {
                Some(position) if selected.contains(&position) => {}
                Some(position) => selected.push(position),
                None => {
                    let labels: Vec<String> = config.interfaces.iter().map(|i| i.label()).collect();
                    return Err(Error::new(
                        Kind::NotFound,
                        format!("find interface {name:?} in {}", self.config.display()),
                        "the configuration does not have it",
                    )
                    .advise(format!("it has {}", labels.join(", "))));
                }
            }
        }
        Ok(selected)
    }

    fn check_privileges(&self) -> Result<()> {
        if geteuid().is_root() || self.dry_run {
            return Ok(());
        }
        let why = "only root may change interfaces and services";
        Err(Error::new(Kind::Permission, "change the system", why)
            .advise("use sudo, or --dry-run first"))
    }
}

impl Up {
    /// Brings the interfaces up, and prints what was done.
    ///
    /// # Errors
    /// Problems of the configuration; those of interfaces are printed, and the exit code is 1.
    pub fn run(&self) -> Result<ExitCode> {
        self.which.check_privileges()?;
        let config = self.which.load()?;
        let tree = self.which.tree();
        let machine = Machine::read_from(&tree);
        let selected = self.which.select(&config, &machine)?;
        modules::check_versions(&tree)?;
        let facts = Facts {
            config: &config,
            machine: &machine,
            tree: &tree,
        };
        let mut failed = false;
        let mut plans = Vec::new();
        for position in selected {
            match facts
                .plan(position)
                .and_then(|plan| self.check_use(&plan).map(|()| plan))
            {
                Ok(plan) => plans.push(plan),
                Err(e) => {
                    eprintln!("hpcapctl: {e}");
                    failed = true;
                }
            }
        }
        let units = Units::of(&tree);
        if self.which.dry_run {
            print(&self.describe(&config, &plans, &units)?)?;
            return Ok(ExitCode::from(u8::from(failed)));
        }
        let records = Records::lock(&self.which.root)?;
        if !plans.is_empty() {
            let lines = records.open(MODULES)?.apply(&modules::steps(&config))?;
            print(
                &lines
                    .iter()
                    .map(|line| format!("{line}\n"))
                    .collect::<String>(),
            )?;
        }
        for plan in &plans {
            match self.carry_out(plan, &records, &tree, &units) {
                Ok(text) => drop(print(&text)?),
                Err(e) => {
                    eprintln!("hpcapctl: {}: {e}", plan.label);
                    failed = true;
                }
            }
        }
        for plan in &plans {
            if let Err(why) = wait::wait_for_link(&tree, &plan.name, self.wait) {
                eprintln!(
                    "hpcapctl: {}: no link after {:?}: {why}",
                    plan.label, self.wait
                );
                failed = true;
            }
        }
        Ok(ExitCode::from(u8::from(failed)))
    }

    /// Refuses to cut off whoever works over the interface.
    fn check_use(&self, plan: &Plan) -> Result<()> {
        let Some(found) = plan.found.as_ref().filter(|found| **found != plan.name) else {
            return Ok(());
        };
        if !plan.takes_away || self.yes || !self.which.tree().is_machine() {
            return Ok(());
        }
        let addresses: Vec<String> = Interface::to_change(found)?
            .addresses()?
            .iter()
            .filter(|address| address.is_global)
            .map(|address| format!("{}/{}", address.ip, address.prefix))
            .collect();
        if addresses.is_empty() {
            return Ok(());
        }
        let tried = format!("bring up interface {}", plan.label);
        let why = format!(
            "the machine uses {found}, which has {}",
            addresses.join(", ")
        );
        Err(Error::new(Kind::Busy, tried, why).advise(
            "--yes takes the interface away from the network stack; do not do that to the port over which you \
             reach this machine",
        ))
    }

    /// Says what would be done.
    fn describe(&self, config: &Config, plans: &[Plan], units: &Units) -> Result<String> {
        let root = Root::new(&self.which.root);
        let mut text = String::new();
        let mut loads = false;
        if !plans.is_empty() {
            for step in modules::steps(config) {
                if would(&step, &root)? {
                    loads = true;
                    let _ = writeln!(text, "would {step}");
                }
            }
        }
        for plan in plans {
            let mut lines = String::new();
            let unit_steps = units.steps(plan, &self.which.tree());
            for step in plan.steps.iter().chain(&plan.attempts).chain(&unit_steps) {
                if would(step, &root)? {
                    let _ = writeln!(lines, "  would {step}");
                }
            }
            if lines.is_empty() && !loads {
                lines.push_str("  nothing to do\n");
            }
            let _ = write!(text, "{}:\n{lines}{}", plan.label, units.notes(plan));
        }
        Ok(text)
    }

    /// Carries a plan out. Returns what was done.
    fn carry_out(
        &self,
        plan: &Plan,
        records: &Records<'_>,
        tree: &Tree,
        units: &Units,
    ) -> Result<String> {
        let mut changer = records.open(&plan.label)?;
        let mut steps = plan.steps.clone();
        steps.extend(units.steps(plan, tree));
        let mut lines = changer.apply(&steps)?;
        lines.extend(attempt(&mut changer, &plan.attempts));
        let mut text = format!("{}:\n", plan.label);
        if lines.is_empty() {
            text.push_str("  nothing to do: it is as the configuration says\n");
        }
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
        text += &units.notes(plan);
        Ok(text)
    }
}

/// Whether a step would change anything. What will only be there after the steps before it cannot be looked at
/// yet, and would be changed.
fn would(step: &Step, root: &Root) -> Result<bool> {
    match step.prepare(root) {
        Ok(before) => Ok(before != Before::Same),
        Err(e) if e.kind() == Kind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

/// Applies each step by itself. Returns what was done and what was not.
fn attempt(changer: &mut Changer, steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    for step in steps {
        match changer.apply(std::slice::from_ref(step)) {
            Ok(done) => lines.extend(done),
            Err(e) => lines.push(format!(
                "not done: {step}: {}",
                e.why_and_advice().replace('\n', "; ")
            )),
        }
    }
    lines
}

/// Whether services can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    /// systemd runs, and hpcap's units are installed.
    Ready,
    /// systemd does not run.
    NoSystemd,
    /// The units are not installed.
    NotInstalled,
}

impl Units {
    fn of(tree: &Tree) -> Self {
        match (tree.has("/run/systemd/system"), unit::are_installed(tree)) {
            (false, _) => Self::NoSystemd,
            (true, false) => Self::NotInstalled,
            (true, true) => Self::Ready,
        }
    }

    /// The steps that start the services of a plan.
    fn steps(self, plan: &Plan, tree: &Tree) -> Vec<Step> {
        match self {
            Self::Ready => plan
                .units
                .iter()
                .flat_map(|unit| unit.steps(tree))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// What the user must do.
    fn notes(self, plan: &Plan) -> String {
        let mut text = String::new();
        for note in &plan.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        let why = match self {
            Self::Ready => return text,
            Self::NoSystemd => "systemd does not run here, so start by yourself",
            Self::NotInstalled => {
                "the units of hpcap are not installed (package hpcap, or `make install`), so start by yourself"
            }
        };
        for unit in &plan.units {
            let _ = writeln!(text, "  note: {why}: {}", unit.command);
        }
        text
    }
}

impl Restart {
    /// Takes the interfaces down and brings them up.
    ///
    /// # Errors
    /// As [`Up::run`] and [`Down::run`].
    pub fn run(&self) -> Result<ExitCode> {
        // A configuration that cannot be used must not stop what runs.
        self.up.which.load()?;
        let down = down::take_down(&self.up.which)?;
        if down != ExitCode::SUCCESS {
            return Ok(down);
        }
        self.up.run()
    }
}
