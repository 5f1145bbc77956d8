//! What is to be done for one interface of a configuration.

mod link;
mod queue;

use hpcap::{Error, Kind, Result};
use hpcap_config::Machine;
use hpcap_config::machine::Port;
use hpcap_config::model::{Config, Interface, Mode};
use hpcap_host::Tree;

use super::modules;
use super::source::sources;
use super::unit::{self, Unit};
use crate::change::setting::Setting;
use crate::change::step::Step;
use crate::port::parameters::rank;

/// The plan for an interface.
#[derive(Debug)]
pub(super) struct Plan {
    /// Name of the interface in the configuration.
    pub(super) label: String,
    /// The name that the interface has in the end.
    pub(super) name: String,
    /// The name that it has now; `None` without a driver.
    pub(super) found: Option<String>,
    /// Whether hpcap takes the interface away from the network stack.
    pub(super) takes_away: bool,
    /// Required steps, in this order.
    pub(super) steps: Vec<Step>,
    /// Recommended steps, whose failure is only reported.
    pub(super) attempts: Vec<Step>,
    /// The services, the producer of the queues first.
    pub(super) units: Vec<Unit>,
    /// Settings that are not applied, and why.
    pub(super) notes: Vec<String>,
}

/// Everything that plans are made from.
pub(super) struct Facts<'a> {
    /// The configuration.
    pub(super) config: &'a Config,
    /// The interfaces of the machine.
    pub(super) machine: &'a Machine,
    /// The files of the machine.
    pub(super) tree: &'a Tree,
}

impl Facts<'_> {
    /// Makes the plan for the interface at `position` in the file.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the machine has no such interface.
    pub(super) fn plan(&self, position: usize) -> Result<Plan> {
        let interface = &self.config.interfaces[position];
        let port = self.machine.port_of(interface).cloned();
        let port = port
            .or_else(|| self.port_of_namespace(interface))
            .ok_or_else(|| self.missing(interface))?;
        let port = &port;
        let number = self.config.number_of(position);
        let of_driver = interface.engine.drives_ports();
        let name = match (of_driver, interface.mode) {
            (true, Mode::Capture) => format!("hpcap{number}"),
            (true, Mode::Standard) => format!("xgb{number}"),
            (false, _) => port.name.clone().ok_or_else(|| self.no_driver(interface))?,
        };
        let mut plan = Plan {
            label: interface.label(),
            found: port.name.clone(),
            takes_away: of_driver && interface.mode == Mode::Capture,
            name,
            steps: Vec::new(),
            attempts: Vec::new(),
            units: Vec::new(),
            notes: Vec::new(),
        };
        if of_driver {
            plan.take_port(interface, port, number, self.tree)?;
        }
        plan.set_link(interface);
        match interface.mode {
            Mode::Standard => {}
            Mode::Capture if !interface.engine.is_kernel() => {
                let receive_queues = plan.spread(interface)?;
                let queues = self.config.queues_of(position);
                let sources = sources(interface, &plan.name, &queues, receive_queues);
                plan.units
                    .push(unit::daemon(interface, &plan.name, &sources));
            }
            Mode::Capture => plan.capture_in_kernel(
                interface,
                number,
                &self.config.queues_of(position),
                self.tree,
            )?,
        }
        plan.keep_interrupts_away(self);
        plan.record(self, position);
        Ok(plan)
    }

    /// Finds an interface of this network namespace when sysfs shows another one.
    fn port_of_namespace(&self, interface: &Interface) -> Option<Port> {
        let name = interface.name.as_ref().filter(|_| self.tree.is_machine())?;
        let found = hpcap_host::Interface::by_name(name).ok()??;
        Some(Port {
            name: Some(found.name),
            ..Port::default()
        })
    }

    fn missing(&self, interface: &Interface) -> Error {
        let names: Vec<&str> = self
            .machine
            .ports
            .iter()
            .filter_map(|p| p.name.as_deref())
            .collect();
        let tried = format!("bring up interface {}", interface.label());
        Error::new(Kind::NotFound, tried, "this machine has no such interface")
            .advise(format!("there are {}", names.join(", ")))
    }

    fn no_driver(&self, interface: &Interface) -> Error {
        let tried = format!("bring up interface {}", interface.label());
        let why = "no driver serves this port, so that it has no interface";
        Error::new(Kind::NotFound, tried, why).advise(format!(
            "load the driver of the NIC, or bind the port: echo {} > /sys/bus/pci/drivers_probe",
            interface.label()
        ))
    }
}

impl Plan {
    fn push(&mut self, setting: Setting) {
        self.steps.push(Step::Setting(setting));
    }

    /// Gives the port to the driver of hpcap, and the interface its name.
    fn take_port(
        &mut self,
        interface: &Interface,
        port: &Port,
        number: u16,
        tree: &Tree,
    ) -> Result<()> {
        let tried = || format!("bring up interface {}", interface.label());
        let pci = port.pci.ok_or_else(|| {
            let why = format!(
                "it is no port on the PCI bus, as the engine {} needs it",
                interface.engine.name()
            );
            Error::new(Kind::Usage, tried(), why).advise("set engine = \"netdev\" or \"userspace\"")
        })?;
        let device = pci.to_string();
        let rank = rank(tree, pci);
        if rank != Some(number) {
            let why = match rank {
                Some(rank) => {
                    format!("the driver numbers this port {rank}, and the configuration {number}")
                }
                None => "the driver does not drive this device".to_owned(),
            };
            return Err(Error::new(Kind::Usage, tried(), why)
                .advise("remove the key number, or give it the number of the driver"));
        }
        modules::check_parameters(tree, interface, number)?;
        self.push(Setting::Driver {
            device: device.clone(),
            driver: Some(modules::driver(interface.engine).to_owned()),
        });
        self.push(Setting::Name {
            device,
            name: self.name.clone(),
        });
        Ok(())
    }

    /// The recorders of the queues.
    fn record(&mut self, facts: &Facts<'_>, position: usize) {
        for queue in facts.config.queues_of(position) {
            let mine = facts
                .config
                .recorders
                .iter()
                .filter(|r| r.queue == Some(queue));
            for (number, recorder) in mine.enumerate() {
                self.units
                    .extend(unit::recorder(recorder, number, facts.tree));
            }
        }
    }
}
