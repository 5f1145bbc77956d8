//! What sysfs and the kernel say about ports with virtual functions.

use std::fmt;

use hpcap::{Error, Kind, Result};
use hpcap_host::{Interface, PciAddress, PciDevice, Tree};
use serde::Serialize;

/// A port that can have virtual functions.
#[derive(Debug)]
pub(super) struct Port {
    /// Its interface.
    pub(super) name: String,
    /// The number of virtual functions that it has.
    pub(super) count: u32,
    /// The largest number of virtual functions that it can have.
    pub(super) limit: u32,
    /// Its driver.
    pub(super) driver: Option<String>,
}

/// A virtual function.
#[derive(Debug, Serialize)]
pub struct Function {
    /// The interface of its port.
    pub port: String,
    /// Its number.
    pub number: u32,
    /// Its address on the PCI bus.
    pub pci: String,
    /// Its driver; `None` if it is free.
    pub driver: Option<String>,
    /// Its interface.
    pub interface: Option<String>,
    /// Whether it may receive frames for other addresses; `None` if the driver does not say.
    pub trusted: Option<bool>,
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.number, self.pci)?;
        match &self.driver {
            Some(driver) => write!(f, "  {driver}")?,
            None => f.write_str("  no driver")?,
        }
        if let Some(interface) = &self.interface {
            write!(f, "  {interface}")?;
        }
        match self.trusted {
            Some(true) => f.write_str("  trusted"),
            Some(false) => f.write_str("  not trusted"),
            None => Ok(()),
        }
    }
}

fn folder(name: &str) -> String {
    format!("/sys/class/net/{name}/device")
}

impl Port {
    /// All ports of the machine.
    pub(super) fn all(tree: &Tree) -> Vec<Self> {
        let names = tree.names("/sys/class/net");
        names
            .iter()
            .filter_map(|name| Self::find(tree, name))
            .collect()
    }

    fn find(tree: &Tree, name: &str) -> Option<Self> {
        let folder = folder(name);
        Some(Self {
            name: name.to_owned(),
            limit: tree
                .value(format!("{folder}/sriov_totalvfs"))
                .filter(|limit| *limit > 0)?,
            count: tree.value(format!("{folder}/sriov_numvfs"))?,
            driver: tree.link_name(format!("{folder}/driver")),
        })
    }

    /// Reads the port with the interface `name`.
    pub(super) fn read(tree: &Tree, name: &str) -> Result<Self> {
        if let Some(port) = Self::find(tree, name) {
            return Ok(port);
        }
        let tried = format!("find virtual functions of {name}");
        let (why, advice) = match tree.has(format!("/sys/class/net/{name}")) {
            false => {
                let names = tree.names("/sys/class/net").join(", ");
                ("there is no such interface", format!("there are {names}"))
            }
            true if tree.has(format!("{}/physfn", folder(name))) => (
                "it is a virtual function itself",
                "name the interface of its port".to_owned(),
            ),
            true => (
                "the NIC or its driver has no SR-IOV, or the firmware has it switched off",
                "`hpcapctl vf list` shows the ports that have it".to_owned(),
            ),
        };
        Err(Error::new(Kind::NotFound, tried, why).advise(advice))
    }

    /// The file with the number of its virtual functions.
    pub(super) fn file(&self) -> String {
        format!("{}/sriov_numvfs", folder(&self.name))
    }

    /// Its virtual functions.
    pub(super) fn functions(&self, tree: &Tree) -> Vec<Function> {
        let known = match tree.is_machine() {
            true => Interface::by_name(&self.name)
                .ok()
                .flatten()
                .and_then(|interface| interface.virtual_functions().ok())
                .unwrap_or_default(),
            false => Vec::new(),
        };
        let folder = folder(&self.name);
        let numbers = tree.numbers(&folder, "virtfn").into_iter();
        numbers
            .filter_map(|number| {
                let link = tree.link_name(format!("{folder}/virtfn{number}"))?;
                let address: PciAddress = link.parse().ok()?;
                let device = PciDevice::read(tree, address);
                Some(Function {
                    port: self.name.clone(),
                    number,
                    pci: link,
                    driver: device.as_ref().and_then(|d| d.driver.clone()),
                    interface: device.and_then(|d| d.interfaces.into_iter().next()),
                    trusted: known
                        .iter()
                        .find(|f| f.number == number)
                        .and_then(|f| f.trusted),
                })
            })
            .collect()
    }
}
