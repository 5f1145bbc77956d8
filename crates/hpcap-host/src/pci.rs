//! PCI devices: identity, driver, NUMA node and link.

use std::fmt;

use hpcap_base::address::PciAddress;

use crate::Tree;

const DEVICES: &str = "/sys/bus/pci/devices";

/// Speed and width of a PCI Express link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcieLink {
    /// Megatransfers per second on each lane: 5000 for PCIe 2, 8000 for PCIe 3.
    pub megatransfers: u32,
    /// Number of lanes.
    pub lanes: u32,
}

impl PcieLink {
    /// Payload bits per second in one direction, after the line code and before packet headers.
    #[must_use]
    pub fn bits_per_second(self) -> u64 {
        let raw = u64::from(self.megatransfers) * 1_000_000 * u64::from(self.lanes);
        // PCIe 1 and 2 send 10 bits for a byte, later ones 130 bits for 128.
        match self.megatransfers {
            0..=5000 => raw / 10 * 8,
            _ => raw / 130 * 128,
        }
    }
}

impl fmt::Display for PcieLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, tenths) = (self.megatransfers / 1000, self.megatransfers % 1000 / 100);
        match tenths {
            0 => write!(f, "{whole} GT/s x{}", self.lanes),
            _ => write!(f, "{whole}.{tenths} GT/s x{}", self.lanes),
        }
    }
}

/// A function of a PCI device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciDevice {
    /// Its address.
    pub address: PciAddress,
    /// Number of the vendor: 0x8086 is Intel.
    pub vendor: u16,
    /// Number of the device among those of the vendor.
    pub device: u16,
    /// Whether it is an Ethernet controller.
    pub is_ethernet: bool,
    /// The driver that it is bound to.
    pub driver: Option<String>,
    /// The NUMA node whose memory is closest to it; `None` when the firmware does not say.
    pub node: Option<u32>,
    /// The link as it is; `None` for a device without a PCI Express link.
    pub link: Option<PcieLink>,
    /// The best link that the device itself is capable of.
    pub best_link: Option<PcieLink>,
    /// Numbers of its message-signalled interrupts.
    pub interrupts: Vec<u32>,
    /// Names of its network interfaces.
    pub interfaces: Vec<String>,
}

impl PciDevice {
    /// Returns every PCI function of the machine, by address.
    #[must_use]
    pub fn all(tree: &Tree) -> Vec<Self> {
        let mut all: Vec<Self> = tree
            .names(DEVICES)
            .iter()
            .filter_map(|name| Self::read(tree, name.parse().ok()?))
            .collect();
        all.sort_by_key(|device| device.address);
        all
    }

    /// Returns the device behind the network interface `name`; `None` if it is not on a PCI bus.
    #[must_use]
    pub fn of_interface(tree: &Tree, name: &str) -> Option<Self> {
        let device = format!("/sys/class/net/{name}/device");
        // The device of a virtio interface is below its PCI function.
        let path = tree.real_path(&device)?;
        let address = path
            .ancestors()
            .take(3)
            .find_map(|folder| folder.file_name()?.to_str()?.parse().ok())?;
        Self::read(tree, address)
    }

    /// Reads the function at `address`; `None` if there is none.
    #[must_use]
    pub fn read(tree: &Tree, address: PciAddress) -> Option<Self> {
        let folder = format!("{DEVICES}/{address}");
        let file = |name: &str| format!("{folder}/{name}");
        let hex = |name: &str| {
            let text = tree.text(file(name))?;
            u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
        };
        let id = |name: &str| u16::try_from(hex(name)?).ok();
        let link = |speed: &str, width: &str| {
            let link = PcieLink {
                megatransfers: megatransfers(&tree.text(file(speed))?)?,
                lanes: tree.value(file(width))?,
            };
            (link.lanes > 0 && link.lanes <= 32).then_some(link)
        };
        let below = |folder: &str| tree.names(format!("{folder}/net"));
        let mut interfaces = below(&folder);
        for name in tree.names(&folder) {
            if name.starts_with("virtio") {
                interfaces.extend(below(&file(&name)));
            }
        }
        Some(Self {
            address,
            vendor: id("vendor")?,
            device: id("device")?,
            is_ethernet: hex("class").is_some_and(|class| class >> 8 == 0x0200),
            driver: tree.link_name(file("driver")),
            // -1 stands for an unknown node.
            node: tree.value(file("numa_node")),
            link: link("current_link_speed", "current_link_width"),
            best_link: link("max_link_speed", "max_link_width"),
            interrupts: tree.numbers(file("msi_irqs"), ""),
            interfaces,
        })
    }

