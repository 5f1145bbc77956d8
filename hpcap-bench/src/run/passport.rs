//! The machine that was measured, in all that the figures depend on.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::capture::Tool;
use crate::limits::clock_here;
use crate::report::Machine;

/// Properties of a machine and of the programs on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passport {
    /// Time of the measurement (UTC), to the minute.
    pub date: String,
    /// Model of the processor.
    pub processor: String,
    /// Number of processors that this program may use.
    pub cpus: usize,
    /// Clock of one processor in Hz, if it is known.
    pub clock_hz: Option<f64>,
    /// The clock that the kernel takes its time from.
    pub clock_source: String,
    /// Release of the kernel.
    pub kernel: String,
    /// What the kernel does about each known vulnerability of the processor.
    pub mitigations: BTreeMap<String, String>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// How the frames reach the programs.
    pub path: String,
    /// Version of hpcap.
    pub hpcap: String,
    /// Whether hpcap-bench was compiled with optimisation.
    pub optimised: bool,
    /// Versions of the other programs.
    pub programs: BTreeMap<String, String>,
}

impl Passport {
    /// Describes this machine and the programs among `targets`.
    #[must_use]
    pub fn here(targets: &[Target]) -> Self {
        let machine = Machine::here();
        let programs = targets.iter().filter_map(|target| match target {
            Target::Files(tool @ (Tool::Tcpdump | Tool::Dumpcap | Tool::NetsniffNg)) => {
                Some((tool.name().to_owned(), version_of(tool.name())))
            }
            _ => None,
        });
        Self {
            date: machine.date,
            processor: machine.processor,
            cpus: machine.cpus,
            clock_hz: clock_here(),
            clock_source: line_of(
                "/sys/devices/system/clocksource/clocksource0/current_clocksource",
            ),
            kernel: machine.kernel,
            mitigations: mitigations(),
            memory_bytes: machine.memory_bytes,
            path: "a veth pair in a network namespace".into(),
            hpcap: machine.hpcap,
            optimised: machine.optimised,
            programs: programs.collect(),
        }
    }
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn mitigations() -> BTreeMap<String, String> {
    let folder = "/sys/devices/system/cpu/vulnerabilities";
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            let state = line_of(&format!("{folder}/{name}"));
            (name, state)
        })
        .collect()
}

/// Returns the first line that a program prints about its version.
fn version_of(program: &str) -> String {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return String::new();
    };
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    printed.lines().next().unwrap_or_default().trim().to_owned()
}
