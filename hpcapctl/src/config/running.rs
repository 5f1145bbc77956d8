//! What differs between a configuration and the running system.

use hpcap::dedup::DedupSettings;
use hpcap::{Queue, QueueName};
use hpcap_config::Machine;
use hpcap_config::diff::Difference;
use hpcap_config::keys::{DEDUP, INTERFACE, below, find};
use hpcap_config::model::{Config, Interface};
use hpcap_host::Tree;
use hpcap_host::pages::Pages;

use crate::settings::Folder;

/// Settings that were read from the running system: only those under `keys` are known.
struct Observed {
    section: String,
    values: Interface,
    keys: Vec<&'static str>,
}

/// Compares `config` with the queues and interfaces of this machine.
pub(super) fn differences(config: &Config, machine: &Machine) -> Vec<Difference> {
    let mut found = Vec::new();
    for (i, interface) in config.interfaces.iter().enumerate() {
        let label = format!("interface {}", interface.label());
        if let Some(observed) = observe_link(interface, &label, machine) {
            compare(interface, &observed, &mut found);
        }
        for queue in config.queues_of(i) {
            match observe_queue(queue, interface, &label) {
                Some(observed) => compare(interface, &observed, &mut found),
                None => found.push(Difference {
                    section: format!("{label}, queue {queue}"),
                    key: "",
                    first: Some("present".into()),
                    second: None,
                }),
            }
        }
    }
    found
}

fn compare(wanted: &Interface, observed: &Observed, found: &mut Vec<Difference>) {
    for key in observed
        .keys
        .iter()
        .filter_map(|name| find(INTERFACE, name))
    {
        let (first, second) = (key.literal(wanted), key.literal(&observed.values));
        if first != second {
            found.push(Difference {
                section: observed.section.clone(),
                key: key.name,
                first,
                second,
            });
        }
    }
}

/// Reads MTU, speed and promiscuous mode of the interface, if it exists. Settings that the configuration does not name
/// are not compared.
fn observe_link(wanted: &Interface, label: &str, machine: &Machine) -> Option<Observed> {
    let name = machine.port_of(wanted)?.name.clone()?;
    let tree = Tree::machine();
    let folder = format!("/sys/class/net/{name}");
    let mut values = wanted.clone();
    let mut keys = Vec::new();
    let mtu = tree.value(format!("{folder}/mtu"));
    if wanted.mtu.is_some() && mtu.is_some() {
        values.mtu = mtu;
        keys.push("mtu");
    }
    // An interface without a link has the speed -1.
    let speed: Option<u32> = tree.value(format!("{folder}/speed"));
    if wanted.speed.is_some() && speed.is_some() {
        values.speed = speed;
        keys.push("speed");
    }
    let flags = tree.text(format!("{folder}/flags")).unwrap_or_default();
    let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16);
    // hpcapd makes an interface promiscuous without setting this flag, which tells the mode of a module alone.
    if let Ok(flags) = flags
        && wanted.engine.is_kernel()
    {
        const IFF_PROMISC: u32 = 0x100;
        values.promiscuous = flags & IFF_PROMISC != 0;
        keys.push("promiscuous");
    }
    Some(Observed {
        section: label.to_owned(),
        values,
        keys,
    })
}

fn observe_queue(name: QueueName, wanted: &Interface, label: &str) -> Option<Observed> {
    let section = format!("{label}, queue {name}");
    if let Ok((mut values, known)) = Folder::of(name).and_then(|folder| folder.settings()) {
        let mut keys: Vec<&'static str> = known.iter().map(|hot| hot.key).collect();
        // `cpu` is that of this queue; the configuration lists those of all queues.
        let place = usize::try_from(name.queue).unwrap_or(usize::MAX);
        let any = wanted.cpus.is_empty();
        let here = any || values.cpus.first() == wanted.cpus.get(place);
        if keys.contains(&"cpu") && !here {
            keys.push("cpus");
        }
        if !wanted.dedup.enabled && !values.dedup.enabled {
            keys.retain(|key| !below(INTERFACE, DEDUP).any(|dedup| dedup.name == *key));
        }
        values.pages = wanted.pages;
        return Some(Observed {
            section,
            values,
            keys,
        });
    }
    let queue = Queue::open(name).ok()?;
    let info = queue.info();
    let mut values = wanted.clone();
    let mut keys = vec!["ring", "caplen", "filter", "plain", "look_back"];
    values.ring_bytes = info.ring_bytes;
    values.caplen = queue.page().caplen();
    values.filter.clone_from(&info.filter);
    values.plain = info.plain;
    values.look_back = info.look_back;
    if wanted.pages != Pages::Auto {
        values.pages = match info.page_bytes {
            bytes if bytes == 1 << 30 => Pages::Huge1G,
            bytes if bytes == 2 << 20 => Pages::Huge2M,
            _ => Pages::Ordinary,
        };
        keys.push("pages");
    }
    if let Some(text) = queue.dedup() {
        let settings = text.parse::<DedupSettings>();
        values.dedup.enabled = settings.is_ok();
        values.dedup.settings = settings.unwrap_or(wanted.dedup.settings);
        match wanted.dedup.enabled && values.dedup.enabled {
            true => keys.extend(below(INTERFACE, DEDUP).map(|key| key.name)),
            false => keys.push("dedup.enabled"),
        }
    }
    Some(Observed {
        section,
        values,
        keys,
    })
}
