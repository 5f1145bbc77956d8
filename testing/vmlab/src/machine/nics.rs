//! NICs as the command line describes them.

use std::os::unix::net::UnixDatagram;
use std::str::FromStr;
use std::sync::Arc;

use hpcap::error::Context;
use hpcap::{Error, Result};

use super::Machine;
use crate::nic::pf::Pf;
use crate::nic::vf::Vf;
use crate::pci::shared::Shared;
use crate::traffic::Lab;

/// Device id of an 82598 with CX4.
const OLDER: u16 = 0x10DD;

const EXPECTED: &str =
    "expected 82599, 82599vf, 82598, igb or none, with options such as ,mac=02:00:00:00:00:01";

/// A NIC to put into a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NicSpec {
    /// Model of the NIC.
    pub model: Model,
    /// MAC address; without it, the address is derived from the NIC's number.
    pub mac: Option<[u8; 6]>,
}

/// Model of a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// The physical function of an 82599. Its driver is ixgbe.
    Physical,
    /// A virtual function of an 82599. Its driver is ixgbevf.
    Virtual,
    /// An 82599 with the device id of an 82598, to test that a driver does not use it.
    Older,
    /// An 82576 that QEMU emulates, and not this program. Its driver is igb.
    Igb,
}

impl NicSpec {
    /// Parses `82599`, `82599vf`, `igb` or `82599,mac=02:00:00:00:00:01`. Returns `None` for `none`.
    ///
    /// # Errors
    /// [`Kind::Usage`](hpcap::Kind::Usage) for anything else.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        if text == "none" {
            return Ok(None);
        }
        let bad = || Error::usage(format!("NIC {text:?}"), EXPECTED);
        let mut parts = text.split(',');
        let model = match parts.next() {
            Some("82599") => Model::Physical,
            Some("82599vf") => Model::Virtual,
            Some("82598") => Model::Older,
            Some("igb") => Model::Igb,
            _ => return Err(bad()),
        };
        let mut spec = Self { model, mac: None };
        for option in parts {
            match option.split_once('=') {
                Some(("mac", mac)) if spec.mac.is_none() => {
                    spec.mac = Some(parse_mac(mac).ok_or_else(bad)?);
                }
                _ => return Err(bad()),
            }
        }
        Ok(Some(spec))
    }
}

impl FromStr for NicSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::usage(format!("NIC {text:?}"), EXPECTED);
        Self::parse(text)?.ok_or_else(bad)
    }
}

/// Parses a unicast MAC address other than zero.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    let usable = parts.next().is_none() && mac[0] & 1 == 0 && mac != [0; 6];
    usable.then_some(mac)
}

impl Machine {
    /// Adds a NIC to the machine and to the lab, which sends its traffic.
    ///
    /// # Errors
    /// Fails if the thread for the traffic cannot be started.
    pub fn lab_nic(self, spec: NicSpec, lab: &mut Lab) -> Result<Self> {
        let number = u8::try_from(self.nics.len()).unwrap_or(u8::MAX);
        // The second bit of the address says that it is locally administered.
        let mac = spec.mac.unwrap_or([0x02, 0x82, 0x59, 0x90, 0, number]);
        let interrupts = Box::new(self.interrupts());
        Ok(match spec.model {
            Model::Physical => {
                let nic = Arc::new(Shared::new(Pf::new(mac, interrupts)));
                lab.add(&nic)?;
                self.nic(nic)
            }
            Model::Older => {
                let nic = Arc::new(Shared::new(Pf::named(OLDER, mac, interrupts)));
                lab.add(&nic)?;
                self.nic(nic)
            }
            Model::Virtual => {
                let nic = Arc::new(Shared::new(Vf::new(mac, interrupts)));
                lab.add(&nic)?;
                self.nic(nic)
            }
            Model::Igb => {
                let pair = UnixDatagram::pair().context(|| "make the wire of a NIC")?;
                let (ours, theirs) = pair;
                lab.add_socket(ours)?;
                self.igb(mac, theirs)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nic_name_selects_its_model() {
        let parsed = |text| NicSpec::parse(text).unwrap();
        assert_eq!(parsed("none"), None);
        let plain = NicSpec {
            model: Model::Physical,
            mac: None,
        };
        assert_eq!(parsed("82599"), Some(plain));
        let virtual_ = NicSpec {
            model: Model::Virtual,
            mac: Some([2, 0, 0, 0, 0, 0xfe]),
        };
        assert_eq!(parsed("82599vf,mac=02:00:00:00:00:fe"), Some(virtual_));
        assert_eq!(parsed("82598").map(|spec| spec.model), Some(Model::Older));
        assert_eq!(parsed("igb").map(|spec| spec.model), Some(Model::Igb));
        for wrong in [
            "",
            "82597",
            "82599,",
            "82599,mac",
            "82599,mac=1",
            "82599,mac=02:00:00:00:00:0",
            "82599,mac=02:00:00:00:00:01:02",
            "82599,mac=01:00:00:00:00:01",
            "82599,mac=00:00:00:00:00:00",
            "82599,mac=02:00:00:00:00:01,mac=02:00:00:00:00:01",
            "none,mac=02:00:00:00:00:01",
        ] {
            assert!(NicSpec::parse(wrong).is_err(), "{wrong}");
        }
    }
}
