//! Whether the values of a configuration agree with each other, whatever the machine.
//!
//! ```
//! use hpcap_config::check::consistency;
//! use hpcap_config::{Config, Document};
//!
//! assert!(consistency::check(&Config::default()).is_empty());
//!
//! let twice = "[[interface]]\nname = \"eth0\"\n[[interface]]\nname = \"eth0\"\n";
//! // Reading a configuration includes this check.
//! let problems = Document::parse("example.toml", twice).unwrap_err();
//! assert!(problems.to_string().contains("eth0"));
//! ```

use std::collections::HashMap;
use std::hash::Hash;

use hpcap::compress::{Compression, FileFormat};
use hpcap::raw::name::split_ending;
use hpcap_host::pages::Pages;

use crate::document::{Finding, Section};
use crate::keys::{DEDUP, INTERFACE, Key, below, check_options, find};
use crate::model::{Config, Engine, Interface, Mode, Recorder};

/// Keys, and tables of keys, that mean something only while hpcap captures.
const OF_CAPTURES: [&str; 14] = [
    "options",
    "queues",
    "ring",
    "pages",
    "node",
    "cpus",
    "caplen",
    "filter",
    DEDUP,
    "poll",
    "priority",
    "when_full",
    "plain",
    "look_back",
];

/// Finds the values of `config` that contradict others.
#[must_use]
pub fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, interface) in config.interfaces.iter().enumerate() {
        check_interface(Section::Interface(i), interface, &mut findings);
    }
    for (i, recorder) in config.recorders.iter().enumerate() {
        check_recorder(Section::Recorder(i), recorder, config, &mut findings);
    }
    find_twins(config, &mut findings);
    find_shared_cpus(config, &mut findings);
    findings
}

/// Whether `interface` has a value other than the default under `key`.
fn is_set(interface: &Interface, key: &Key<Interface>) -> bool {
    key.literal(interface) != key.default()
}

fn check_interface(section: Section, interface: &Interface, findings: &mut Vec<Finding>) {
    let names = [
        ("name", interface.name.is_some()),
        ("pci", interface.pci.is_some()),
        ("mac", interface.mac.is_some()),
    ];
    let given: Vec<&str> = names.iter().filter(|n| n.1).map(|n| n.0).collect();
    match given[..] {
        [_] => {}
        [] => findings.push(
            Finding::error(section, "name", "the interface is not named")
                .advise("give it one of the keys name, pci and mac"),
        ),
        [first, second, ..] => findings.push(Finding::error(
            section,
            names.iter().find(|n| n.0 == second).map_or("pci", |n| n.0),
            format!(
                "the interface is named twice, by {first} and by {second}; one of them is enough"
            ),
        )),
    }
    if let (Some(number), Some(named)) = (interface.number, interface.number_in_name())
        && number != named
    {
        let why = format!("the name of the interface says {named}");
        findings.push(Finding::error(section, "number", why));
    }
    match interface.mode {
        Mode::Standard => check_standard(section, interface, findings),
        Mode::Capture => check_capture(section, interface, findings),
    }
}

fn check_standard(section: Section, interface: &Interface, findings: &mut Vec<Finding>) {
    let of_captures = OF_CAPTURES.iter().flat_map(|name| below(INTERFACE, name));
    for key in of_captures {
        if is_set(interface, key) {
            let why = "a standard interface has no queues, so this has no effect";
            findings.push(
                Finding::error(section, key.name, why)
                    .advise("remove the line, or set mode = \"capture\""),
            );
        }
    }
}

fn check_capture(section: Section, interface: &Interface, findings: &mut Vec<Finding>) {
    let mut error = |key, why: String| findings.push(Finding::error(section, key, why));
    let page = match interface.pages {
        Pages::Huge1G => 1 << 30,
        Pages::Huge2M => 2 << 20,
        Pages::Auto | Pages::Ordinary => 4 << 10,
    };
    if !interface.ring_bytes.is_multiple_of(page) {
        let why = match page {
            4096 => "the size is not a multiple of 4K".to_owned(),
            _ => format!(
                "the size is not a multiple of the pages, {}",
                find(INTERFACE, "pages")
                    .and_then(|k| k.literal(interface))
                    .unwrap_or_default()
            ),
        };
        error("ring", why);
    }
    let queues = usize::from(interface.queues);
    if !interface.cpus.is_empty() && interface.cpus.len() != queues {
        error(
            "cpus",
            format!(
                "there are {} CPUs for {queues} queues",
                interface.cpus.len()
            ),
        );
    }
    let most = interface.engine.most_queues();
    if queues > usize::from(most) {
        let why = match interface.engine {
            Engine::Ixgbevf => format!("a virtual function has at most {most} queues"),
            engine => format!(
                "with the engine {}, an interface has at most {most} queues",
                engine.name()
            ),
        };
        error("queues", why);
    }
    if interface.address.is_some() {
        let why = "an interface whose frames hpcap takes has no IP address";
        error("address", why.into());
    }
    if !interface.engine.is_kernel() {
        for name in ["poll", "priority", "when_full"] {
            if find(INTERFACE, name).is_some_and(|key| is_set(interface, key)) {
                let why = "only the kernel engines have this setting; hpcapd waits in the kernel";
                error(name, why.into());
            }
        }
    }
    if !interface.options.is_empty()
        && let Err(why) = check_options(interface.engine, &interface.options)
    {
        error("options", why);
    }
    if interface.engine.drives_ports()
        && interface.name.is_some()
        && interface.number_in_name().is_none()
    {
        let why = format!(
            "the interface gets the name hpcapN when {} drives it, and is then not found any more",
            interface.engine.name()
        );
        findings.push(
            Finding::warning(section, "name", why).advise("name it by pci, or by its new name"),
        );
    }
}

