//! Waiting for the link of an interface, and the reason why it does not come.

use std::thread;
use std::time::{Duration, Instant};

use hpcap_host::interface::SpeedSetting;
use hpcap_host::{Interface, Tree};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until the interface called `name` has a link. Returns the reason if it has none after `most`.
pub(super) fn wait_for_link(tree: &Tree, name: &str, most: Duration) -> Result<(), String> {
    let end = Instant::now() + most;
    loop {
        let found = Interface::by_name(name).ok().flatten();
        if found.as_ref().is_some_and(Interface::is_running) {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(reason(found.as_ref(), name, tree));
        }
        thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
    }
}

/// Says why an interface has no link.
fn reason(interface: Option<&Interface>, name: &str, tree: &Tree) -> String {
    let Some(interface) = interface else {
        return format!(
            "there is no interface {name} any more: its driver has released it, or somebody has renamed it \
             (`ip link` lists the interfaces)"
        );
    };
    if !interface.is_up() {
        return format!(
            "{name} is down: another program has set it down since (`ip link set {name} up`)"
        );
    }
    let operstate = tree.text(format!("/sys/class/net/{name}/operstate"));
    if interface.has_carrier() {
        return match operstate.as_deref() {
            Some("dormant") => format!(
                "{name} has a carrier and waits for an authentication (802.1X) or for its bond"
            ),
            _ => format!("{name} has a carrier, and its driver does not call it running yet"),
        };
    }
    let mut text = format!(
        "{name} has no carrier: look at the cable, at the optical module, and whether the other end is up"
    );
    match interface.speed_setting() {
        Some(SpeedSetting::Fixed(speed)) if interface.is_hardware() => {
            text += &format!(
                "; the speed is fixed at {speed} Mb/s, which the other end must have, too"
            );
        }
        _ => {}
    }
    if interface
        .driver()
        .is_some_and(|d| d.name.ends_with("ixgbe"))
    {
        text += "; ixgbe refuses optical modules that it does not know: `journalctl -k` says so, and \
                 allow_unsupported_sfp=1 of the module allows them";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::network::{create_veth_pair, in_namespace, ip};

    const NONE: Duration = Duration::ZERO;

    fn why(name: &str) -> String {
        wait_for_link(&Tree::machine(), name, NONE).unwrap_err()
    }

    #[test]
    fn missing_link_has_a_reason() {
        in_namespace(|| {
            create_veth_pair("a0", "b0", 1500);
            wait_for_link(&Tree::machine(), "a0", Duration::from_secs(30)).unwrap();
            ip("link set b0 down");
            assert!(why("a0").contains("a0 has no carrier"), "{}", why("a0"));
            ip("link set a0 down");
            assert!(why("a0").contains("a0 is down"), "{}", why("a0"));
            ip("link del a0");
            assert!(why("a0").contains("no interface a0"), "{}", why("a0"));
        });
    }
}
