//! The counters that the kernel keeps of every network interface.
//!
//! The counters only grow until the driver is loaded again, so a program compares two readings of them.
//! `hpcap_host::Interface` reads them.
//!
//! ```
//! use hpcap_base::nic::InterfaceCounters;
//!
//! let before = InterfaceCounters { rx_packets: 1000, rx_missed_errors: 3, ..Default::default() };
//! let now = InterfaceCounters { rx_packets: 2500, rx_missed_errors: 8, ..Default::default() };
//! assert_eq!(now.rx_packets - before.rx_packets, 1500);
//! assert_eq!(now.rx_missed_errors - before.rx_missed_errors, 5);
//! ```

use serde::Serialize;

/// Counters of a network interface since its driver was loaded (`struct rtnl_link_stats64` of Linux).
/// The names are those of `/sys/class/net/IF/statistics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct InterfaceCounters {
    /// Frames that the interface received and its driver delivered.
    pub rx_packets: u64,
    /// Bytes of these frames; whether they include the FCS depends on the driver.
    pub rx_bytes: u64,
    /// Frames that arrived damaged, for any of the reasons below.
    pub rx_errors: u64,
    /// Frames that the kernel dropped, such as for lack of memory.
    pub rx_dropped: u64,
    /// Received frames with a multicast address.
    pub multicast: u64,
    /// Frames of a wrong length.
    pub rx_length_errors: u64,
    /// Frames for which a buffer of the NIC was too small.
    pub rx_over_errors: u64,
    /// Frames with a wrong FCS.
    pub rx_crc_errors: u64,
    /// Frames with a wrong alignment.
    pub rx_frame_errors: u64,
    /// Frames lost in a buffer of the NIC.
    pub rx_fifo_errors: u64,
    /// Frames for which the NIC had no room, because the host took earlier ones too slowly.
    pub rx_missed_errors: u64,
    /// Frames that no protocol of the kernel wanted.
    pub rx_nohandler: u64,
    /// Frames that the interface sent.
    pub tx_packets: u64,
    /// Bytes of these frames.
    pub tx_bytes: u64,
    /// Frames that could not be sent.
    pub tx_errors: u64,
    /// Frames that the kernel dropped instead of sending them.
    pub tx_dropped: u64,
}
