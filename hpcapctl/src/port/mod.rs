//! `hpcapctl port`: gives one port of a NIC to hpcap's kernel module, and back. Other ports keep their driver.

pub(crate) mod binding;
pub(crate) mod parameters;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use hpcap::{Error, Kind, Result};
use hpcap_host::{Family, PciAddress, PciDevice, Tree};

use crate::change::modules;
use crate::change::step::Root;
use crate::change::tool::run_tool;

/// Longest time that a driver may take to make the interface of a port.
const INTERFACE: Duration = Duration::from_secs(30);

/// What is done with a port.
#[derive(Debug, Subcommand)]
pub enum PortCommand {
    /// Give a port to the kernel module, and set its interface up
    Bind(Port),
    /// Give a port back to its plain driver
    Release(Port),
}

/// A port of a NIC.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hpcapctl port bind 0000:01:00.0      the module captures this port
  hpcapctl port release 0000:01:00.0   its plain driver has it again

`hpcapctl install` enables the unit hpcap-port@ADDRESS, which runs these commands at each boot.")]
pub struct Port {
    /// The PCI address of the port, as `lspci -D` prints it
    #[arg(value_name = "ADDRESS", value_parser = parse_address)]
    address: PciAddress,
}

fn parse_address(text: &str) -> std::result::Result<PciAddress, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no PCI address such as 0000:01:00.0"))
}

/// Carries out the command. Returns what to print.
///
/// # Errors
/// There is no such port, the module is not there for this kernel, or the driver refuses the port. The port then has
/// its plain driver.
pub fn run(command: &PortCommand) -> Result<String> {
    match command {
        PortCommand::Bind(port) => {
            let bound = port.bind();
            if bound.is_err() {
                // The error of the binding says more than one of this.
                let _ = port.release();
            }
            bound
        }
        PortCommand::Release(port) => port.release(),
    }
}

/// Returns the driver of hpcap for a device that the module supports.
#[must_use]
pub fn driver_of(device: &PciDevice) -> &'static str {
    match device.supported_family() {
        Some(Family::Igb) => "hpcap_igb",
        _ if device.is_virtual_function() => "hpcap_ixgbevf",
        _ => "hpcap_ixgbe",
    }
}

impl Port {
    fn device(&self) -> Result<PciDevice> {
        let tried = format!("find the port {}", self.address);
        let device = PciDevice::read(&Tree::machine(), self.address)
            .ok_or_else(|| Error::new(Kind::NotFound, tried.clone(), "there is no such device"))?;
        match device.is_supported() {
            true => Ok(device),
            false => {
                let why = "the device is no Intel 82599, X540, X550 or 82576";
                Err(Error::new(Kind::NotFound, tried, why).advise("`lspci -D` lists all devices"))
            }
        }
    }

    fn bind(&self) -> Result<String> {
        let root = Root::new(Path::new("/"));
        let driver = driver_of(&self.device()?);
        // Before the module is loaded, because loading it also loads the plain driver, which would take the port.
        binding::reserve(&root, self.address, Some(driver))?;
        modules::load(driver, &[])?;
        let device = self.device()?;
        if device.driver.as_deref() != Some(driver) {
            binding::bind(&root, &device, Some(driver))?;
        }
        let interface = self.interface()?;
        run_tool("ip", &["link", "set", "dev", &interface, "up"])?;
        Ok(format!("{} is {interface}, of {driver}\n", self.address))
    }

    fn release(&self) -> Result<String> {
        let root = Root::new(Path::new("/"));
        let device = self.device()?;
        binding::reserve(&root, self.address, None)?;
        if device.driver.as_deref() == Some(driver_of(&device)) {
            binding::unbind(&root, &device)?;
        }
        unload(driver_of(&device));
        let alias = Tree::machine().text(format!("/sys/bus/pci/devices/{}/modalias", self.address));
        // Without the plain driver, the port has none, as before hpcap was installed.
        let _ = modules::load(&alias.unwrap_or_default(), &[]);
        binding::probe(&root, self.address)?;
        let driver = self.device()?.driver;
        let driver = driver.as_deref().unwrap_or("no driver");
        Ok(format!("{} has {driver} again\n", self.address))
    }

    /// Waits for the interface of the port.
    fn interface(&self) -> Result<String> {
        let started = Instant::now();
        loop {
            if let Some(name) = self.device()?.interfaces.pop() {
                return Ok(name);
            }
            if started.elapsed() > INTERFACE {
                let tried = format!("find the interface of {}", self.address);
                let why = "the driver has made none";
                return Err(
                    Error::new(Kind::NotFound, tried, why).advise("`journalctl -k` says why")
                );
            }
            sleep(Duration::from_millis(50));
        }
    }
}

/// Unloads a driver that no port has. Queues that somebody still reads keep it loaded.
fn unload(driver: &str) {
    let tree = Tree::machine();
    let names = tree.names(format!("/sys/bus/pci/drivers/{driver}"));
    if !names.iter().any(|name| name.parse::<PciAddress>().is_ok()) {
        let _ = modules::unload(driver);
    }
}
