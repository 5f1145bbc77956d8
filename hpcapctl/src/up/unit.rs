//! The units of a queue: what systemd reads so that hpcapd and hpcapdd do what the configuration says.
//!
//! The text goes into `/run`, beside the units that the package or an administrator has installed: it is gone
//! after a restart, as all that `hpcapctl up` changes.

use std::fmt::Write;

use hpcap::compress::FileFormat;
use hpcap_config::keys::{INTERFACE, RECORDER, find};
use hpcap_config::model::{Interface, Recorder};
use hpcap_host::Tree;

use super::quote::{escape_instance, quote_assignment, quote_command, quote_word, shell_word};
use super::source::rights;
use crate::change::step::Step;

/// Folder of units of the running system.
const FOLDER: &str = "/run/systemd/system";
/// Name of the file beside a unit.
const FILE: &str = "50-hpcapctl-up.conf";
/// Where installed units are.
const INSTALLED: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// A unit, and the text that completes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its name.
    pub(super) name: String,
    /// The settings that the configuration makes.
    pub(super) text: String,
    /// The same service as a command, for systems without systemd.
    pub(super) command: String,
}

impl Unit {
    fn path(&self) -> String {
        format!("{FOLDER}/{}.d/{FILE}", self.name)
    }

    /// The steps that start it with this text; it is stopped before if it runs with another one.
    pub(super) fn steps(&self, tree: &Tree) -> Vec<Step> {
        let folder = format!("{FOLDER}/{}.d", self.name);
        let mut steps = Vec::new();
        let found = tree.text(self.path());
        if found.as_deref() != Some(self.text.trim()) {
            steps.push(Step::StopUnit {
                unit: self.name.clone(),
            });
        }
        for path in [FOLDER.to_owned(), folder] {
            steps.push(Step::CreateFolder { path });
        }
        steps.push(Step::WriteFile {
            path: self.path(),
            content: self.text.clone(),
            mode: 0o644,
        });
        steps.push(Step::StartUnit {
            unit: self.name.clone(),
        });
        steps
    }
}

/// The unit of hpcapd that captures `interface`, called `name`, from `sources`.
pub(super) fn daemon(interface: &Interface, name: &str, sources: &[String]) -> Unit {
    let options = options_of(interface);
    let mut text = String::from(HEAD);
    // The files of the installed unit would overrule what follows.
    text.push_str("EnvironmentFile=\n");
    let assign = |name: &str, words: &[String]| {
        let words: Vec<String> = words.iter().map(|word| quote_word(word)).collect();
        quote_assignment(&format!("{name}={}", words.join(" ")))
    };
    let (sources_text, options_text) = (assign("SOURCE", sources), assign("OPTIONS", &options));
    let _ = writeln!(text, "Environment={sources_text} {options_text}");
    text.push_str(rights(interface.engine));
    if let Some(node) = interface.node {
        let _ = writeln!(text, "NUMAPolicy=bind\nNUMAMask={node}");
    }
    let words: Vec<String> = options
        .iter()
        .chain(sources)
        .map(|w| shell_word(w))
        .collect();
    Unit {
        name: format!("hpcapd@{}.service", escape_instance(name)),
        text,
        command: format!("hpcapd {}", words.join(" ")),
    }
}

/// The first lines of each text.
pub(super) const HEAD: &str = "\
# Written by `hpcapctl up` from the configuration; `hpcapctl down` removes it.
[Service]
";

/// The options of hpcapd that are keys of an interface.
fn options_of(interface: &Interface) -> Vec<String> {
    let word = |key: &str| {
        let literal = find(INTERFACE, key).and_then(|key| key.literal(interface));
        literal.unwrap_or_default().trim_matches('"').to_owned()
    };
    let mut options = vec![
        "--ring".to_owned(),
        interface.ring_bytes.to_string(),
        "--pages".to_owned(),
        word("pages"),
    ];
    let mut option = |name: &str, value: String| options.extend([name.to_owned(), value]);
    if interface.caplen > 0 {
        option("--caplen", interface.caplen.to_string());
    }
    if !interface.filter.is_empty() {
        option("--filter", interface.filter.replace(['\n', '\r'], " "));
    }
    if interface.dedup.enabled {
        option("--dedup", interface.dedup.settings.to_string());
    }
    if !interface.cpus.is_empty() {
        let cpus: Vec<String> = interface.cpus.iter().map(u32::to_string).collect();
        option("--cpu", cpus.join(","));
    }
    for (name, on) in [
        ("--plain", interface.plain),
        ("--look-back", interface.look_back),
    ] {
        options.extend(on.then(|| name.to_owned()));
    }
    options
}

/// Keys of a recorder that are options of hpcapdd under the same name.
const RECORDER_OPTIONS: [&str; 10] = [
    "format",
    "compress",
    "rotate_size",
    "rotate_time",
    "keep_age",
    "keep_size",
    "keep_free",
    "keep_files",
    "contract",
    "file_group",
];

