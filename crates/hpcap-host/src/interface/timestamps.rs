//! Hardware timestamps: which ones a NIC offers, and how to enable them.
//!
//! A NIC that stamps every received frame gives times that no delay of this machine has changed. Many NICs stamp only
//! frames of PTP, or none; then [`Interface::stamp_in_hardware`] returns an error that says so.
//!
//! ```
//! use hpcap_host::Interface;
//!
//! # fn main() -> hpcap_base::Result<()> {
//! // The loopback interface is no NIC.
//! if let Some(loopback) = Interface::by_name("lo")? {
//!     assert!(loopback.stamp_in_hardware().is_err());
//! }
//! # Ok(())
//! # }
//! ```

use hpcap_base::{Error, Kind, Result};

use super::Interface;
use super::ethtool_command::EthtoolCommand;

const SIOCSHWTSTAMP: libc::c_ulong = 0x89b0;
/// `HWTSTAMP_TX_OFF`.
const TRANSMIT_OFF: i32 = 0;
/// `HWTSTAMP_FILTER_ALL`.
const FILTER_ALL: i32 = 1;
/// `SOF_TIMESTAMPING_RX_HARDWARE`: the NIC stamps received frames.
const RECEIVE_HARDWARE: u32 = 1 << 2;
/// `SOF_TIMESTAMPING_RAW_HARDWARE`: makes a packet socket report the NIC's own time.
pub const RAW_HARDWARE: u32 = 1 << 6;

/// `struct ethtool_ts_info` of `linux/ethtool.h`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct TimestampInfo {
    command: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

/// `struct hwtstamp_config` of `linux/net_tstamp.h`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct TimestampConfig {
    flags: i32,
    tx_type: i32,
    rx_filter: i32,
}

// SAFETY: the structure is that of ETHTOOL_GET_TS_INFO, and its first field is the command.
unsafe impl EthtoolCommand for TimestampInfo {
    const COMMAND: u32 = 0x41;
}

impl TimestampInfo {
    /// Returns whether the NIC can stamp every frame that it receives.
    fn stamps_every_frame(&self) -> bool {
        let hardware = RECEIVE_HARDWARE | RAW_HARDWARE;
        self.so_timestamping & hardware == hardware && self.rx_filters & 1 << FILTER_ALL != 0
    }

    /// Describes what the NIC offers, for error messages.
    fn offer(&self) -> String {
        if self.so_timestamping & RAW_HARDWARE == 0 || self.so_timestamping & RECEIVE_HARDWARE == 0
        {
            return "it has no clock for received frames: the kernel's time is all there is".into();
        }
        let filters: Vec<&str> = FILTERS
            .iter()
            .filter(|(bit, _)| self.rx_filters & 1 << bit != 0)
            .map(|(_, name)| *name)
            .collect();
        format!("it stamps only some frames: {}", filters.join(", "))
    }
}

/// Numbers in `enum hwtstamp_rx_filters` of filters that select only some frames, with names.
const FILTERS: [(u32, &str); 5] = [
    (2, "some"),
    (3, "PTP version 1 over UDP"),
    (6, "PTP version 2 over UDP"),
    (9, "PTP version 2 over Ethernet"),
    (12, "PTP version 2"),
];

impl Interface {
    fn timestamp_info(&self) -> std::io::Result<TimestampInfo> {
        self.ethtool(TimestampInfo {
            command: TimestampInfo::COMMAND,
            ..TimestampInfo::default()
        })
    }

    /// Makes the NIC stamp every frame that it receives. The setting persists, and affects all
    /// programs.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the NIC cannot stamp every frame, with what it offers;
    /// [`Kind::Permission`] without CAP_NET_ADMIN; other errors of the driver.
    pub fn stamp_in_hardware(&self) -> Result<()> {
        let tried = || format!("have the NIC of {} stamp frames (time=hardware)", self.name);
        let offer = if self.is_any() {
            "interfaces have different clocks: name one of them".to_owned()
        } else {
            match self.timestamp_info() {
                Ok(info) if info.stamps_every_frame() => return self.turn_on(tried),
                Ok(info) => info.offer(),
                Err(e) => format!("its driver says nothing of time stamps ({e})"),
            }
        };
        Err(Error::new(Kind::Usage, tried(), offer).advise(format!(
            "leave out time=hardware; ethtool -T {} shows what a NIC offers",
            self.name
        )))
    }

    fn turn_on(&self, tried: impl Fn() -> String) -> Result<()> {
        let mut config = TimestampConfig {
            flags: 0,
            tx_type: TRANSMIT_OFF,
            rx_filter: FILTER_ALL,
        };
        // SAFETY: the structure is the one that belongs to the request.
        unsafe { self.ioctl(SIOCSHWTSTAMP, &mut config) }.map_err(|e| {
            let error = Error::io(tried(), e);
            match error.kind() {
                Kind::Permission => error.advise("that takes the capability CAP_NET_ADMIN"),
                _ => error,
            }
        })?;
        if config.rx_filter == FILTER_ALL {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            tried(),
            "its driver agreed, and then stamps only some frames",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offer_lists_the_timestamps_of_a_nic() {
        let mut info = TimestampInfo::default();
        assert!(!info.stamps_every_frame());
        assert!(info.offer().contains("no clock"), "{}", info.offer());
        info.so_timestamping = RECEIVE_HARDWARE | RAW_HARDWARE;
        info.rx_filters = 1 << 12;
        assert!(!info.stamps_every_frame());
        assert!(info.offer().ends_with("PTP version 2"), "{}", info.offer());
        info.rx_filters |= 1 << FILTER_ALL;
        assert!(info.stamps_every_frame());
    }

    #[test]
    fn interface_without_a_clock_is_refused() {
        let Some(lo) = Interface::by_name("lo").unwrap() else {
            println!("skipped: there is no loopback interface here");
            return;
        };
        for interface in [lo, Interface::any()] {
            let error = interface.stamp_in_hardware().unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(
                error.to_string().contains("leave out time=hardware"),
                "{error}"
            );
        }
    }
}
