//! `hpcapctl up`, `down` and `restart`: interfaces, modules and services as the configuration says.

mod down;
mod modules;
mod monitor;
mod plan;
mod quote;
mod record;
mod services;
mod source;
mod unit;
mod wait;
mod which;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hpcap::units::parse_duration;
use hpcap::{Error, Kind, Result};
use hpcap_config::{Config, Machine};
use hpcap_host::{Interface, Tree};

use crate::change::Changer;
use crate::change::step::{Before, Root, Step};
use crate::output::print;
use plan::{Facts, Plan};
use record::{MODULES, MONITOR, Records};
use services::Services;
use unit::Unit;

pub use down::Down;
pub(crate) use modules::check_versions;
pub use which::Which;

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

    /// How long to wait for each link; 0 does not look at the links
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    wait: Duration,
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
                    hpcap_cli::say(format_args!("hpcapctl: {e}"));
                    failed = true;
                }
            }
        }
        let services = Services::of(&tree);
        if self.which.dry_run {
            print(&self.describe(&config, &plans, services)?)?;
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
        let mut started = Vec::new();
        for plan in &plans {
            match self.carry_out(plan, &records, &tree, services) {
                Ok(text) => {
                    print(&text)?;
                    started.push(plan);
                }
                Err(e) => {
                    hpcap_cli::say(format_args!("hpcapctl: {}: {e}", plan.label));
                    failed = true;
                }
            }
        }
        if let Err(e) = self.carry_out_monitor(&config, &records, &tree, services) {
            hpcap_cli::say(format_args!("hpcapctl: the monitor: {e}"));
            failed = true;
        }
        // An interface whose settings were undone has no link to wait for.
        for plan in started.into_iter().filter(|_| !self.wait.is_zero()) {
            if let Err(why) = wait::wait_for_link(&tree, &plan.name, self.wait) {
                hpcap_cli::say(format_args!(
                    "hpcapctl: {}: no link after {:?}: {why}",
                    plan.label, self.wait
                ));
                failed = true;
            }
        }
        Ok(ExitCode::from(u8::from(failed)))
    }

    /// The unit of the monitor; `None` when single interfaces are named, or the configuration wants none.
    fn monitor(&self, config: &Config, tree: &Tree) -> Option<Unit> {
        let wanted = self.which.interfaces.is_empty() && config.monitor.enabled;
        wanted.then(|| monitor::unit(&config.monitor, &self.which.config, tree))
    }

    /// Starts the monitor, or stops the one that an earlier run has started.
    fn carry_out_monitor(
        &self,
        config: &Config,
        records: &Records<'_>,
        tree: &Tree,
        services: Services,
    ) -> Result<()> {
        if !self.which.interfaces.is_empty() {
            return Ok(());
        }
        let mut changer = records.open(MONITOR)?;
        let unit = self.monitor(config, tree);
        let lines = match &unit {
            Some(unit) => changer.apply(&services.steps(std::slice::from_ref(unit), tree))?,
            None => changer.undo_all()?,
        };
        let mut text: String = lines.iter().map(|line| format!("  {line}\n")).collect();
        text += &services.notes(unit.as_slice());
        if !text.is_empty() {
            print(&format!("monitor:\n{text}"))?;
        }
        Ok(())
    }

    /// Refuses to take the interface through which the user reaches this machine.
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
    fn describe(&self, config: &Config, plans: &[Plan], services: Services) -> Result<String> {
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
            let unit_steps = services.steps(&plan.units, &self.which.tree());
            for step in plan.steps.iter().chain(&plan.attempts).chain(&unit_steps) {
                if would(step, &root)? {
                    let _ = writeln!(lines, "  would {step}");
                }
            }
            if lines.is_empty() && !loads {
                lines.push_str("  nothing to do\n");
            }
            let _ = write!(text, "{}:\n{lines}{}", plan.label, notes(plan, services));
        }
        let tree = self.which.tree();
        let monitor = self.monitor(config, &tree);
        let mut lines = String::new();
        for step in services.steps(monitor.as_slice(), &tree) {
            if would(&step, &root)? {
                let _ = writeln!(lines, "  would {step}");
            }
        }
        lines += &services.notes(monitor.as_slice());
        if !lines.is_empty() {
            let _ = write!(text, "monitor:\n{lines}");
        }
        Ok(text)
    }

    /// Carries a plan out. Returns what was done.
    fn carry_out(
        &self,
        plan: &Plan,
        records: &Records<'_>,
        tree: &Tree,
        services: Services,
    ) -> Result<String> {
        let mut changer = records.open(&plan.label)?;
        let mut steps = plan.steps.clone();
        steps.extend(services.steps(&plan.units, tree));
        let mut lines = changer.apply(&steps)?;
        lines.extend(attempt(&mut changer, &plan.attempts));
        let mut text = format!("{}:\n", plan.label);
        if lines.is_empty() {
            text.push_str("  nothing to do: it is as the configuration says\n");
        }
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
        text += &notes(plan, services);
        Ok(text)
    }
}

/// Describes what was left out for an interface, and what the user must do.
fn notes(plan: &Plan, services: Services) -> String {
    let own: String = plan
        .notes
        .iter()
        .map(|note| format!("  note: {note}\n"))
        .collect();
    own + &services.notes(&plan.units)
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
