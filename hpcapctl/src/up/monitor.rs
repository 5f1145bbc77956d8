//! The monitor of a configuration.

use std::fmt::Write;
use std::path::Path;

use hpcap_config::DEFAULT_PATH;
use hpcap_config::keys::MONITOR;
use hpcap_config::model::Monitor;
use hpcap_host::Tree;

use super::quote::{quote_assignment, quote_command};
use super::unit::{HEAD, Unit, make_folder, program};
use crate::monitors::UNIT;

/// Folder into which the installed unit lets the monitor write.
const LOGS: &str = "/var/log/hpcap";

/// The unit that logs as `monitor` in the configuration at `config` says. Its text contains the settings, so a changed
/// setting restarts it.
pub(super) fn unit(monitor: &Monitor, config: &Path, tree: &Tree) -> Unit {
    let mut text = String::new();
    for key in MONITOR {
        if let Some(value) = key.literal(monitor) {
            let _ = writeln!(text, "# {} = {value}", key.name);
        }
    }
    text.push_str(HEAD);
    if !monitor.basedir.starts_with(LOGS) {
        text += &make_folder(&monitor.basedir.display().to_string(), "hpcap");
    }
    let textfile = monitor.textfile.as_deref().and_then(Path::parent);
    for folder in [Some(monitor.basedir.as_path()), textfile]
        .into_iter()
        .flatten()
    {
        if !folder.starts_with(LOGS) {
            let folder = quote_assignment(&format!("-{}", folder.display()));
            let _ = writeln!(text, "ReadWritePaths={folder}");
        }
    }
    let program = program(tree, "hpcap-monitor.service", "hpcap-monitor");
    let mut command = format!("{program} run");
    if config != Path::new(DEFAULT_PATH) {
        let _ = write!(
            command,
            " --config {}",
            quote_command(&config.display().to_string())
        );
        let _ = writeln!(text, "ExecStart=\nExecStart={command}");
    }
    Unit {
        name: UNIT.to_owned(),
        text,
        command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_has_the_settings_of_the_monitor() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let monitor = Monitor {
            basedir: "/data/logs".into(),
            textfile: Some("/var/lib/node_exporter/hpcap.prom".into()),
            ..Monitor::default()
        };
        insta::assert_snapshot!(unit(&monitor, Path::new("/etc/lab.toml"), &tree).text);
        let plain = unit(&Monitor::default(), Path::new(DEFAULT_PATH), &tree).text;
        assert!(plain.ends_with("[Service]\n"), "{plain}");
    }
}
