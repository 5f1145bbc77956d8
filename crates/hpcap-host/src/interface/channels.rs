//! The queues of a NIC.

use std::io;

use super::Interface;
use super::ethtool_command::EthtoolCommand;

/// Number of queues of a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// Queues that receive, whether or not they also transmit.
    pub receive: u32,
    /// Largest number of queues that can receive.
    pub receive_limit: u32,
}

impl Interface {
    /// Returns the number of queues of the interface; `None` if the driver does not report it.
    #[must_use]
    pub fn channels(&self) -> Option<Channels> {
        let channels = self
            .ethtool(ChannelSettings {
                command: ChannelSettings::COMMAND,
                ..ChannelSettings::default()
            })
            .ok()?;
        Some(Channels {
            receive: channels.receive.saturating_add(channels.combined),
            receive_limit: channels.receive_limit.max(channels.combined_limit),
        })
    }

    /// Sets the number of queues that receive: combined ones, if the NIC has such.
    pub(super) fn change_channels(&self, count: u32) -> io::Result<()> {
        let mut channels = self.ethtool(ChannelSettings {
            command: ChannelSettings::COMMAND,
            ..ChannelSettings::default()
        })?;
        channels.command = ChannelSettings::SET;
        match channels.combined_limit > 0 {
            true => (channels.combined, channels.receive) = (count, 0),
            false => channels.receive = count,
        }
        self.ethtool(SetChannels(channels)).map(drop)
    }
}

/// `struct ethtool_channels` of `linux/ethtool.h`.
#[derive(Default)]
#[repr(C)]
struct ChannelSettings {
    command: u32,
    receive_limit: u32,
    transmit_and_other_limits: [u32; 2],
    combined_limit: u32,
    receive: u32,
    transmit_and_other: [u32; 2],
    combined: u32,
}

const _: () = assert!(size_of::<ChannelSettings>() == 36);

// SAFETY: the structure is that of ETHTOOL_GCHANNELS, and `command` is first.
unsafe impl EthtoolCommand for ChannelSettings {
    const COMMAND: u32 = 0x3c;
}

impl ChannelSettings {
    /// `ETHTOOL_SCHANNELS`.
    const SET: u32 = 0x3d;
}

/// [`ChannelSettings`] to be set.
#[repr(transparent)]
struct SetChannels(ChannelSettings);

// SAFETY: the structure is that of ETHTOOL_SCHANNELS, and its first field is the command.
unsafe impl EthtoolCommand for SetChannels {
    const COMMAND: u32 = ChannelSettings::SET;
}
