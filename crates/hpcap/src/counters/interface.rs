//! The counters of a network interface, as the kernel reports them.

use hpcap_base::nic::InterfaceCounters;

use super::{Counter, Kind, Unit};

/// The values of a network interface at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InterfaceReading {
    /// The counters of the kernel.
    pub counters: InterfaceCounters,
    /// Whether an administrator has set the interface up.
    pub up: bool,
    /// Whether the interface can carry frames.
    pub link: bool,
    /// Speed of the link in bits a second; 0 if it is unknown.
    pub speed_bits_per_second: u64,
}

const KERNEL: &str = "the driver of the interface";

/// A row of the counter in the field `$field` of [`InterfaceCounters`].
macro_rules! counter {
    ($field:ident, $family:literal, $unit:ident, $meaning:literal, $advice:literal) => {
        Counter {
            place: KERNEL,
            advice: $advice,
            ..Counter::alone(
                Kind::Counter,
                stringify!($field),
                concat!("hpcap_interface_", $family),
                Unit::$unit,
                $meaning,
                |i: &InterfaceReading| i.counters.$field,
            )
        }
    };
}

const fn gauge(
    key: &'static str,
    family: &'static str,
    unit: Unit,
    meaning: &'static str,
    read: fn(&InterfaceReading) -> u64,
) -> Counter<InterfaceReading> {
    Counter {
        place: KERNEL,
        ..Counter::alone(Kind::Gauge, key, family, unit, meaning, read)
    }
}

/// The values of a network interface.
pub static INTERFACE: &[Counter<InterfaceReading>] = &[
    counter!(
        rx_packets,
        "receive_packets",
        Frames,
        "Frames that the interface received and its driver delivered",
        ""
    ),
    counter!(
        rx_bytes,
        "receive_bytes",
        Bytes,
        "Bytes of the received frames; some drivers count the FCS",
        ""
    ),
    counter!(
        rx_errors,
        "receive_errors",
        Frames,
        "Frames that arrived damaged",
        "clean or replace cable and transceivers"
    ),
    counter!(
        rx_dropped,
        "receive_dropped",
        Frames,
        "Received frames that the kernel dropped",
        "look for a lack of memory, and for frames that nothing on the host wants"
    ),
    counter!(
        rx_missed_errors,
        "receive_missed",
        Frames,
        "Frames for which the NIC had no room",
        "see nic_missed: more descriptors, a core for the poll thread, more PCIe lanes"
    ),
    counter!(
        rx_fifo_errors,
        "receive_fifo_errors",
        Frames,
        "Frames lost in a buffer of the NIC",
        "as for missed frames"
    ),
    counter!(
        rx_over_errors,
        "receive_over_errors",
        Frames,
        "Frames for which a buffer of the NIC was too small",
        "raise the MTU of the interface"
    ),
    counter!(
        rx_length_errors,
        "receive_length_errors",
        Frames,
        "Frames of a wrong length",
        "raise the MTU of the interface, if frames are longer than it"
    ),
    counter!(
        rx_crc_errors,
        "receive_crc_errors",
        Frames,
        "Frames with a wrong FCS",
        "clean or replace cable and transceivers"
    ),
    counter!(
        rx_frame_errors,
        "receive_frame_errors",
        Frames,
        "Frames with a wrong alignment",
        "clean or replace cable and transceivers"
    ),
    counter!(
        rx_nohandler,
        "receive_nohandler",
        Frames,
        "Frames that no protocol of the kernel wanted",
        "nothing, on an interface that only captures"
    ),
    counter!(
        multicast,
        "receive_multicast",
        Frames,
        "Received frames with a multicast address",
        ""
    ),
    counter!(
        tx_packets,
        "transmit_packets",
        Frames,
        "Frames that the interface sent",
        ""
    ),
    counter!(
        tx_bytes,
        "transmit_bytes",
        Bytes,
        "Bytes of the sent frames",
        ""
    ),
    counter!(
        tx_errors,
        "transmit_errors",
        Frames,
        "Frames that could not be sent",
        "look at the link and the log of the kernel"
    ),
    counter!(
        tx_dropped,
        "transmit_dropped",
        Frames,
        "Frames that the kernel dropped instead of sending them",
        "send more slowly"
    ),
    gauge(
        "up",
        "hpcap_interface_up",
        Unit::Flag,
        "Whether an administrator has set the interface up",
        |i| u64::from(i.up),
    ),
    gauge(
        "link",
        "hpcap_interface_link",
        Unit::Flag,
        "Whether the interface can carry frames: it is up, and its cable is connected",
        |i| u64::from(i.link),
    ),
    gauge(
        "speed_bytes_per_second",
        "hpcap_interface_speed_bytes",
        Unit::BytesPerSecond,
        "Speed of the link; 0 if it is unknown",
        |i| i.speed_bits_per_second / 8,
    ),
];
