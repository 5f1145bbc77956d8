//! Kernel modules, drivers of PCI devices, and what hpcap_netdev captures.

use hpcap::{Error, Kind, Result};
use hpcap_host::kernel::Module;
use hpcap_host::{Interface, PciAddress, PciDevice, Tree};

use super::Setting;
use super::queue::write;
use crate::change::modules;
use crate::change::step::Root;
use crate::port::binding::bind;

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

/// Returns the present setting.
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

/// Makes the setting.
pub(super) fn apply(setting: &Setting, root: &Root) -> Result<()> {
    match setting {
        Setting::Module {
            name,
            parameters,
            loaded: true,
        } => modules::load(name, parameters),
        Setting::Module { name, .. } => modules::unload(name),
        Setting::Driver { device, driver } => {
            bind(root, &device_at(root, device)?, driver.as_deref())
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
