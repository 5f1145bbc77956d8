//! The speeds that an interface is capable of and offers: ETHTOOL_GLINKSETTINGS and its opposite.

use std::collections::BTreeSet;
use std::io;

use hpcap_base::{Error, Kind, Result};

use super::Interface;
use super::driver_settings::SpeedSetting;
use super::ethtool_command::EthtoolCommand;

/// Largest number of words of each of the three sets of link modes that the kernel's interface has room for.
const MOST_WORDS: usize = 127;
/// `SPEED_UNKNOWN`.
const UNKNOWN: u32 = u32::MAX;
const DUPLEX_FULL: u8 = 1;
/// The number of the link mode "autonegotiation".
const AUTONEG: u16 = 6;

/// The numbers of the link modes of each speed in Mb/s (`enum ethtool_link_mode_bit_indices`).
const MODES: &[(u32, &[u16])] = &[
    (10, &[0, 1, 92]),
    (100, &[2, 3, 67, 90, 91]),
    (1_000, &[4, 5, 17, 41, 68]),
    (2_500, &[15, 47]),
    (5_000, &[48]),
    (10_000, &[12, 18, 19, 20, 42, 43, 44, 45, 46]),
    (20_000, &[21, 22]),
    (25_000, &[31, 32, 33]),
    (40_000, &[23, 24, 25, 26]),
    (50_000, &[34, 35, 40, 52, 53, 54, 55, 56]),
    (56_000, &[27, 28, 29, 30]),
    (
        100_000,
        &[36, 37, 38, 39, 57, 58, 59, 60, 61, 75, 76, 77, 78, 79],
    ),
    (200_000, &[62, 63, 64, 65, 66, 80, 81, 82, 83, 84]),
];

/// `struct ethtool_link_settings` of `linux/ethtool.h` with room for the sets of link modes.
#[repr(C)]
#[derive(Clone)]
struct Raw<const COMMAND: u32> {
    command: u32,
    speed: u32,
    duplex: u8,
    port: u8,
    phy_address: u8,
    negotiates: u8,
    mdio_and_crossover: [u8; 3],
    words: i8,
    transceiver_and_roles: [u8; 4],
    reserved: [u32; 7],
    masks: [u32; 3 * MOST_WORDS],
}

const GET: u32 = 0x4c;
const SET: u32 = 0x4d;

const _: () = assert!(size_of::<Raw<GET>>() == 48 + 4 * 3 * MOST_WORDS);

// SAFETY: the structure is that of ETHTOOL_GLINKSETTINGS and ETHTOOL_SLINKSETTINGS, whose sets take at most
// 127 words each because `words` has eight bits with a sign; the first field is the command.
unsafe impl<const NUMBER: u32> EthtoolCommand for Raw<NUMBER> {
    const COMMAND: u32 = NUMBER;
}

/// What an interface is capable of and what it offers.
pub(super) struct LinkSettings {
    raw: Raw<GET>,
    words: usize,
}

impl LinkSettings {
    /// Asks the driver of `interface`.
    pub(super) fn read(interface: &Interface) -> io::Result<Self> {
        let mut raw = Raw::<GET> {
            command: GET,
            speed: 0,
            duplex: 0,
            port: 0,
            phy_address: 0,
            negotiates: 0,
            mdio_and_crossover: [0; 3],
            words: 0,
            transceiver_and_roles: [0; 4],
            reserved: [0; 7],
            masks: [0; 3 * MOST_WORDS],
        };
        // The kernel answers a wrong number of words with the right one, negated.
        let asked = interface.ethtool(raw.clone())?;
        let words = asked.words.checked_neg().filter(|words| *words > 0);
        raw.words = words.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let raw = interface.ethtool(raw)?;
        let words = usize::try_from(raw.words).unwrap_or(0);
        Ok(Self { raw, words })
    }

    fn has(&self, set: usize, mode: u16) -> bool {
        let (word, bit) = (usize::from(mode / 32), mode % 32);
        word < self.words && self.raw.masks[set * self.words + word] & 1 << bit != 0
    }

