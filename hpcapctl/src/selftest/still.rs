//! Tests without traffic: the configuration, the modules, the queues and the programs that are there.

use std::path::Path;

use hpcap::report::Survey;
use hpcap_config::{Document, Level, Machine, Problems, check, read_text};
use hpcap_host::Tree;
use hpcap_host::kernel::Module;

use super::Outcome;
use super::run::Lab;

/// Whether the configuration is usable on this machine.
pub(super) fn check_configuration(path: &Path) -> Outcome {
    const TEST: &str = "configuration";
    if !path.exists() {
        return Outcome::skipped(
            TEST,
            format!(
                "there is no {} (hpcapctl config new makes it)",
                path.display()
            ),
        );
    }
    let name = path.display().to_string();
    let problems = match read_text(path) {
        Err(e) => return Outcome::fail(TEST, e.to_string(), "make a new one: hpcapctl config new"),
        Ok(text) => match Document::parse(&name, &text) {
            Err(Problems(problems)) => problems,
            Ok(document) => check::check(&document, Some(&Machine::read())),
        },
    };
    let errors = problems.iter().filter(|p| p.level == Level::Error);
    let texts: Vec<String> = errors.map(ToString::to_string).collect();
    match texts.is_empty() {
        true => Outcome::pass(TEST, format!("{name} fits this machine")),
        false => Outcome::fail(
            TEST,
            texts.join("\n"),
            format!("hpcapctl config check {name}"),
        ),
    }
}

/// Whether the modules that are loaded belong together.
pub(super) fn check_modules() -> Outcome {
    const TEST: &str = "modules";
    let tree = Tree::machine();
    let loaded = Module::of_hpcap(&tree);
    let Some(first) = loaded.first() else {
        return Outcome::skipped(TEST, "no kernel module of hpcap is loaded");
    };
    let text: Vec<String> = loaded
        .iter()
        .map(|module| {
            let version = module.version.as_deref().unwrap_or("without a version");
            format!("{} {version}", module.name)
        })
        .collect();
    let text = text.join(", ");
    match loaded.iter().all(|module| module.version == first.version) {
        true => Outcome::pass(TEST, text),
        false => Outcome::fail(
            TEST,
            text,
            "unload all of them, and load them again: hpcapctl restart",
        ),
    }
}

/// Whether every queue of the machine can be opened, and runs.
pub(super) fn check_queues() -> Outcome {
    const TEST: &str = "queues";
    let survey = Survey::take(None);
    if let Some(e) = survey.unseen.first() {
        return Outcome::fail(TEST, e.to_string(), "hpcapctl status");
    }
    let names: Vec<String> = survey
        .queues
        .iter()
        .map(|q| q.info().name.to_string())
        .collect();
    let stopped: Vec<String> = survey
        .queues
        .iter()
        .filter(|queue| !queue.is_running())
        .map(|queue| queue.info().name.to_string())
        .collect();
    match (names.is_empty(), stopped.is_empty()) {
        (true, _) => Outcome::skipped(TEST, "no queue is served on this machine"),
        (false, true) => Outcome::pass(TEST, format!("{} can be read", names.join(", "))),
        (false, false) => Outcome::fail(
            TEST,
            format!("the producer of {} has stopped", stopped.join(", ")),
            "start it again: hpcapctl restart, or systemctl restart of its service",
        ),
    }
}

/// Whether the programs are there, all in the version of this one.
pub(super) fn check_programs(lab: &Lab) -> Outcome {
    const TEST: &str = "programs";
    for name in super::run::PROGRAMS {
        let version = match lab.version(name) {
            Ok(version) => version,
            Err(e) => {
                return Outcome::fail(
                    TEST,
                    e.to_string(),
                    "install the package hpcap, or give --programs DIR",
                );
            }
        };
        if version != hpcap_cli::VERSION {
            return Outcome::fail(
                TEST,
                format!(
                    "{name} is {version}, and hpcapctl is {}",
                    hpcap_cli::VERSION
                ),
                "install all programs from one package, and restart the services",
            );
        }
    }
    let names = super::run::PROGRAMS.join(", ");
    Outcome::pass(TEST, format!("{names}: {}", hpcap_cli::VERSION))
}