    /// Whether a module of hpcap can drive it: an Intel 82599, X540, X550 or 82576.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.supported_family().is_some()
    }

    /// The family of the drivers that hpcap has modules for, if one of them can drive it.
    #[must_use]
    pub fn supported_family(&self) -> Option<Family> {
        if self.vendor != 0x8086 {
            None
        } else if PHYSICAL.contains(&self.device) || self.is_virtual_function() {
            Some(Family::Ixgbe)
        } else {
            IGB.contains(&self.device).then_some(Family::Igb)
        }
    }

    /// Whether it is a virtual function of an 82599, X540 or X550.
    #[must_use]
    pub fn is_virtual_function(&self) -> bool {
        self.vendor == 0x8086 && VIRTUAL.contains(&self.device)
    }
}

/// NICs whose ports hpcap's drivers number together. All ports of one family come before those of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// 82599, X540, X550 and their virtual functions: the drivers ixgbe and ixgbevf.
    Ixgbe,
    /// 82576: the driver igb.
    Igb,
}

/// Parses `8.0 GT/s PCIe`.
fn megatransfers(text: &str) -> Option<u32> {
    let (number, unit) = text.split_once(' ')?;
    if !unit.starts_with("GT/s") {
        return None;
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u32 = whole.parse().ok()?;
    let tenths: u32 = fraction.get(..1)?.parse().ok()?;
    whole.checked_mul(1000)?.checked_add(tenths * 100)
}

/// Device numbers of the 82599, X540 and X550 that ixgbe drives.
const PHYSICAL: [u16; 34] = [
    // 82599
    0x10f7, 0x10f8, 0x10f9, 0x10fb, 0x10fc, 0x1507, 0x1514, 0x1517, 0x151c, 0x1529, 0x152a, 0x154a,
    0x154d, 0x1557, 0x1558, // X540
    0x1528, 0x1560, // X550
    0x1563, 0x15d1, // X550EM_x
    0x15aa, 0x15ab, 0x15ac, 0x15ad, 0x15ae, 0x15b0, // X550EM_a
    0x15c2, 0x15c3, 0x15c4, 0x15c6, 0x15c7, 0x15c8, 0x15ce, 0x15e4, 0x15e5,
];

/// Device numbers of the 82576, which igb drives.
const IGB: [u16; 8] = [
    0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x150a, 0x150d, 0x1518, 0x1526,
];

/// Device numbers of the virtual functions of the 82599, X540 and X550.
const VIRTUAL: [u16; 5] = [0x10ed, 0x1515, 0x1565, 0x15a8, 0x15c5];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_speeds_are_read() {
        assert_eq!(megatransfers("5.0 GT/s PCIe"), Some(5000));
        assert_eq!(megatransfers("2.5 GT/s"), Some(2500));
        assert_eq!(megatransfers("Unknown"), None);
        let link = PcieLink {
            megatransfers: 5000,
            lanes: 8,
        };
        assert_eq!(link.to_string(), "5 GT/s x8");
        assert_eq!(link.bits_per_second(), 32_000_000_000);
    }

    #[test]
    fn devices_of_this_machine_have_their_interfaces() {
        let tree = Tree::machine();
        for device in PciDevice::all(&tree) {
            for name in &device.interfaces {
                let found = PciDevice::of_interface(&tree, name).map(|d| d.address);
                assert_eq!(found, Some(device.address), "{name}");
            }
        }
    }
}
