//! The steps that make services of interfaces.

use std::collections::BTreeSet;
use std::path::Path;

use hpcap_host::Tree;

use super::checks::Units;
use super::ports::{self, Port};
use crate::change::Changer;
use crate::change::step::{Root, Step};
use crate::monitors;

/// Services beside the capture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    /// A recorder for each queue.
    pub(super) record: bool,
    /// The monitor of all queues and interfaces.
    pub(super) monitor: bool,
}

/// The folders in which links enable the units of a target.
const WANTED_BY_HPCAP: &str = "/etc/systemd/system/hpcap.target.wants";
const WANTED_BY_SYSTEM: &str = "/etc/systemd/system/multi-user.target.wants";

/// Returns the steps that capture `interfaces`, and record and monitor them with `wishes`. An interface that is
/// installed keeps its queue, and another one gets the first queue that is free.
pub(super) fn steps(
    changer: &Changer,
    root: &Path,
    interfaces: &[String],
    captured: &[Port],
    wishes: Wishes,
    units: &Units,
) -> Vec<Step> {
    let mut steps: Vec<Step> = [WANTED_BY_HPCAP, WANTED_BY_SYSTEM, "/etc/default"]
        .iter()
        .flat_map(|folder| folders_of(folder))
        .collect();
    steps.extend(module_steps(changer, root, captured));
    let mut taken: BTreeSet<u16> = installed(changer).map(|(_, number)| number).collect();
    taken.extend(captured.iter().map(|port| port.number));
    let mut started = Vec::new();
    steps.push(link(
        WANTED_BY_SYSTEM,
        "hpcap.target",
        "hpcap.target",
        units,
    ));
    for interface in interfaces {
        let port = captured.iter().find(|port| port.interface == *interface);
        let known = installed(changer).find(|(name, _)| name == interface);
        let known = port
            .map(|port| port.number)
            .or(known.map(|(_, number)| number));
        let number = known.unwrap_or_else(|| first_free(&mut taken));
        let content = settings(interface, number);
        steps.push(Step::WriteFile {
            path: settings_path(interface),
            content,
            mode: 0o644,
        });
        let mut enable = |unit: String, template: &str| {
            steps.push(link(WANTED_BY_HPCAP, &unit, template, units));
            started.push(unit);
        };
        match port {
            Some(port) => enable(port.unit(), "hpcap-port@.service"),
            None => enable(format!("hpcapd@{interface}.service"), "hpcapd@.service"),
        }
        if wishes.record {
            let recorder = format!("hpcapdd-queue@hpcap{number}.service");
            enable(recorder, "hpcapdd-queue@.service");
        }
    }
    if wishes.monitor {
        steps.push(link(WANTED_BY_HPCAP, monitors::UNIT, monitors::UNIT, units));
        started.push(monitors::UNIT.to_owned());
    }
    // The target comes last, because it would start the units before it without a step that undoing waits for.
    started.push("hpcap.target".to_owned());
    let runs_systemd = Path::new("/run/systemd/system").exists();
    if Root::new(root).is_running_system() && runs_systemd {
        steps.extend(started.into_iter().map(|unit| Step::StartUnit { unit }));
    }
    steps
}

/// Steps that let the module capture ports. Nothing is built in an image, whose package was built with the kernel.
fn module_steps(changer: &Changer, root: &Path, captured: &[Port]) -> Vec<Step> {
    if captured.is_empty() {
        return Vec::new();
    }
    let mut all = ports::installed(changer);
    all.retain(|known| captured.iter().all(|port| port.address != known.address));
    all.extend_from_slice(captured);
    all.sort_by_key(|port| port.number);
    let mut steps = Vec::new();
    if Root::new(root).is_running_system() {
        steps.extend(ports::build(&Tree::machine()));
    }
    steps.extend(folders_of("/etc/modprobe.d"));
    steps.push(ports::options(&all));
    for port in captured {
        steps.extend(folders_of(&port.unit_folder()));
        steps.push(port.fallback());
    }
    steps
}

/// Steps that create a folder with its parents.
fn folders_of(folder: &str) -> impl Iterator<Item = Step> + '_ {
    let ends = folder.match_indices('/').skip(1).map(|(end, _)| end);
    ends.chain([folder.len()]).map(|end| Step::CreateFolder {
        path: folder[..end].to_owned(),
    })
}

fn link(folder: &str, unit: &str, template: &str, units: &Units) -> Step {
    Step::CreateLink {
        path: format!("{folder}/{unit}"),
        target: format!("{}/{template}", units.folder),
    }
}

fn settings_path(interface: &str) -> String {
    format!("/etc/default/hpcapd-{interface}")
}

fn settings(interface: &str, number: u16) -> String {
    format!(
        "# Written by `hpcapctl install`. OPTIONS=... sets options of hpcapd(1).\n\
         SOURCE=hpcap{number}=af_packet:{interface}\n"
    )
}

/// The interfaces that are installed, with the numbers of their queues.
pub(super) fn installed(changer: &Changer) -> impl Iterator<Item = (String, u16)> {
    changer.steps().into_iter().filter_map(|step| {
        let Step::WriteFile { content, .. } = step else {
            return None;
        };
        let source = content
            .lines()
            .find_map(|line| line.strip_prefix("SOURCE=hpcap"))?;
        let (number, interface) = source.split_once("=af_packet:")?;
        Some((interface.to_owned(), number.parse().ok()?))
    })
}

/// Returns the first number that is not taken, and takes it.
fn first_free(taken: &mut BTreeSet<u16>) -> u16 {
    let number = (0..=u16::MAX)
        .find(|number| !taken.contains(number))
        .unwrap_or(0);
    taken.insert(number);
    number
}
