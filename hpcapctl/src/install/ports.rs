//! Ports of NICs that the kernel module captures: which they are, and the steps that give them to the module.

use std::collections::BTreeMap;

use hpcap_host::kernel;
use hpcap_host::{PciDevice, Tree};

use crate::change::step::Step;
use crate::change::{Changer, modules};
use crate::doctor::{CHECKS, Facts, Finding, State, Theme};
use crate::port::driver_of;
use crate::port::parameters::{PortMode, parameters, rank};

/// Options of the modules, for modprobe.
const OPTIONS: &str = "/etc/modprobe.d/hpcap-ports.conf";

/// The folder of an administrator's units.
const UNITS: &str = "/etc/systemd/system";

/// A port that the module captures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The interface that the plain driver makes of it.
    pub interface: String,
    /// Its PCI address.
    pub address: String,
    /// The number of its queue.
    pub number: u16,
    /// The driver of hpcap for it.
    pub driver: String,
}

impl Port {
    /// Returns the port behind `interface`; `None` if the module cannot drive it.
    #[must_use]
    pub fn of_interface(tree: &Tree, interface: &str) -> Option<Self> {
        let device = PciDevice::of_interface(tree, interface)?;
        let number = rank(tree, device.address)?;
        Some(Self {
            interface: interface.to_owned(),
            address: device.address.to_string(),
            number,
            driver: driver_of(&device).to_owned(),
        })
    }

    /// The unit that gives the port to the module at each boot.
    #[must_use]
    pub fn unit(&self) -> String {
        format!("hpcap-port@{}.service", self.address)
    }

    /// The folder of the administrator's changes of the unit.
    pub(super) fn unit_folder(&self) -> String {
        format!("{UNITS}/{}.d", self.unit())
    }

    /// The step that lets `hpcapd` capture the interface where the module is missing, which happens after an update of
    /// the kernel. The file also tells the next run of `hpcapctl` which port was installed.
    #[must_use]
    pub fn fallback(&self) -> Step {
        let Self {
            interface,
            number,
            driver,
            ..
        } = self;
        Step::WriteFile {
            path: format!("{}/userspace.conf", self.unit_folder()),
            content: format!(
                "# Written by `hpcapctl install`. Without the module, hpcapd serves the same queue.\n\
                 # port {interface} {number} {driver}\n\
                 [Unit]\n\
                 Before=hpcapdd-queue@hpcap{number}.service\n\
                 OnFailure=hpcapd@{interface}.service\n"
            ),
            mode: 0o644,
        }
    }

    /// Returns the port that [`Port::fallback`] was made for.
    #[must_use]
    pub fn of_step(step: &Step) -> Option<Self> {
        let Step::WriteFile { path, content, .. } = step else {
            return None;
        };
        let unit = path
            .strip_prefix(UNITS)?
            .strip_suffix(".d/userspace.conf")?;
        let address = unit
            .strip_prefix("/hpcap-port@")?
            .strip_suffix(".service")?;
        let mut words = content
            .lines()
            .find_map(|line| line.strip_prefix("# port "))?
            .split(' ');
        Some(Self {
            address: address.to_owned(),
            interface: words.next()?.to_owned(),
            number: words.next()?.parse().ok()?,
            driver: words.next()?.to_owned(),
        })
    }
}

/// Returns the ports that are installed.
pub(super) fn installed(changer: &Changer) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for port in changer.steps().into_iter().filter_map(Port::of_step) {
        ports.retain(|known| known.address != port.address);
        ports.push(port);
    }
    ports
}

/// Returns the step that tells the modules which ports capture.
#[must_use]
pub fn options(ports: &[Port]) -> Step {
    let mut modes: BTreeMap<&str, Vec<PortMode>> = BTreeMap::new();
    for port in ports {
        modes.entry(&port.driver).or_default().push(PortMode {
            number: port.number,
            captures: true,
            queues: 1,
        });
    }
    let lines: String = modes
        .iter()
        .map(|(driver, modes)| format!("options {driver} {}\n", parameters(modes).join(" ")))
        .collect();
    Step::WriteFile {
        path: OPTIONS.to_owned(),
        content: format!("# Written by `hpcapctl install`.\n{lines}"),
        mode: 0o644,
    }
}

/// Returns the step that builds the modules for the kernel of the machine.
pub(super) fn build(tree: &Tree) -> Option<Step> {
    Some(Step::BuildModules {
        version: modules::version(tree)?,
        release: kernel::release(tree)?,
    })
}

/// Returns what keeps the module from capturing `ports` of the machine in `tree`, each with what to do.
#[must_use]
pub fn problems(tree: &Tree, ports: &[Port], takes_networks: bool) -> Vec<String> {
    let release = kernel::release(tree).unwrap_or_default();
    let mut problems = Vec::new();
    if !modules::are_installed(tree, &release) {
        if modules::version(tree).is_none() {
            problems.push(format!(
                "there are no modules of hpcap for Linux {release}, nor their sources: install the package hpcap-dkms"
            ));
        }
        if !kernel::has_headers(tree, &release) {
            problems.push(format!(
                "the headers of Linux {release} are missing, with which the modules are built: \
                 apt install linux-headers-{release}"
            ));
        }
    }
    for finding in findings(tree) {
        if finding.state == State::Problem {
            let next = finding.next.unwrap_or_default();
            problems.push(format!("{}: {}: {next}", finding.check, finding.found));
        }
    }
    for port in ports {
        let driver = PciDevice::of_interface(tree, &port.interface).and_then(|d| d.driver);
        if driver.is_some_and(|driver| driver.starts_with("hpcap_")) {
            problems.push(format!(
                "the kernel module captures {} already, because somebody loaded it by hand: rmmod {}",
                port.interface, port.driver
            ));
        }
        if !takes_networks && has_route(tree, &port.interface) {
            problems.push(format!(
                "the network of this machine goes through {}, and ends when the module captures it: \
                 use another interface, or give --yes, or --engine userspace, which leaves the network as it is",
                port.interface
            ));
        }
    }
    problems
}

/// Returns the findings of `hpcapctl doctor` about the kernel and its modules.
fn findings(tree: &Tree) -> Vec<Finding> {
    let facts = Facts::of(tree.clone(), Vec::new(), Vec::new(), Vec::new());
    let of_kernel = CHECKS.iter().filter(|check| check.theme == Theme::Kernel);
    of_kernel.flat_map(|check| check.findings(&facts)).collect()
}

/// Whether a route of the machine goes through an interface.
fn has_route(tree: &Tree, interface: &str) -> bool {
    let first = |line: &str| line.split_whitespace().next() == Some(interface);
    let routes = tree.text("/proc/net/route").unwrap_or_default();
    // Each interface has a route to its own link-local network in the table of IPv6.
    routes.lines().any(first)
}
