//! Settings of the driver of an interface that ethtool's ioctl changes.

use std::io;

use hpcap_base::{Error, Result};

use super::Interface;
use super::ethtool::{Pause, PauseSettings};
use super::ethtool_command::{EthtoolCommand, Value};
use super::link_modes::LinkSettings;

/// A feature of an interface that changes frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Generic receive offload: the kernel merges received frames.
    Gro,
    /// Large receive offload: the NIC merges received frames.
    Lro,
}

impl Feature {
    /// The name in `ethtool -k`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gro => "gro",
            Self::Lro => "lro",
        }
    }

    /// Finds a feature by its name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Gro, Self::Lro]
            .into_iter()
            .find(|f| f.name() == name)
    }
}

/// The speed that an interface is set to, whether it has a link or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeedSetting {
    /// Both ends agree on any speed that they are capable of.
    Auto,
    /// A speed in Mb/s.
    Fixed(u32),
}

impl Interface {
    fn refused(&self, what: &str, error: io::Error) -> Error {
        let error = Error::io(format!("set {what} of {}", self.name), error);
        match error.kind() {
            hpcap_base::Kind::Permission => error.advise("become root"),
            _ => error.or_advise("the driver of the interface refuses it"),
        }
    }

    /// Switches a feature on or off.
    ///
    /// # Errors
    /// Errors of the driver, and one if the feature stays as it was.
    pub fn set_feature(&self, feature: Feature, on: bool) -> Result<()> {
        const LRO: u32 = 1 << 15;
        let done = match feature {
            Feature::Gro => self
                .ethtool(Value::<{ Value::SET_GRO }>::with(u32::from(on)))
                .map(drop),
            Feature::Lro => self
                .ethtool(Value::<{ Value::GET_FLAGS }>::new())
                .and_then(|flags| {
                    let rest = flags.data & !LRO;
                    let flags = if on { rest | LRO } else { rest };
                    self.ethtool(Value::<{ Value::SET_FLAGS }>::with(flags))
                })
                .map(drop),
        };
        let name = feature.name();
        done.map_err(|e| self.refused(name, e))?;
        match self.has_feature(feature) == on {
            true => Ok(()),
            false => {
                let why = "the kernel agreed, and it stayed as it was: it may be fixed for this interface";
                Err(self.refused(name, io::Error::other(why)))
            }
        }
    }

    /// Returns whether a feature is on.
    #[must_use]
    pub fn has_feature(&self, feature: Feature) -> bool {
        match feature {
            Feature::Gro => self.offloads().gro,
            Feature::Lro => self.offloads().lro,
        }
    }

    /// Sets the use of pause frames.
    ///
    /// # Errors
    /// Errors of the driver.
    pub fn set_pause(&self, pause: Pause) -> Result<()> {
        let settings = PauseSettings {
            command: PauseSettings::SET,
            negotiates: pause.negotiates.into(),
            receive: pause.obeys.into(),
            transmit: pause.sends.into(),
        };
        let sent = self.ethtool(SetPause(settings));
        sent.map(drop).map_err(|e| self.refused("pause frames", e))
    }

    /// Returns the speed that the interface is set to; `None` if its driver does not report it.
    #[must_use]
    pub fn speed_setting(&self) -> Option<SpeedSetting> {
        LinkSettings::read(self).ok()?.speed_setting()
    }

    /// Returns whether a link that comes up has the speed, as far as this end decides it.
    #[must_use]
    pub fn is_set_to(&self, speed: SpeedSetting) -> bool {
        LinkSettings::read(self).is_ok_and(|settings| settings.is_set_to(speed))
    }

    /// Sets the speed: the interface offers no other speed to the other end, or uses the speed without
    /// asking where it cannot negotiate.
    ///
    /// # Errors
    /// [`hpcap_base::Kind::Usage`] for a speed that the NIC is not capable of, with those that it is;
    /// errors of the driver.
    pub fn set_speed(&self, speed: SpeedSetting) -> Result<()> {
        let settings = LinkSettings::read(self).map_err(|e| self.refused("the speed", e))?;
        settings.change_speed(self, speed)
    }

    /// Sets the number of receive queues, of the kind that the NIC has.
    ///
    /// # Errors
    /// Errors of the driver.
    pub fn set_channels(&self, count: u32) -> Result<()> {
        self.change_channels(count)
            .map_err(|e| self.refused("the number of queues", e))
    }
}

/// [`PauseSettings`] to be set.
#[repr(transparent)]
struct SetPause(PauseSettings);

// SAFETY: the structure is that of ETHTOOL_SPAUSEPARAM, and its first field is the command.
unsafe impl EthtoolCommand for SetPause {
    const COMMAND: u32 = PauseSettings::SET;
}
