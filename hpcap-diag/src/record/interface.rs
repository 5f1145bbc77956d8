//! An interface in a collection.

use std::collections::BTreeMap;

use hpcap::units::Rate;
use hpcap_host::Interface;
use hpcap_host::interface::{Offloads, Pause, RingLengths};
use serde::{Deserialize, Serialize};

/// An interface: its state, its counters, and what its driver says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceRecord {
    /// Its name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// Its alternative names.
    pub other_names: Vec<String>,
    /// Whether it is set up.
    pub up: bool,
    /// Whether it has a link.
    pub running: bool,
    /// Whether a device on a bus is behind it.
    pub is_hardware: bool,
    /// Longest payload of a frame in bytes.
    pub mtu: u32,
    /// Its speed in bits per second, if it is known.
    pub bits_per_second: Option<u64>,
    /// Name of the driver.
    pub driver: Option<String>,
    /// Version of the driver.
    pub driver_version: Option<String>,
    /// Version of the firmware.
    pub firmware: Option<String>,
    /// Address on a bus.
    pub bus: Option<String>,
    /// Received frames are merged by the kernel.
    pub gro: bool,
    /// Received frames are merged by the NIC.
    pub lro: bool,
    /// The NIC moves VLAN tags out of frames.
    pub strips_vlan: bool,
    /// The use of pause frames is negotiated.
    pub pause_negotiates: Option<bool>,
    /// It stops sending when it receives a pause frame.
    pub pause_obeys: Option<bool>,
    /// It sends pause frames.
    pub pause_sends: Option<bool>,
    /// Descriptors of a receive ring.
    pub ring_receive: Option<u32>,
    /// Largest number of descriptors that a receive ring can have.
    pub ring_receive_limit: Option<u32>,
    /// Descriptors of a transmit ring.
    pub ring_transmit: Option<u32>,
    /// Largest number of descriptors that a transmit ring can have.
    pub ring_transmit_limit: Option<u32>,
    /// Queues that receive.
    pub channels: Option<u32>,
    /// Largest number of queues that can receive.
    pub channels_limit: Option<u32>,
    /// How frames are gathered into interrupts.
    pub coalescing: BTreeMap<String, serde_json::Value>,
    /// Counters of the kernel.
    pub counters: BTreeMap<String, u64>,
    /// Counters of the driver, under the driver's names.
    pub statistics: BTreeMap<String, u64>,
    /// Features that are on or off.
    pub features: BTreeMap<String, bool>,
}

impl InterfaceRecord {
    /// Asks the kernel and the driver about `interface`.
    #[must_use]
    pub fn of(interface: &Interface) -> Self {
        let driver = interface.driver();
        let text = |get: fn(&hpcap_host::interface::Driver) -> &String| {
            driver
                .as_ref()
                .map(get)
                .filter(|text| !text.is_empty())
                .cloned()
        };
        let offloads = interface.offloads();
        let (pause, rings, channels) = (
            interface.pause(),
            interface.ring_lengths(),
            interface.channels(),
        );
        let counters = serde_json::to_value(interface.counters).unwrap_or_default();
        let coalescing = serde_json::to_value(interface.coalescing()).unwrap_or_default();
        Self {
            name: interface.name.clone(),
            index: interface.index,
            other_names: interface.other_names.clone(),
            up: interface.is_up(),
            running: interface.is_running(),
            is_hardware: interface.is_hardware(),
            mtu: interface.mtu,
            bits_per_second: match interface.link_speed() {
                Some(Rate::BitsPerSecond(bits)) => Some(bits),
                _ => None,
            },
            driver: text(|d| &d.name),
            driver_version: text(|d| &d.version),
            firmware: text(|d| &d.firmware),
            bus: text(|d| &d.bus),
            gro: offloads.gro,
            lro: offloads.lro,
            strips_vlan: offloads.strips_vlan,
            pause_negotiates: pause.map(|p| p.negotiates),
            pause_obeys: pause.map(|p| p.obeys),
            pause_sends: pause.map(|p| p.sends),
            ring_receive: rings.map(|r| r.receive),
            ring_receive_limit: rings.map(|r| r.receive_limit),
            ring_transmit: rings.map(|r| r.transmit),
            ring_transmit_limit: rings.map(|r| r.transmit_limit),
            channels: channels.map(|c| c.receive),
            channels_limit: channels.map(|c| c.receive_limit),
            coalescing: serde_json::from_value(coalescing).unwrap_or_default(),
            counters: serde_json::from_value(counters).unwrap_or_default(),
            statistics: interface
                .statistics()
                .into_iter()
                .map(|s| (s.name, s.value))
                .collect(),
            features: interface
                .features()
                .into_iter()
                .map(|f| (f.name, f.on))
                .collect(),
        }
    }

    /// The offloads that change received frames.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        Offloads {
            gro: self.gro,
            lro: self.lro,
            strips_vlan: self.strips_vlan,
        }
    }

    /// The use of pause frames, if the driver said it.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        Some(Pause {
            negotiates: self.pause_negotiates?,
            obeys: self.pause_obeys?,
            sends: self.pause_sends?,
        })
    }

    /// The lengths of the rings, if the driver said them.
    #[must_use]
    pub fn rings(&self) -> Option<RingLengths> {
        Some(RingLengths {
            receive: self.ring_receive?,
            receive_limit: self.ring_receive_limit?,
            transmit: self.ring_transmit?,
            transmit_limit: self.ring_transmit_limit?,
        })
    }
}
