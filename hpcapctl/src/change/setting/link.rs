//! Settings that the kernel's network stack or the driver of an interface has.

use std::net::IpAddr;

use hpcap::{Error, Result};
use hpcap_host::Interface;
use hpcap_host::interface::{Feature, Pause, SpeedSetting};

use super::Setting;

/// Splits `192.0.2.1/24`.
fn parse_address(text: &str) -> Result<(IpAddr, u8)> {
    let parts = text
        .split_once('/')
        .and_then(|(ip, prefix)| Some((ip.parse().ok()?, prefix.parse().ok()?)));
    parts.ok_or_else(|| {
        Error::usage(
            format!("address {text:?}"),
            "expected an address and a prefix",
        )
    })
}

fn parse_feature(name: &str) -> Result<Feature> {
    Feature::by_name(name)
        .ok_or_else(|| Error::usage(format!("feature {name:?}"), "there is no such feature"))
}

fn speed(megabits: Option<u32>) -> SpeedSetting {
    megabits.map_or(SpeedSetting::Auto, SpeedSetting::Fixed)
}

/// Whether the interface has the speed of a [`Setting::Speed`].
pub(super) fn has_speed(setting: &Setting) -> bool {
    match setting {
        Setting::Speed {
            interface,
            megabits,
        } => Interface::to_change(interface).is_ok_and(|i| i.is_set_to(speed(*megabits))),
        _ => false,
    }
}

/// Returns the present setting; `None` if the driver does not say.
pub(super) fn in_force(setting: &Setting) -> Result<Option<Setting>> {
    let mut now = setting.clone();
    match &mut now {
        Setting::Up { interface, up } => *up = Interface::to_change(interface)?.is_up(),
        Setting::Mtu { interface, mtu } => *mtu = Interface::to_change(interface)?.mtu,
        Setting::Promiscuous { interface, on } => {
            *on = Interface::to_change(interface)?.is_promiscuous();
        }
        Setting::Address {
            interface,
            address,
            present,
        } => {
            let (ip, prefix) = parse_address(address)?;
            let all = Interface::to_change(interface)?.addresses()?;
            *present = all.iter().any(|a| (a.ip, a.prefix) == (ip, prefix));
        }
        Setting::Feature {
            interface,
            feature,
            on,
        } => *on = Interface::to_change(interface)?.has_feature(parse_feature(feature)?),
        Setting::Pause {
            interface,
            negotiates,
            obeys,
            sends,
        } => match Interface::to_change(interface)?.pause() {
            Some(pause) => {
                (*negotiates, *obeys, *sends) = (pause.negotiates, pause.obeys, pause.sends);
            }
            // A driver without pause frames neither sends nor obeys any.
            None => (*negotiates, *obeys, *sends) = (false, false, false),
        },
        Setting::Speed {
            interface,
            megabits,
        } => match Interface::to_change(interface)?.speed_setting() {
            Some(SpeedSetting::Auto) => *megabits = None,
            Some(SpeedSetting::Fixed(found)) => *megabits = Some(found),
            // A driver that does not say has nothing to negotiate.
            None if megabits.is_none() => {}
            None => return Ok(None),
        },
        Setting::ReceiveQueues { interface, count } => {
            match Interface::to_change(interface)?.channels() {
                Some(channels) => *count = channels.receive,
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(now))
}

/// Makes the setting.
pub(super) fn apply(setting: &Setting) -> Result<()> {
    match setting {
        Setting::Up { interface, up } => Interface::to_change(interface)?.set_up(*up),
        Setting::Mtu { interface, mtu } => Interface::to_change(interface)?.set_mtu(*mtu),
        Setting::Promiscuous { interface, on } => {
            Interface::to_change(interface)?.set_promiscuous(*on)
        }
        Setting::Address {
            interface,
            address,
            present,
        } => {
            let (ip, prefix) = parse_address(address)?;
            let interface = Interface::to_change(interface)?;
            match present {
                true => interface.add_address(ip, prefix),
                false => interface.remove_address(ip, prefix),
            }
        }
        Setting::Feature {
            interface,
            feature,
            on,
        } => Interface::to_change(interface)?.set_feature(parse_feature(feature)?, *on),
        Setting::Pause {
            interface,
            negotiates,
            obeys,
            sends,
        } => Interface::to_change(interface)?.set_pause(Pause {
            negotiates: *negotiates,
            obeys: *obeys,
            sends: *sends,
        }),
        Setting::Speed {
            interface,
            megabits,
        } => Interface::to_change(interface)?.set_speed(speed(*megabits)),
        Setting::ReceiveQueues { interface, count } => {
            Interface::to_change(interface)?.set_channels(*count)
        }
        _ => Ok(()),
    }
}
