//! How an interface gathers several frames into one interrupt: ETHTOOL_GCOALESCE.

use serde::Serialize;

use super::Interface;
use super::ethtool_command::EthtoolCommand;

/// When an interface interrupts the processor for received frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Coalescing {
    /// Longest time from a frame to its interrupt, in microseconds.
    pub rx_microseconds: u32,
    /// Largest number of frames for one interrupt; 0 sets no limit.
    pub rx_frames: u32,
    /// As `rx_microseconds`, for transmitted frames.
    pub tx_microseconds: u32,
    /// As `rx_frames`, for transmitted frames.
    pub tx_frames: u32,
    /// The driver changes the values for received frames by itself.
    pub adaptive_rx: bool,
    /// The driver changes the values for transmitted frames by itself.
    pub adaptive_tx: bool,
}

/// `struct ethtool_coalesce` of `linux/ethtool.h`.
#[derive(Default)]
#[repr(C)]
struct Settings {
    command: u32,
    rx_microseconds: u32,
    rx_frames: u32,
    rx_in_interrupt: [u32; 2],
    tx_microseconds: u32,
    tx_frames: u32,
    tx_in_interrupt: [u32; 2],
    statistics_microseconds: u32,
    adaptive_rx: u32,
    adaptive_tx: u32,
    low_and_high_rates: [u32; 11],
}

const _: () = assert!(size_of::<Settings>() == 92);

// SAFETY: the structure is that of ETHTOOL_GCOALESCE, and `command` is first.
unsafe impl EthtoolCommand for Settings {
    const COMMAND: u32 = 0x0e;
}

impl Interface {
    /// Returns how the interface gathers frames into interrupts; `None` if its driver does not report it.
    #[must_use]
    pub fn coalescing(&self) -> Option<Coalescing> {
        let settings = self
            .ethtool(Settings {
                command: Settings::COMMAND,
                ..Settings::default()
            })
            .ok()?;
        Some(Coalescing {
            rx_microseconds: settings.rx_microseconds,
            rx_frames: settings.rx_frames,
            tx_microseconds: settings.tx_microseconds,
            tx_frames: settings.tx_frames,
            adaptive_rx: settings.adaptive_rx != 0,
            adaptive_tx: settings.adaptive_tx != 0,
        })
    }
}