fn check_recorder(
    section: Section,
    recorder: &Recorder,
    config: &Config,
    findings: &mut Vec<Finding>,
) {
    let mut error = |key, why: String, advice: &str| {
        let finding = Finding::error(section, key, why);
        findings.push(match advice {
            "" => finding,
            advice => finding.advise(advice),
        });
    };
    match recorder.queue {
        None => error(
            "queue",
            "the queue is missing".into(),
            "add a line such as queue = \"hpcap0\"",
        ),
        Some(queue) => {
            let all = (0..config.interfaces.len()).flat_map(|i| config.queues_of(i));
            let names: Vec<String> = all.clone().map(|q| q.to_string()).collect();
            if !all.into_iter().any(|q| q == queue) {
                let there = match names.len() {
                    0 => "no interface of this file captures".to_owned(),
                    _ => format!("the queues of this file are {}", names.join(", ")),
                };
                error(
                    "queue",
                    "no interface of this file has this queue".into(),
                    &there,
                );
            }
        }
    }
    match &recorder.destination {
        None => error(
            "destination",
            "the destination is missing".into(),
            "add a line such as destination = \"/data/hpcap0\"",
        ),
        Some(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let ending = split_ending(&name).map(|(_, format, _)| format);
            if ending.is_some_and(|format| format != recorder.format) {
                let why = "the ending of the file contradicts the key format".into();
                error("destination", why, "");
            }
        }
    }
    if recorder.compress != Compression::None && recorder.format == FileFormat::Raw {
        let why = "RAW files are not compressed".into();
        error(
            "compress",
            why,
            "set format = \"pcapng\", or remove the line",
        );
    }
    if recorder.format == FileFormat::Raw && recorder.rotate_size.is_some_and(|n| n > 2 << 30) {
        error("rotate_size", "a RAW file has at most 2G".into(), "");
    }
    if recorder.aligned && recorder.rotate_time.is_none() {
        error(
            "aligned",
            "files are aligned to rotate_time, which is missing".into(),
            "add a line such as rotate_time = \"1h\"",
        );
    }
}

/// Reports each item whose value an earlier item has already.
fn report_twins<T: Eq + Hash>(
    items: impl Iterator<Item = (Section, &'static str, T, String)>,
    findings: &mut Vec<Finding>,
) {
    let mut owners: HashMap<T, String> = HashMap::new();
    for (section, key, value, owner) in items {
        if let Some(first) = owners.get(&value) {
            let why = format!("{first} has it already");
            findings.push(Finding::error(section, key, why));
        } else {
            owners.insert(value, owner);
        }
    }
}

fn find_twins(config: &Config, findings: &mut Vec<Finding>) {
    let interfaces = || {
        let all = config.interfaces.iter().enumerate();
        all.map(|(i, interface)| (i, Section::Interface(i), interface))
    };
    let ordinal = |i: usize| format!("interface {}", i + 1);
    report_twins(
        interfaces().filter_map(|(i, s, f)| Some((s, "name", f.name.clone()?, ordinal(i)))),
        findings,
    );
    report_twins(
        interfaces().filter_map(|(i, s, f)| Some((s, "pci", f.pci?, ordinal(i)))),
        findings,
    );
    report_twins(
        interfaces().filter_map(|(i, s, f)| Some((s, "mac", f.mac?, ordinal(i)))),
        findings,
    );
    let captures = interfaces().filter(|(_, _, f)| f.mode == Mode::Capture);
    let mut numbers: HashMap<u16, usize> = HashMap::new();
    for (i, section, interface) in captures {
        let number = config.number_of(i);
        if let Some(first) = numbers.insert(number, i) {
            let why = format!(
                "interface {} has the queues hpcap{number} already",
                first + 1
            );
            let key = if interface.number.is_some() {
                "number"
            } else {
                "name"
            };
            findings.push(
                Finding::error(section, key, why).advise("set the key number of one of them"),
            );
        }
    }
    let recorders = config.recorders.iter().enumerate();
    report_twins(
        recorders.filter_map(|(i, r)| {
            let place = (r.queue?, r.destination.clone()?);
            let owner = format!("recorder {} with the same queue", i + 1);
            Some((Section::Recorder(i), "destination", place, owner))
        }),
        findings,
    );
}

/// Reports each CPU that two threads of hpcap are to run on.
fn find_shared_cpus(config: &Config, findings: &mut Vec<Finding>) {
    let polls = config.interfaces.iter().enumerate().flat_map(|(i, f)| {
        let owner = format!("a poll thread of interface {}", f.label());
        let cpus = f.cpus.iter();
        cpus.map(move |cpu| (Section::Interface(i), "cpus", *cpu, owner.clone()))
    });
    let recorders = config.recorders.iter().enumerate().filter_map(|(i, r)| {
        let owner = format!("recorder {}", i + 1);
        Some((Section::Recorder(i), "cpu", r.cpu?, owner))
    });
    let monitor = config.monitor.cpu.filter(|_| config.monitor.enabled);
    let monitor = monitor.map(|cpu| (Section::Monitor, "cpu", cpu, "the monitor".to_owned()));
    let mut owners: HashMap<u32, String> = HashMap::new();
    for (section, key, cpu, owner) in polls.chain(recorders).chain(monitor) {
        if let Some(first) = owners.get(&cpu) {
            let why = format!("{first} runs on CPU {cpu} already");
            findings.push(
                Finding::error(section, key, why).advise("give each thread a CPU of its own"),
            );
        } else {
            owners.insert(cpu, owner);
        }
    }
}
