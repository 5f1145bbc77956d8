//! Giving a port to a driver, and to no other one.
//!
//! The kernel's `driver_override` names the only driver that may take the device, so that neither the plain driver
//! takes a captured port, nor hpcap's driver another one.

use std::path::Path;

use hpcap::{Error, Kind, Result};
use hpcap_host::{PciAddress, PciDevice};

use crate::change::setting::write;
use crate::change::step::Root;

const DEVICES: &str = "/sys/bus/pci/devices";
const DRIVERS: &str = "/sys/bus/pci/drivers";

/// Gives a device to `driver`, or with `None` to no driver. A driver of hpcap is the only one that may take the device
/// then; with another one, the kernel chooses among all drivers again.
///
/// # Errors
/// [`Kind::NotFound`] if the driver is not loaded; the driver refuses the device.
pub(crate) fn bind(root: &Root, device: &PciDevice, driver: Option<&str>) -> Result<()> {
    let alone = driver.filter(|name| name.starts_with("hpcap_"));
    reserve(root, device.address, alone)?;
    unbind(root, device)?;
    let Some(driver) = driver else {
        return Ok(());
    };
    let path = root.path(&format!("{DRIVERS}/{driver}/bind"));
    if !path.parent().is_some_and(Path::exists) {
        let tried = format!("bind {} to the driver {driver}", device.address);
        return Err(
            Error::new(Kind::NotFound, tried, "the driver is not loaded")
                .advise(format!("modprobe {driver}")),
        );
    }
    write(&path, &device.address.to_string())
        .map_err(|e| e.advise("`journalctl -k | grep hpcap` has the driver's reason"))
}

/// Takes the device from the driver that has it.
///
/// # Errors
/// Errors of the kernel.
pub(crate) fn unbind(root: &Root, device: &PciDevice) -> Result<()> {
    match device.driver {
        Some(_) => write(
            &root.path(&format!("{DEVICES}/{}/driver/unbind", device.address)),
            &device.address.to_string(),
        ),
        None => Ok(()),
    }
}

/// Lets only `driver` take the device; `None` lets all that know it.
///
/// # Errors
/// Errors of the kernel.
pub(crate) fn reserve(root: &Root, device: PciAddress, driver: Option<&str>) -> Result<()> {
    // An empty line ends the override.
    write(
        &root.path(&format!("{DEVICES}/{device}/driver_override")),
        driver.unwrap_or_default(),
    )
}

/// Lets the kernel find a driver for a device that has none.
///
/// # Errors
/// Errors of the kernel.
pub(crate) fn probe(root: &Root, device: PciAddress) -> Result<()> {
    write(
        &root.path("/sys/bus/pci/drivers_probe"),
        &device.to_string(),
    )
}