    /// The speeds of the modes in a set.
    fn speeds(&self, set: usize) -> BTreeSet<u32> {
        let has = |modes: &[u16]| modes.iter().any(|mode| self.has(set, *mode));
        let speeds = MODES.iter().filter(|(_, modes)| has(modes));
        speeds.map(|(speed, _)| *speed).collect()
    }

    fn supported(&self) -> BTreeSet<u32> {
        self.speeds(0)
    }

    fn advertised(&self) -> BTreeSet<u32> {
        self.speeds(1)
    }

    /// The speed that is set; `None` if the driver does not say.
    pub(super) fn speed_setting(&self) -> Option<SpeedSetting> {
        let advertised = self.advertised();
        if self.raw.negotiates != 0 {
            return Some(match advertised.first() {
                Some(only) if advertised.len() == 1 && advertised != self.supported() => {
                    SpeedSetting::Fixed(*only)
                }
                _ => SpeedSetting::Auto,
            });
        }
        let supported = self.supported();
        match self.raw.speed {
            0 | UNKNOWN => supported
                .first()
                .filter(|_| supported.len() == 1)
                .map(|only| SpeedSetting::Fixed(*only)),
            speed => Some(SpeedSetting::Fixed(speed)),
        }
    }

    /// Whether a link that comes up has the speed.
    pub(super) fn is_set_to(&self, wanted: SpeedSetting) -> bool {
        match wanted {
            SpeedSetting::Auto => {
                self.raw.negotiates == 0 && !self.has(0, AUTONEG)
                    || self.speed_setting() == Some(wanted)
            }
            SpeedSetting::Fixed(speed) => {
                let only = BTreeSet::from([speed]);
                self.speed_setting() == Some(wanted)
                    || self.raw.negotiates != 0 && self.advertised() == only
            }
        }
    }

    /// Sets the speed of `interface`, whose settings these are.
    pub(super) fn change_speed(mut self, interface: &Interface, to: SpeedSetting) -> Result<()> {
        let name = &interface.name;
        let tried = || match to {
            SpeedSetting::Auto => format!("let {name} negotiate its speed"),
            SpeedSetting::Fixed(speed) => format!("set the speed of {name} to {speed} Mb/s"),
        };
        let supported = self.supported();
        if let SpeedSetting::Fixed(speed) = to
            && !supported.is_empty()
            && !supported.contains(&speed)
        {
            let speeds: Vec<String> = supported.iter().map(u32::to_string).collect();
            let why = format!("its NIC is capable of {} Mb/s", speeds.join(", "));
            return Err(Error::new(Kind::Io, tried(), why)
                .advise("set the key speed to one of them, or to \"auto\""));
        }
        let mut done = Err(io::Error::from_raw_os_error(libc::EINVAL));
        if self.has(0, AUTONEG) {
            self.offer(to, true);
            done = self.write(interface);
        }
        // Some NICs negotiate nothing, or not every speed.
        let refused = |e: &io::Error| {
            [libc::EINVAL, libc::EOPNOTSUPP].contains(&e.raw_os_error().unwrap_or(0))
        };
        if let SpeedSetting::Fixed(speed) = to
            && done.as_ref().is_err_and(refused)
        {
            self.offer(to, false);
            self.raw.speed = speed;
            self.raw.duplex = DUPLEX_FULL;
            done = self.write(interface);
        }
        done.map_err(|e| {
            let error = Error::io(tried(), e);
            match error.kind() {
                Kind::Permission => error.advise("become root"),
                _ => error.advise("the driver refuses it; `ethtool IF` shows what it offers"),
            }
        })
    }

    /// Puts the supported modes of the speed into the set that is offered.
    fn offer(&mut self, speed: SpeedSetting, negotiate: bool) {
        self.raw.negotiates = u8::from(negotiate);
        for (of, modes) in MODES {
            let wanted = match speed {
                SpeedSetting::Auto => true,
                SpeedSetting::Fixed(speed) => speed == *of,
            };
            for mode in *modes {
                let on = wanted && self.has(0, *mode);
                self.set(1, *mode, on);
            }
        }
        if negotiate {
            self.set(1, AUTONEG, true);
        } else {
            // Drivers that cannot negotiate accept nothing but modes in this set.
            let modes = |n: u16| MODES.iter().any(|(_, modes)| modes.contains(&n));
            for other in (0..32 * u16::try_from(self.words).unwrap_or(0)).filter(|n| !modes(*n)) {
                self.set(1, other, false);
            }
        }
    }

