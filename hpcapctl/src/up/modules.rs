//! The kernel modules that a configuration needs, and their parameters.

use hpcap::{Error, Kind, Result};
use hpcap_config::model::{Config, Engine, Interface, Mode};
use hpcap_host::Tree;
use hpcap_host::kernel::Module;

use crate::change::setting::Setting;
use crate::change::step::Step;
use crate::port::parameters::{PortMode, parameters};

/// The module of an engine, whose name is that of its driver, too.
pub(super) fn driver(engine: Engine) -> &'static str {
    match engine {
        Engine::Ixgbe => "hpcap_ixgbe",
        Engine::Ixgbevf => "hpcap_ixgbevf",
        Engine::Igb => "hpcap_igb",
        Engine::Netdev => "hpcap_netdev",
        Engine::Userspace | Engine::AfXdp => "hpcap",
    }
}

/// What the driver does with the ports of `engine`.
fn modes(config: &Config, engine: Engine) -> Vec<PortMode> {
    let interfaces = config.interfaces.iter().enumerate();
    interfaces
        .filter(|(_, interface)| interface.engine == engine)
        .map(|(position, interface)| mode(interface, config.number_of(position)))
        .collect()
}

fn mode(interface: &Interface, number: u16) -> PortMode {
    PortMode {
        number,
        captures: interface.mode == Mode::Capture,
        queues: interface.queues,
    }
}

/// The steps that load the modules of `config`.
pub(super) fn steps(config: &Config) -> Vec<Step> {
    let mut steps = Vec::new();
    for engine in [Engine::Ixgbe, Engine::Ixgbevf, Engine::Igb, Engine::Netdev] {
        if config.interfaces.iter().any(|i| i.engine == engine) {
            let parameters = match engine {
                Engine::Netdev => Vec::new(),
                _ => parameters(&modes(config, engine)),
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
        // A list that was not given is an empty text.
        let word = all.split(',').nth(number.into())?.trim();
        (!word.is_empty()).then(|| word.to_owned())
    };
    let tried = || format!("bring up interface {}", interface.label());
    let captures = interface.mode == Mode::Capture;
    let wanted = [
        (
            "mode",
            mode(interface, number).word().to_owned(),
            "standard",
        ),
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
    for name in ["hpcap_ixgbe", "hpcap_ixgbevf", "hpcap_igb", "hpcap_netdev"] {
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
