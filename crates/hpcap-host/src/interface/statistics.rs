//! The statistics and the features that the driver of an interface names itself.

use std::io;

use serde::Serialize;

use super::Interface;
use super::ethtool_command::EthtoolCommand;

/// Limit of the statistics or features that are read from an interface.
const MOST: usize = 8192;
/// Room for names that appear after the kernel was asked for their number: it does not check how much room there is.
const SLACK: usize = 1024;
/// `ETH_GSTRING_LEN`.
const NAME_BYTES: usize = 32;
/// `ETH_SS_STATS`.
const STATISTICS: u32 = 1;
/// `ETH_SS_FEATURES`.
const FEATURES: u32 = 4;
const GET_STRINGS: u32 = 0x1b;
const GET_STATISTICS: u32 = 0x1d;
const GET_FEATURES: u32 = 0x3a;

/// A counter of the driver, under the driver's name, such as `rx_missed_errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statistic {
    /// Its name.
    pub name: String,
    /// Its value since the driver was loaded.
    pub value: u64,
}

/// A feature of an interface, as `ethtool -k` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeatureState {
    /// Its name, such as `rx-gro`.
    pub name: String,
    /// Whether it is on.
    pub on: bool,
    /// Whether it can be changed.
    pub can_change: bool,
}

/// `struct ethtool_sset_info` of `linux/ethtool.h`, for one set of names.
#[repr(C)]
struct SetInfo {
    command: u32,
    reserved: u32,
    mask: u64,
    count: u32,
    padding: u32,
}

// SAFETY: the structure is that of ETHTOOL_GSSET_INFO with room for the one set that the mask names.
unsafe impl EthtoolCommand for SetInfo {
    const COMMAND: u32 = 0x37;
}

impl Interface {
    /// Returns the counters of the interface's driver, with the driver's names; empty if it has none.
    #[must_use]
    pub fn statistics(&self) -> Vec<Statistic> {
        let values = || -> io::Result<Vec<Statistic>> {
            let count = self.count_names(STATISTICS)?;
            let names = self.names(STATISTICS, count)?;
            // `struct ethtool_stats`: the command, the number of values, the values.
            let mut words = vec![0_u64; 1 + count + SLACK];
            words[0] = u64::from(GET_STATISTICS) | (length(count) << 32);
            // SAFETY: the structure is that of ETHTOOL_GSTATS with room for more values than the driver has.
            unsafe { self.ioctl_words(&mut words) }?;
            let values = names.into_iter().zip(&words[1..]);
            Ok(values
                .map(|(name, value)| Statistic {
                    name,
                    value: *value,
                })
                .collect())
        };
        values().unwrap_or_default()
    }

    /// Returns the features of the interface; empty if the kernel does not report them.
    #[must_use]
    pub fn features(&self) -> Vec<FeatureState> {
        let states = || -> io::Result<Vec<FeatureState>> {
            let count = self.count_names(FEATURES)?;
            let names = self.names(FEATURES, count)?;
            // `struct ethtool_gfeatures`: the command, the number of blocks, and for each 32 features the words
            // "available", "requested", "active" and "never changed".
            let blocks = count.div_ceil(32);
            let mut words = vec![0_u64; 1 + 2 * blocks + SLACK];
            words[0] = u64::from(GET_FEATURES) | (length(blocks) << 32);
            // SAFETY: the structure is that of ETHTOOL_GFEATURES, and the kernel writes as many blocks as it says.
            unsafe { self.ioctl_words(&mut words) }?;
            let bit = |words: u64, at: usize| words >> at & 1 != 0;
            Ok(names
                .into_iter()
                .enumerate()
                .filter(|(_, name)| !name.is_empty())
                .map(|(at, name)| {
                    let block = 1 + 2 * (at / 32);
                    FeatureState {
                        name,
                        on: bit(words[block + 1], at % 32),
                        can_change: bit(words[block], at % 32),
                    }
                })
                .collect())
        };
        states().unwrap_or_default()
    }

    fn count_names(&self, set: u32) -> io::Result<usize> {
        let info = self.ethtool(SetInfo {
            command: SetInfo::COMMAND,
            reserved: 0,
            mask: 1 << set,
            count: 0,
            padding: 0,
        })?;
        match info.mask {
            0 => Ok(0),
            _ => Ok((info.count as usize).min(MOST)),
        }
    }

    /// Returns the names in `set`.
    fn names(&self, set: u32, count: usize) -> io::Result<Vec<String>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        // `struct ethtool_gstrings`: the command, the set, the number of names, and the names.
        let mut words = vec![0_u64; 2 + (count + SLACK) * NAME_BYTES / 8];
        words[0] = u64::from(GET_STRINGS) | (u64::from(set) << 32);
        words[1] = length(count);
        // SAFETY: the structure is that of ETHTOOL_GSTRINGS with room for more names than the driver has.
        unsafe { self.ioctl_words(&mut words) }?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        Ok(bytes[12..]
            .chunks_exact(NAME_BYTES)
            .take(count)
            .map(|name| {
                let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
                String::from_utf8_lossy(text).into_owned()
            })
            .collect())
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_features() {
        let Some(lo) = Interface::by_name("lo").unwrap() else {
            println!("skipped: there is no loopback interface here");
            return;
        };
        let features = lo.features();
        if features.is_empty() {
            println!("skipped: this kernel does not report features");
            return;
        }
        let loopback = features.iter().find(|f| f.name == "loopback").unwrap();
        assert!(loopback.on && !loopback.can_change, "{features:?}");
    }

    #[test]
    fn unknown_interface_has_no_statistics() {
        let mut none = Interface::any();
        none.name = "no-such-if".into();
        assert!(none.statistics().is_empty() && none.features().is_empty());
    }
}
