//! How hpcap's drivers number the ports of a machine, and what their parameters say of each port.

use hpcap_host::{PciAddress, PciDevice, Tree};

/// The mode of a port, as a driver of hpcap sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortMode {
    /// The number of the port.
    pub(crate) number: u16,
    /// Whether it captures. Otherwise it is an interface as with the plain driver.
    pub(crate) captures: bool,
    /// Number of its receive queues, each of which is a queue of hpcap.
    pub(crate) queues: u16,
}

impl PortMode {
    /// The word that the parameter `mode` has for the port.
    pub(crate) fn word(self) -> &'static str {
        match self.captures {
            true => "hpcap",
            false => "standard",
        }
    }
}

/// The number that the drivers give to a device: its rank among those that hpcap drives, by family and address. `None` for
/// other devices, and for virtual functions of a NIC in this machine, whose number depends on when they appear.
pub(crate) fn rank(tree: &Tree, device: PciAddress) -> Option<u16> {
    let order = |device: &PciDevice| {
        let physical = format!("/sys/bus/pci/devices/{}/physfn", device.address);
        let family = device.supported_family()?;
        (!tree.has(physical)).then_some((family, device.address))
    };
    let all = PciDevice::all(tree);
    let mut ranked: Vec<_> = all.iter().filter_map(order).collect();
    ranked.sort_unstable();
    let rank = ranked.iter().position(|(_, other)| *other == device)?;
    u16::try_from(rank).ok()
}

/// The parameters of a driver for `ports`, as `mode=...` and `queues=...`. The lists begin with port 0; a port that is not
/// among `ports` is in standard mode.
pub(crate) fn parameters(ports: &[PortMode]) -> Vec<String> {
    let Some(last) = ports.iter().map(|port| port.number).max() else {
        return Vec::new();
    };
    let list = |word: &dyn Fn(PortMode) -> String| {
        let of = |number| {
            let port = ports.iter().rev().find(|port| port.number == number);
            word(port.copied().unwrap_or(PortMode {
                number,
                captures: false,
                queues: 1,
            }))
        };
        (0..=last).map(of).collect::<Vec<_>>().join(",")
    };
    let mut parameters = vec![format!("mode={}", list(&|port| port.word().to_owned()))];
    if ports.iter().any(|port| port.queues != 1) {
        parameters.push(format!("queues={}", list(&|port| port.queues.to_string())));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_has_its_parameters() {
        let port = |number, captures, queues| PortMode {
            number,
            captures,
            queues,
        };
        let ports = [port(3, true, 4), port(0, false, 1), port(1, true, 2)];
        assert_eq!(
            parameters(&ports),
            ["mode=standard,hpcap,standard,hpcap", "queues=1,2,1,4"]
        );
        assert_eq!(parameters(&[port(1, true, 1)]), ["mode=standard,hpcap"]);
        assert!(parameters(&[]).is_empty());
    }
}
