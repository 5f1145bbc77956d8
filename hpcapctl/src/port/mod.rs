//! `hpcapctl port`: gives one port of a NIC to hpcap's kernel module, and back. Other ports keep their driver.
//!
//! The kernel's `driver_override` names the only driver that may take the device, so that neither the plain driver
//! takes a captured port, nor hpcap's driver another one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use hpcap_host::{PciAddress, PciDevice, Tree};

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
    match device.is_virtual_function() {
        true => "hpcap_ixgbevf",
        false => "hpcap_ixgbe",
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
                let why = "the device is no Intel 82599, X540 or X550";
                Err(Error::new(Kind::NotFound, tried, why).advise("`lspci -D` lists all devices"))
            }
        }
    }

    fn bind(&self) -> Result<String> {
        let device = self.device()?;
        let driver = driver_of(&device);
        self.override_driver(driver)?;
        if device.driver.as_deref() != Some(driver) {
            load(driver)?;
            self.unbind(&device)?;
            self.probe()?;
        }
        let bound = self.device()?.driver;
        if bound.as_deref() != Some(driver) {
            let why = format!("{driver} did not take it");
            let tried = format!("give the port {} to {driver}", self.address);
            return Err(Error::new(Kind::Io, tried, why).advise("`journalctl -k` says why"));
        }
        let interface = self.interface()?;
        set_up(&interface)?;
        Ok(format!("{} is {interface}, of {driver}\n", self.address))
    }

    fn release(&self) -> Result<String> {
        let device = self.device()?;
        // A line without a name ends the override.
        self.override_driver("")?;
        if device.driver.as_deref() == Some(driver_of(&device)) {
            self.unbind(&device)?;
        }
        unload(driver_of(&device));
        let alias = Tree::machine().text(self.file("modalias"));
        // Without the plain driver, the port has none, as before hpcap was installed.
        let _ = load(&alias.unwrap_or_default());
        self.probe()?;
        let driver = self.device()?.driver;
        let driver = driver.as_deref().unwrap_or("no driver");
        Ok(format!("{} has {driver} again\n", self.address))
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/sys/bus/pci/devices/{}", self.address)).join(name)
    }

    fn override_driver(&self, driver: &str) -> Result<()> {
        let file = self.file("driver_override");
        fs::write(&file, format!("{driver}\n"))
            .context(|| format!("name the driver of {}", self.address))
    }

    /// Takes the port from the driver that has it.
    fn unbind(&self, device: &PciDevice) -> Result<()> {
        let Some(driver) = &device.driver else {
            return Ok(());
        };
        fs::write(self.file("driver/unbind"), self.address.to_string())
            .context(|| format!("take {} from {driver}", self.address))
    }

    /// Lets the kernel find a driver for the port.
    fn probe(&self) -> Result<()> {
        fs::write("/sys/bus/pci/drivers_probe", self.address.to_string())
            .context(|| format!("find a driver for {}", self.address))
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

/// Loads a module with what it needs.
fn load(module: &str) -> Result<()> {
    run_program("modprobe", &["--", module]).map_err(|e| {
        e.advise(
            "`dkms status hpcap` shows for which kernels there are modules; the userspace engine captures without them",
        )
    })
}

/// Unloads a driver that no port has. Queues that somebody still reads keep it loaded. `modprobe -r` would also unload the
/// plain driver, which is a soft dependency, and take other ports from it.
fn unload(driver: &str) {
    let tree = Tree::machine();
    let names = tree.names(format!("/sys/bus/pci/drivers/{driver}"));
    if !names.iter().any(|name| name.parse::<PciAddress>().is_ok()) {
        let _ = run_program("rmmod", &[driver]);
    }
}

fn set_up(interface: &str) -> Result<()> {
    run_program("ip", &["link", "set", "dev", interface, "up"])
}

fn run_program(program: &str, arguments: &[&str]) -> Result<()> {
    let tried = || format!("run {program} {}", arguments.join(" "));
    let done = Command::new(program)
        .args(arguments)
        .output()
        .context(tried)?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Error::new(Kind::Io, tried(), why))
}