/// The unit of `recorder`, which is number `number` of those of its queue.
pub(super) fn recorder(recorder: &Recorder, number: usize, tree: &Tree) -> Option<Unit> {
    let queue = recorder.queue?;
    let destination = recorder.destination.as_ref()?.display().to_string();
    let mut words = vec![
        program(tree, "hpcapdd-queue@.service", "hpcapdd"),
        "--wait".to_owned(),
        queue.to_string(),
        destination.clone(),
    ];
    for key in RECORDER_OPTIONS
        .iter()
        .filter_map(|name| find(RECORDER, name))
    {
        let value = key.literal(recorder);
        if value == key.default() {
            continue;
        }
        words.push(format!("--{}", key.name.replace('_', "-")));
        words.push(value.unwrap_or_default().trim_matches('"').to_owned());
    }
    if let Some(mode) = recorder.file_mode {
        words.extend(["--file-mode".to_owned(), format!("{mode:04o}")]);
    }
    if recorder.aligned {
        words.push("--aligned".to_owned());
    }
    if let Some(cpu) = recorder.cpu {
        words.extend(["--recorder-cpu".to_owned(), cpu.to_string()]);
    }
    let instance = match number {
        0 => queue.to_string(),
        n => format!("{queue}.{n}"),
    };
    let quoted: Vec<String> = words.iter().map(|word| quote_command(word)).collect();
    let mut text = String::from(HEAD);
    let owner = &recorder.owner;
    if owner != "hpcap" {
        let _ = writeln!(text, "User={owner}\nSupplementaryGroups=hpcap");
    }
    let is_file = [FileFormat::Raw, FileFormat::Pcap, FileFormat::Pcapng]
        .iter()
        .any(|format| destination.ends_with(&format!(".{}", format.extension())));
    let folder = match recorder.destination.as_ref()?.parent() {
        Some(parent) if is_file => parent.display().to_string(),
        _ => destination,
    };
    if !is_file {
        text += &make_folder(&folder, owner);
    }
    let _ = writeln!(
        text,
        "ReadWritePaths={}",
        quote_assignment(&format!("-{folder}"))
    );
    let _ = writeln!(text, "ExecStart=\nExecStart={}", quoted.join(" "));
    let command: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    Some(Unit {
        name: format!("hpcapdd-queue@{}.service", escape_instance(&instance)),
        text,
        command: command.join(" "),
    })
}

/// The setting that makes a missing folder, before the sandbox: the service itself may not create a folder in one of root.
pub(super) fn make_folder(folder: &str, owner: &str) -> String {
    let folder = quote_command(folder);
    format!(
        "ExecStartPre=+/bin/sh -c 'test -e \"$$0\" || install -d -o \"$$1\" -m 0750 \"$$0\"' {folder} {owner}\n"
    )
}

/// The program called `name` that the installed `unit` starts.
pub(super) fn program(tree: &Tree, unit: &str, name: &str) -> String {
    let found = INSTALLED.iter().find_map(|folder| {
        let text = tree.text(format!("{folder}/{unit}"))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))?;
        line.split_whitespace().next().map(str::to_owned)
    });
    found.unwrap_or_else(|| format!("/usr/bin/{name}"))
}

/// Whether the units of hpcap are installed.
pub(super) fn are_installed(tree: &Tree) -> bool {
    let has = |folder: &&str| tree.has(format!("{folder}/hpcapd@.service"));
    INSTALLED.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::source::sources;
    use hpcap::QueueName;
    use hpcap_config::keys::set;

    fn interface(keys: &[(&str, &str)]) -> Interface {
        let mut interface = Interface::default();
        for (key, value) in keys {
            set(INTERFACE, &mut interface, key, value).unwrap();
        }
        interface
    }

    #[test]
    fn every_key_of_the_daemon_is_an_option() {
        let interface = interface(&[
            ("ring", "64M"),
            ("pages", "2M"),
            ("caplen", "128"),
            ("filter", "udp and port 53"),
            ("dedup.enabled", "true"),
            ("dedup.age", "500ms"),
            ("cpus", "[2, 3]"),
            ("queues", "2"),
            ("plain", "true"),
            ("look_back", "true"),
            ("promiscuous", "false"),
            ("options", "direction=in"),
            ("node", "1"),
        ]);
        let queues = [QueueName::new(3, 0), QueueName::new(3, 1)];
        let unit = daemon(
            &interface,
            "eth-0",
            &sources(&interface, "eth-0", &queues, 2),
        );
        insta::assert_snapshot!("daemon", unit.text);
        assert_eq!(unit.name, "hpcapd@eth\\x2d0.service");
        insta::assert_snapshot!("daemon_command", unit.command);
    }

    #[test]
    fn af_xdp_gets_the_rights_that_it_needs() {
        let interface = interface(&[("engine", "af_xdp"), ("options", "mode=native")]);
        let sources = sources(&interface, "eth0", &[QueueName::new(0, 0)], 1);
        insta::assert_snapshot!("daemon_af_xdp", daemon(&interface, "eth0", &sources).text);
    }

    #[test]
    fn every_key_of_a_recorder_is_an_option() {
        let mut wanted = Recorder {
            queue: Some(QueueName::new(0, 0)),
            destination: Some("/data/100% of eth0".into()),
            aligned: true,
            owner: "probe".into(),
            file_group: Some("staff".into()),
            file_mode: Some(0o640),
            cpu: Some(5),
            ..Recorder::default()
        };
        for (key, value) in [
            ("format", "pcapng"),
            ("compress", "zst"),
            ("rotate_size", "1G"),
            ("rotate_time", "1h30m"),
            ("keep_age", "7d"),
            ("keep_size", "500G"),
            ("keep_free", "20G"),
            ("keep_files", "100"),
            ("contract", "lossless:5s"),
        ] {
            set(RECORDER, &mut wanted, key, value).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let unit = recorder(&wanted, 1, &Tree::at(dir.path())).unwrap();
        assert_eq!(unit.name, "hpcapdd-queue@hpcap0.1.service");
        insta::assert_snapshot!("recorder", unit.text);
    }
}
