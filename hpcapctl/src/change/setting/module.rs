//! Kernel modules, drivers of PCI devices, and what hpcap_netdev captures.

use std::path::Path;
use std::process::Command;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use hpcap_host::kernel::Module;
use hpcap_host::{Interface, PciAddress, PciDevice, Tree};

use super::Setting;
use super::queue::write;
use crate::change::step::Root;

const DEVICES: &str = "/sys/bus/pci/devices";
const TAPS: &str = "/sys/module/hpcap_netdev/parameters";

fn tree(root: &Root) -> Tree {
    Tree::at(root.path("/"))
}

fn device_at(root: &Root, address: &str) -> Result<PciDevice> {
    let parsed: Option<PciAddress> = address.parse().ok();
    parsed
        .and_then(|address| PciDevice::read(&tree(root), address))
        .ok_or_else(|| {
            let tried = format!("find the PCI device {address}");
            Error::new(Kind::NotFound, tried, "there is none at this address")
                .advise("`lspci -D` lists them")
        })
}

/// Returns the setting as it is now.
pub(super) fn in_force(setting: &Setting, root: &Root) -> Result<Option<Setting>> {
    let mut now = setting.clone();
    match &mut now {
        Setting::Module { name, loaded, .. } => {
            *loaded = Module::loaded(&tree(root), name).is_some();
        }
        Setting::Driver { device, driver } => *driver = device_at(root, device)?.driver,
        Setting::Name { device, name } => match device_at(root, device)?.interfaces.first() {
            Some(found) => name.clone_from(found),
            None => return Ok(None),
        },
        Setting::Tap {
            interface,
            number,
            attached,
        } => {
            let all = tree(root).text(format!("{TAPS}/attach"));
            let all = all.unwrap_or_default();
            let found = all
                .split(',')
                .filter_map(|tap| tap.trim().rsplit_once(':'))
                .find(|(name, _)| name == interface);
            *attached = found.is_some();
            if let Some(found) = found.and_then(|(_, number)| number.parse().ok()) {
                *number = found;
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(now))
}

/// Sets it.
pub(super) fn apply(setting: &Setting, root: &Root) -> Result<()> {
    match setting {
        Setting::Module {
            name,
            parameters,
            loaded: true,
        } => {
            let mut arguments = vec![name.as_str()];
            arguments.extend(parameters.iter().map(String::as_str));
            modprobe(&arguments)
        }
        Setting::Module { name, .. } => modprobe(&["-r", name]),
        Setting::Driver { device, driver } => {
            bind(&device_at(root, device)?, driver.as_deref(), root)
        }
        Setting::Name { device, name } => rename(&device_at(root, device)?, name),
        Setting::Tap {
            interface,
            number,
            attached,
        } => match attached {
            true => write(
                &root.path(&format!("{TAPS}/attach")),
                &format!("{interface}:{number}"),
            ),
            false => write(&root.path(&format!("{TAPS}/detach")), interface),
        },
        _ => Ok(()),
    }
}

fn modprobe(arguments: &[&str]) -> Result<()> {
    let tried = || format!("run modprobe {}", arguments.join(" "));
    let done = Command::new("modprobe")
        .args(arguments)
        .output()
        .context(tried)?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    let (kind, advice) = match why {
        _ if why.contains("not found") => (
            Kind::NotFound,
            "build and install the modules for this kernel: docs/driver.md",
        ),
        _ if why.contains("in use") => (Kind::Busy, "`lsmod` shows what uses it"),
        _ if why.contains("Key was rejected") => (
            Kind::Permission,
            "Secure Boot is on: sign the modules (docs/driver.md#secure-boot)",
        ),
        _ => (Kind::Io, "`journalctl -k` says more"),
    };
    Err(Error::new(kind, tried(), why).advise(advice))
}

/// Gives a device to a driver, and to no other one.
fn bind(device: &PciDevice, driver: Option<&str>, root: &Root) -> Result<()> {
    let folder = format!("{DEVICES}/{}", device.address);
    let address = device.address.to_string();
    let file = |path: String| root.path(&path);
    // The override makes the driver take the device although it has no alias for it. When the device goes
    // back to the driver that the kernel chooses, the override goes, too.
    let alone = driver.filter(|name| name.starts_with("hpcap_"));
    write(
        &file(format!("{folder}/driver_override")),
        alone.unwrap_or_default(),
    )?;
    if device.driver.is_some() {
        write(&file(format!("{folder}/driver/unbind")), &address)?;
    }
    let Some(driver) = driver else {
        return Ok(());
    };
    let path = file(format!("/sys/bus/pci/drivers/{driver}/bind"));
    if !path.parent().is_some_and(Path::exists) {
        let tried = format!("bind {address} to the driver {driver}");
        return Err(
            Error::new(Kind::NotFound, tried, "the driver is not loaded")
                .advise(format!("modprobe {driver}")),
        );
    }
    write(&path, &address)
        .map_err(|e| e.advise("`journalctl -k | grep hpcap` has the driver's reason"))
}

/// Gives the interface of a device its name, and sets the interface down for it where the kernel demands that.
fn rename(device: &PciDevice, name: &str) -> Result<()> {
    let tried = format!("name the interface of {} {name}", device.address);
    let Some(found) = device.interfaces.first() else {
        return Err(
            Error::new(Kind::NotFound, tried, "the device has no interface")
                .advise("`journalctl -k` says what its driver found"),
        );
    };
    let interface = Interface::to_change(found)?;
    if !interface.is_up() {
        return interface.set_name(name);
    }
    interface.set_up(false)?;
    let renamed = interface.set_name(name);
    interface.set_up(true)?;
    renamed
}
