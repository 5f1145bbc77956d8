//! The description of a setting in words.

use std::fmt;

use hpcap::units::Bytes;

use super::Setting;

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, text } => {
                write!(f, "write {:?} to {path}", text.lines().next().unwrap_or(""))
            }
            Self::Up { interface, up } => {
                write!(f, "set {interface} {}", if *up { "up" } else { "down" })
            }
            Self::Mtu { interface, mtu } => write!(f, "set the MTU of {interface} to {mtu}"),
            Self::Promiscuous { interface, on } => {
                write!(f, "set promiscuous mode of {interface} {}", on_off(*on))
            }
            Self::Address {
                interface,
                address,
                present: true,
            } => write!(f, "add the address {address} to {interface}"),
            Self::Address {
                interface, address, ..
            } => write!(f, "remove the address {address} from {interface}"),
            Self::Feature {
                interface,
                feature,
                on,
            } => write!(f, "set {feature} of {interface} {}", on_off(*on)),
            Self::Pause {
                interface,
                obeys,
                sends,
                ..
            } => write!(
                f,
                "set pause frames of {interface}: rx {}, tx {}",
                on_off(*obeys),
                on_off(*sends)
            ),
            Self::Speed {
                interface,
                megabits: Some(megabits),
            } => write!(f, "set the speed of {interface} to {megabits} Mb/s"),
            Self::Speed { interface, .. } => write!(f, "let {interface} negotiate its speed"),
            Self::ReceiveQueues { interface, count } => {
                write!(f, "set the receive queues of {interface} to {count}")
            }
            Self::Module {
                name,
                parameters,
                loaded: true,
            } => {
                let words: Vec<&str> = [name.as_str()]
                    .into_iter()
                    .chain(parameters.iter().map(String::as_str))
                    .collect();
                write!(f, "load the module {}", words.join(" "))
            }
            Self::Module { name, .. } => write!(f, "unload the module {name}"),
            Self::Driver {
                device,
                driver: Some(driver),
            } => write!(f, "bind {device} to the driver {driver}"),
            Self::Driver { device, .. } => write!(f, "unbind {device} from its driver"),
            Self::Name { device, name } => write!(f, "name the interface of {device} {name}"),
            Self::Tap {
                interface,
                number,
                attached: true,
            } => write!(f, "capture {interface} as hpcap{number} with hpcap_netdev"),
            Self::Tap { interface, .. } => {
                write!(f, "stop capturing {interface} with hpcap_netdev")
            }
            Self::Ring {
                queue,
                bytes,
                page_bytes,
            } => {
                write!(f, "give {queue} a ring of {}", Bytes(*bytes))?;
                match page_bytes {
                    Some(pages) => write!(f, " in pages of {}", Bytes(*pages)),
                    None => Ok(()),
                }
            }
        }
    }
}
