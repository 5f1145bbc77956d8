//! The driver, the link and the NIC of an interface, as the driver reports them.

use hpcap_base::units::Rate;

use super::Interface;
use super::ethtool_command::{EthtoolCommand, Value};

/// The driver of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Name of the driver, such as `ixgbe`.
    pub name: String,
    /// Version of the driver; drivers inside the kernel's sources have the kernel's version.
    pub version: String,
    /// Version of the NIC's firmware; empty if the driver does not report it.
    pub firmware: String,
    /// Address on a bus, such as `0000:01:00.0`; empty if there is no device.
    pub bus: String,
}

/// Whether received frames are merged, and whether their VLAN tags are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offloads {
    /// Generic receive offload: the kernel merges received frames of a connection.
    pub gro: bool,
    /// Large receive offload: the NIC merges received frames of a connection.
    pub lro: bool,
    /// The NIC moves VLAN tags from the frame into its descriptor.
    pub strips_vlan: bool,
}

/// Use of Ethernet pause frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Both ends of the link negotiate the use of pause frames.
    pub negotiates: bool,
    /// The NIC stops sending when it receives a pause frame.
    pub obeys: bool,
    /// The NIC sends pause frames when it has no room for received ones.
    pub sends: bool,
}

/// Number of descriptors in the rings between driver and NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingLengths {
    /// Descriptors of a receive ring.
    pub receive: u32,
    /// Largest number of descriptors of a receive ring.
    pub receive_limit: u32,
    /// Descriptors of a transmit ring.
    pub transmit: u32,
    /// Largest number of descriptors of a transmit ring.
    pub transmit_limit: u32,
}

impl Interface {
    /// Returns the speed of the interface's link; `None` if it has no link or its driver does not report the speed.
    #[must_use]
    pub fn link_speed(&self) -> Option<Rate> {
        let settings = self
            .ethtool(Settings {
                command: Settings::COMMAND,
                ..Settings::default()
            })
            .ok()?;
        let megabits = u64::from(settings.speed_high) << 16 | u64::from(settings.speed_low);
        // The kernel reports 2^32-1, or 2^16-1 in old drivers, for an unknown speed.
        let known = ![0, u64::from(u16::MAX), u64::from(u32::MAX)].contains(&megabits);
        known.then_some(Rate::BitsPerSecond(megabits * 1_000_000))
    }

    /// Returns whether the interface belongs to a device on a bus, rather than to a program or to another interface.
    #[must_use]
    pub fn is_hardware(&self) -> bool {
        // An address on a bus has a colon or a dash: 0000:01:00.0, usb-0000:00:14.0-1.
        self.driver().is_some_and(|d| d.bus.contains([':', '-']))
    }

    /// Returns the driver of the interface; `None` if the interface does not report one.
    ///
    /// The driver itself answers, because sysfs may show another network namespace, with another
    /// interface of this name.
    #[must_use]
    pub fn driver(&self) -> Option<Driver> {
        let info = self
            .ethtool(DriverInfo {
                command: DriverInfo::COMMAND,
                names: [[0; 32]; 5],
                numbers: [0; 8],
            })
            .ok()?;
        let [name, version, firmware, bus, _] = info.names.map(|name| {
            let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        });
        Some(Driver {
            name,
            version,
            firmware,
            bus,
        })
    }

    /// Returns which offloads of the interface change received frames; offloads that the driver does not know are off.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        const RX_VLAN: u32 = 1 << 8;
        const LRO: u32 = 1 << 15;
        let gro = self.ethtool(Value::<{ Value::GET_GRO }>::new());
        let flags = self
            .ethtool(Value::<{ Value::GET_FLAGS }>::new())
            .map_or(0, |value| value.data);
        Offloads {
            gro: gro.is_ok_and(|value| value.data & 1 != 0),
            lro: flags & LRO != 0,
            strips_vlan: flags & RX_VLAN != 0,
        }
    }

    /// Returns how the interface uses pause frames; `None` if its driver does not know pause frames.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        let pause = self
            .ethtool(PauseSettings {
                command: PauseSettings::COMMAND,
                ..PauseSettings::default()
            })
            .ok()?;
        Some(Pause {
            negotiates: pause.negotiates != 0,
            obeys: pause.receive != 0,
            sends: pause.transmit != 0,
        })
    }

    /// Returns the lengths of the interface's rings; `None` if the driver has no rings of descriptors.
    #[must_use]
    pub fn ring_lengths(&self) -> Option<RingLengths> {
        let rings = self
            .ethtool(RingSettings {
                command: RingSettings::COMMAND,
                ..RingSettings::default()
            })
            .ok()?;
        (rings.receive_limit > 0).then_some(RingLengths {
            receive: rings.receive,
            receive_limit: rings.receive_limit,
            transmit: rings.transmit,
            transmit_limit: rings.transmit_limit,
        })
    }
}

/// `struct ethtool_cmd` of `linux/ethtool.h`.
#[derive(Default)]
#[repr(C)]
struct Settings {
    command: u32,
    supported: u32,
    advertised: u32,
    speed_low: u16,
    duplex: u8,
    port: u8,
    rest_of_link: [u32; 3],
    speed_high: u16,
    crossover: [u8; 2],
    partner: u32,
    reserved: [u32; 2],
}

const _: () = assert!(size_of::<Settings>() == 44);

// SAFETY: the structure is that of ETHTOOL_GSET, and `command` is first.
unsafe impl EthtoolCommand for Settings {
    const COMMAND: u32 = 0x01;
}

/// `struct ethtool_drvinfo` of `linux/ethtool.h`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    /// Names of the driver, its version, the firmware, the bus address, and the expansion ROM.
    names: [[u8; 32]; 5],
    numbers: [u32; 8],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);

// SAFETY: the structure is that of ETHTOOL_GDRVINFO, and `command` is first.
unsafe impl EthtoolCommand for DriverInfo {
    const COMMAND: u32 = 0x03;
}

/// `struct ethtool_ringparam` of `linux/ethtool.h`.
#[derive(Default)]
#[repr(C)]
struct RingSettings {
    command: u32,
    receive_limit: u32,
    mini_and_jumbo_limits: [u32; 2],
    transmit_limit: u32,
    receive: u32,
    mini_and_jumbo: [u32; 2],
    transmit: u32,
}

const _: () = assert!(size_of::<RingSettings>() == 36);

// SAFETY: the structure is that of ETHTOOL_GRINGPARAM, and `command` is first.
unsafe impl EthtoolCommand for RingSettings {
    const COMMAND: u32 = 0x10;
}

/// `struct ethtool_pauseparam` of `linux/ethtool.h`.
#[derive(Default)]
#[repr(C)]
pub(super) struct PauseSettings {
    pub(super) command: u32,
    pub(super) negotiates: u32,
    pub(super) receive: u32,
    pub(super) transmit: u32,
}

impl PauseSettings {
    /// `ETHTOOL_SPAUSEPARAM`.
    pub(super) const SET: u32 = 0x13;
}

const _: () = assert!(size_of::<PauseSettings>() == 16);

// SAFETY: the structure is that of ETHTOOL_GPAUSEPARAM, and `command` is first.
unsafe impl EthtoolCommand for PauseSettings {
    const COMMAND: u32 = 0x12;
}
