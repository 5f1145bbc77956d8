//! What is to be done for one interface of a configuration.

use hpcap::{Error, Kind, QueueName, Result};
use hpcap_config::Machine;
use hpcap_config::hot::HOT;
use hpcap_config::machine::Port;
use hpcap_config::model::{Config, Engine, Interface, Mode};
use hpcap_host::pages::{HUGE_1G, HUGE_2M, ORDINARY, Pages};
use hpcap_host::{CpuSet, Cpus, Interrupt, PciDevice, Tree};
use hpcap_ipc::device::device_path;

use super::modules;
use super::unit::{self, Unit};
use crate::change::setting::Setting;
use crate::change::step::Step;
use crate::port::parameters::rank;

/// The plan for an interface.
#[derive(Debug)]
pub(super) struct Plan {
    /// What the configuration calls the interface.
    pub(super) label: String,
    /// The name that the interface has in the end.
    pub(super) name: String,
    /// The name that it has now; `None` without a driver.
    pub(super) found: Option<String>,
    /// Whether hpcap takes the interface away from the network stack.
    pub(super) takes_away: bool,
    /// What must be done, in this order.
    pub(super) steps: Vec<Step>,
    /// What is better done; a failure is only reported.
    pub(super) attempts: Vec<Step>,
    /// The services, the producer of the queues first.
    pub(super) units: Vec<Unit>,
    /// What is not done, and why.
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
        let of_driver = matches!(interface.engine, Engine::Ixgbe | Engine::Ixgbevf);
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
            Mode::Capture if interface.engine == Engine::Userspace => {
                plan.spread(interface);
                let queues = self.config.queues_of(position);
                plan.units
                    .push(unit::daemon(interface, &plan.name, &queues));
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

    /// Settings of the link that all modes and engines have.
    fn set_link(&mut self, interface: &Interface) {
        let name = self.name.clone();
        let captures = interface.mode == Mode::Capture;
        if let Some(mtu) = interface.mtu {
            self.push(Setting::Mtu {
                interface: name.clone(),
                mtu,
            });
        }
        // The kernel modules switch offloads off themselves.
        if captures && interface.engine == Engine::Userspace {
            for feature in ["gro", "lro"] {
                self.push(Setting::Feature {
                    interface: name.clone(),
                    feature: feature.to_owned(),
                    on: false,
                });
            }
        }
        if self.takes_away {
            if interface.pause {
                self.notes.push(
                    "pause is not applied: a port that captures through the module sends no pause frames"
                        .to_owned(),
                );
            }
        } else {
            self.push(Setting::Pause {
                interface: name.clone(),
                negotiates: interface.pause,
                obeys: interface.pause,
                sends: interface.pause,
            });
        }
        self.push(Setting::Speed {
            interface: name.clone(),
            megabits: interface.speed,
        });
        if captures && interface.engine.is_kernel() {
            if self.takes_away && !interface.promiscuous {
                self.notes.push(
                    "promiscuous = false is not applied: a port that captures through the module receives \
                     every frame"
                        .to_owned(),
                );
            } else {
                self.push(Setting::Promiscuous {
                    interface: name.clone(),
                    on: interface.promiscuous,
                });
            }
        }
        if let Some(address) = interface.address {
            self.push(Setting::Address {
                interface: name.clone(),
                address: address.to_string(),
                present: true,
            });
        }
        self.push(Setting::Up {
            interface: name,
            up: true,
        });
    }

    /// Has the NIC spread the flows over at least as many receive queues as there are poll threads.
    fn spread(&mut self, interface: &Interface) {
        let count = u32::from(interface.queues);
        let nic = hpcap_host::Interface::by_name(&self.name).ok().flatten();
        let limit = nic
            .and_then(|nic| nic.channels())
            .map_or(0, |c| c.receive_limit);
        if count > 1 && limit >= count {
            let up = self.steps.pop();
            self.push(Setting::ReceiveQueues {
                interface: self.name.clone(),
                count,
            });
            self.steps.extend(up);
        }
    }

    /// Settings of the queues of the kernel module.
    fn capture_in_kernel(
        &mut self,
        interface: &Interface,
        number: u16,
        queues: &[QueueName],
        tree: &Tree,
    ) -> Result<()> {
        if interface.engine == Engine::Netdev {
            if interface.queues > 1 {
                return Err(Error::new(
                    Kind::Usage,
                    format!("bring up interface {}", self.label),
                    "the engine netdev has one queue for an interface",
                )
                .advise("set queues = 1, or engine = \"userspace\""));
            }
            self.push(Setting::Tap {
                interface: self.name.clone(),
                number: number.into(),
                attached: true,
            });
        }
        if interface.node.is_some() {
            self.notes.push(
                "node is not applied: the module takes memory of the node of the NIC, and of the node of \
                 the hugepages"
                    .to_owned(),
            );
        }
        for (place, queue) in queues.iter().enumerate() {
            self.set_queue(interface, place, *queue, tree)?;
        }
        Ok(())
    }

    fn set_queue(
        &mut self,
        interface: &Interface,
        place: usize,
        queue: QueueName,
        tree: &Tree,
    ) -> Result<()> {
        let folder = device_path("/sys/class/hpcap".as_ref(), queue);
        let mut own = interface.clone();
        own.cpus = interface.cpus.get(place).copied().into_iter().collect();
        let mut missing = Vec::new();
        for hot in HOT.iter().filter(|hot| hot.key != "ring") {
            let path = folder.join(hot.file);
            // A module that is older has fewer files.
            if tree.has(&folder) && !tree.has(&path) {
                missing.push(hot.key);
                continue;
            }
            let text = hot.text(&own)?.trim().to_owned();
            if !hot.note.is_empty() && tree.text(&path).is_some_and(|found| found != text) {
                self.notes.push(format!(
                    "{} of {queue} {}: hpcapctl ring {queue} --size {}",
                    hot.key, hot.note, interface.ring_bytes
                ));
            }
            self.push(Setting::File {
                path: path.display().to_string(),
                text,
            });
        }
        if !missing.is_empty() {
            self.notes.push(format!(
                "this version of the module does not have {}, which are not applied",
                missing.join(", ")
            ));
        }
        self.push(Setting::Ring {
            queue: queue.to_string(),
            bytes: interface.ring_bytes,
            page_bytes: match interface.pages {
                Pages::Auto => None,
                Pages::Ordinary => Some(ORDINARY),
                Pages::Huge2M => Some(HUGE_2M),
                Pages::Huge1G => Some(HUGE_1G),
            },
        });
        Ok(())
    }

    /// Moves the interrupts of the interface to CPUs of its node on which no poll thread runs.
    fn keep_interrupts_away(&mut self, facts: &Facts<'_>) {
        let polls: CpuSet = facts
            .config
            .interfaces
            .iter()
            .flat_map(|i| i.cpus.iter().copied())
            .collect();
        if polls.is_empty() {
            return;
        }
        let Some(found) = self.found.clone() else {
            return;
        };
        let device = PciDevice::of_interface(facts.tree, &found);
        let online: CpuSet = Cpus::read(facts.tree)
            .all
            .iter()
            .map(|cpu| cpu.number)
            .collect();
        let node = device.as_ref().and_then(|d| d.node);
        let near: Option<CpuSet> = node.and_then(|n| {
            facts
                .tree
                .value(format!("/sys/devices/system/node/node{n}/cpulist"))
        });
        let near = near.map(|near| near.intersection(&online).difference(&polls));
        let free = near
            .filter(|cpus| !cpus.is_empty())
            .unwrap_or_else(|| online.difference(&polls));
        if free.is_empty() {
            return;
        }
        let all = Interrupt::all(facts.tree);
        for interrupt in Interrupt::of_interface(&all, device.as_ref(), &found) {
            let path = format!("/proc/irq/{}/smp_affinity_list", interrupt.number);
            let current: Option<CpuSet> = facts.tree.value(&path);
            if current.is_some_and(|cpus| !cpus.intersection(&polls).is_empty()) {
                self.attempts.push(Step::Setting(Setting::File {
                    path,
                    text: free.to_string(),
                }));
            }
        }
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
