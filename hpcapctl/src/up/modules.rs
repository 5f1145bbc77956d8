//! The kernel modules that a configuration needs, and their parameters.

use std::collections::BTreeMap;

use hpcap::{Error, Kind, Result};
use hpcap_config::model::{Config, Engine, Interface, Mode};
use hpcap_host::kernel::Module;
use hpcap_host::{PciDevice, Tree};

use crate::change::setting::Setting;
use crate::change::step::Step;

/// The module of an engine, whose name is that of its driver, too.
pub(super) fn driver(engine: Engine) -> &'static str {
    match engine {
        Engine::Ixgbe => "hpcap_ixgbe",
        Engine::Ixgbevf => "hpcap_ixgbevf",
        Engine::Netdev => "hpcap_netdev",
        Engine::Userspace => "hpcap",
    }
}

/// The number that the modules give to a port: its rank on the PCI buses. Virtual functions of a port of the
/// same machine have no rank.
pub(super) fn rank(tree: &Tree, device: &str) -> Option<u32> {
    let ranked = PciDevice::all(tree)
        .into_iter()
        .filter(PciDevice::is_supported)
        .map(|found| found.address.to_string())
        .filter(|address| !tree.has(format!("/sys/bus/pci/devices/{address}/physfn")));
    let place = ranked.enumerate().find(|(_, address)| address == device)?;
    u32::try_from(place.0).ok()
}

/// The parameters of a module for all of its ports in `config`, as `mode=...` and `queues=...`.
fn parameters(config: &Config, engine: Engine) -> Vec<String> {
    let mut ports: BTreeMap<u16, &Interface> = BTreeMap::new();
    for (position, interface) in config.interfaces.iter().enumerate() {
        if interface.engine == engine {
            ports.insert(config.number_of(position), interface);
        }
    }
    let Some((last, _)) = ports.last_key_value() else {
        return Vec::new();
    };
    let list = |of: &dyn Fn(Option<&&Interface>) -> String| {
        let all: Vec<String> = (0..=*last).map(|number| of(ports.get(&number))).collect();
        all.join(",")
    };
    let modes = list(&|port| mode(port.copied()).to_owned());
    let queues = list(&|port| port.map_or(1, |i| i.queues).to_string());
    vec![format!("mode={modes}"), format!("queues={queues}")]
}

fn mode(interface: Option<&Interface>) -> &'static str {
    match interface {
        Some(interface) if interface.mode == Mode::Capture => "hpcap",
        _ => "standard",
    }
}

/// The steps that load the modules of `config`.
pub(super) fn steps(config: &Config) -> Vec<Step> {
    let mut steps = Vec::new();
    for engine in [Engine::Ixgbe, Engine::Ixgbevf, Engine::Netdev] {
        if config.interfaces.iter().any(|i| i.engine == engine) {
            let parameters = match engine {
                Engine::Netdev => Vec::new(),
                _ => parameters(config, engine),
            };
            steps.push(Step::Setting(Setting::Module {
                name: driver(engine).to_owned(),
                parameters,
                loaded: true,
            }));
        }
    }
    steps
}

/// Checks that a module which is loaded already has the parameters that `interface` needs: they are read when
/// a port is probed, and cannot be changed.
///
/// # Errors
/// [`Kind::Busy`] with the parameter.
pub(super) fn check_parameters(tree: &Tree, interface: &Interface, number: u16) -> Result<()> {
    let module = driver(interface.engine);
    if Module::loaded(tree, module).is_none() {
        return Ok(());
    }
    let value = |parameter: &str| {
        let all = tree.text(format!("/sys/module/{module}/parameters/{parameter}"))?;
        all.split(',').nth(number.into()).map(str::to_owned)
    };
    let tried = || format!("bring up interface {}", interface.label());
    let captures = interface.mode == Mode::Capture;
    let wanted = [
        ("mode", mode(Some(interface)).to_owned(), "standard"),
        ("queues", interface.queues.to_string(), "1"),
    ];
    for (parameter, wanted, default) in wanted {
        if parameter == "queues" && !captures {
            continue;
        }
        let found = value(parameter).unwrap_or_else(|| default.to_owned());
        if found != wanted {
            let why = format!(
                "{module} is loaded with {parameter}={found} for this port, and the configuration asks for {wanted}"
            );
            return Err(Error::new(Kind::Busy, tried(), why).advise(
                "`hpcapctl restart` unloads the module and loads it with the new parameters; all of its ports stop",
            ));
        }
    }
    Ok(())
}

/// Checks that the modules which are loaded have the version of this program.
///
/// # Errors
/// [`Kind::Version`] with both versions.
pub(crate) fn check_versions(tree: &Tree) -> Result<()> {
    let Some(core) = Module::loaded(tree, "hpcap") else {
        return Ok(());
    };
    for name in ["hpcap_ixgbe", "hpcap_ixgbevf", "hpcap_netdev"] {
        let Some(module) = Module::loaded(tree, name) else {
            continue;
        };
        if module.version != core.version {
            let text =
                |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".into());
            let why = format!(
                "{name} has version {}, and hpcap has version {}",
                text(&module.version),
                text(&core.version)
            );
            return Err(Error::new(Kind::Version, "use the kernel modules", why)
                .advise("unload both, and load them again: hpcapctl restart"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_a_place_for_each_port() {
        let port = |number, mode, queues| Interface {
            number: Some(number),
            engine: Engine::Ixgbe,
            mode,
            queues,
            ..Interface::default()
        };
        let config = Config {
            interfaces: vec![
                port(3, Mode::Capture, 4),
                port(0, Mode::Standard, 1),
                port(1, Mode::Capture, 2),
            ],
            ..Config::default()
        };
        assert_eq!(
            parameters(&config, Engine::Ixgbe),
            ["mode=standard,hpcap,standard,hpcap", "queues=1,2,1,4"]
        );
        assert!(parameters(&config, Engine::Netdev).is_empty());
    }
}