    fn set(&mut self, set: usize, mode: u16, on: bool) {
        let (word, bit) = (usize::from(mode / 32), mode % 32);
        if word < self.words {
            let word = &mut self.raw.masks[set * self.words + word];
            *word = *word & !(1 << bit) | u32::from(on) << bit;
        }
    }

    fn write(&self, interface: &Interface) -> io::Result<()> {
        let Raw {
            speed,
            duplex,
            port,
            phy_address,
            negotiates,
            mdio_and_crossover,
            words,
            transceiver_and_roles,
            masks,
            ..
        } = self.raw.clone();
        let raw = Raw::<SET> {
            command: SET,
            speed,
            duplex,
            port,
            phy_address,
            negotiates,
            mdio_and_crossover,
            words,
            transceiver_and_roles,
            reserved: [0; 7],
            masks,
        };
        interface.ethtool(raw).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::network::{in_namespace, ip};

    /// Settings of a NIC with these modes.
    fn nic(supported: &[u16], advertised: &[u16], negotiates: bool) -> LinkSettings {
        let mut settings = LinkSettings {
            raw: Raw {
                command: GET,
                speed: UNKNOWN,
                duplex: 0,
                port: 0,
                phy_address: 0,
                negotiates: negotiates.into(),
                mdio_and_crossover: [0; 3],
                words: 3,
                transceiver_and_roles: [0; 4],
                reserved: [0; 7],
                masks: [0; 3 * MOST_WORDS],
            },
            words: 3,
        };
        for (set, modes) in [(0, supported), (1, advertised)] {
            modes.iter().for_each(|mode| settings.set(set, *mode, true));
        }
        settings
    }

    #[test]
    fn speed_follows_the_offer() {
        let both = [6, 5, 12];
        assert_eq!(
            nic(&both, &both, true).speed_setting(),
            Some(SpeedSetting::Auto)
        );
        let one = nic(&both, &[6, 12], true);
        assert_eq!(one.speed_setting(), Some(SpeedSetting::Fixed(10_000)));
        assert!(one.is_set_to(SpeedSetting::Fixed(10_000)));
        assert!(!one.is_set_to(SpeedSetting::Auto));
        let fibre = nic(&[10, 12], &[10, 12], false);
        assert!(fibre.is_set_to(SpeedSetting::Fixed(10_000)));
        assert!(fibre.is_set_to(SpeedSetting::Auto), "it cannot negotiate");
    }

    #[test]
    fn offer_has_only_modes_of_the_speed() {
        let mut settings = nic(&[6, 10, 5, 12], &[6, 10, 5, 12], true);
        settings.offer(SpeedSetting::Fixed(10_000), true);
        assert_eq!(settings.raw.masks[3], 1 << 6 | 1 << 10 | 1 << 12);
        settings.offer(SpeedSetting::Fixed(1_000), false);
        assert_eq!(settings.raw.masks[3], 1 << 5);
        settings.offer(SpeedSetting::Auto, true);
        assert_eq!(settings.advertised(), BTreeSet::from([1_000, 10_000]));
    }

    #[test]
    fn every_mode_has_one_speed() {
        let mut all: Vec<u16> = MODES.iter().flat_map(|(_, m)| m.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn speed_of_a_tap_changes() {
        in_namespace(|| {
            // A TAP takes any speed, and says which one it was set to.
            ip("tuntap add tap0 mode tap");
            let tap = Interface::to_change("tap0").unwrap();
            for speed in [40_000, 1_000] {
                tap.set_speed(SpeedSetting::Fixed(speed)).unwrap();
                assert!(tap.is_set_to(SpeedSetting::Fixed(speed)));
                assert_eq!(tap.speed_setting(), Some(SpeedSetting::Fixed(speed)));
            }
        });
    }
}
