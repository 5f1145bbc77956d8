//! The machine's clock: what it counts with, and whether it follows the time of the world.

use std::mem::MaybeUninit;

use crate::{Tree, process};

/// Programs that set the clock.
const DAEMONS: [&str; 7] = [
    "chronyd",
    "ntpd",
    "ntpsec",
    "openntpd",
    "phc2sys",
    "ptp4l",
    "systemd-timesyn", // the kernel cuts names of processes after 15 bytes
];

/// The clock of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clock {
    /// The counter that the kernel uses, such as `tsc`.
    pub source: Option<String>,
    /// The counters that the kernel could use.
    pub available: Vec<String>,
    /// Whether a program synchronises the clock; `None` if the kernel cannot be asked.
    pub synchronised: Option<bool>,
    /// Largest error of the clock in microseconds, as the kernel estimates it.
    pub error_us: Option<u64>,
    /// The programs that set the clock and that run.
    pub daemons: Vec<String>,
}

impl Clock {
    /// Reads the clock of the machine whose files are in `tree`.
    #[must_use]
    pub fn read(tree: &Tree) -> Self {
        const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";
        let available = tree.text(format!("{FOLDER}/available_clocksource"));
        let state = tree.is_machine().then(kernel_state).flatten();
        Self {
            source: tree.text(format!("{FOLDER}/current_clocksource")),
            available: available
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            synchronised: state.map(|(synchronised, _)| synchronised),
            error_us: state.map(|(_, error_us)| error_us),
            daemons: process::running(tree)
                .into_iter()
                .filter(|name| DAEMONS.contains(&name.as_str()))
                .collect(),
        }
    }
}

/// Asks the kernel whether the clock is synchronised, and for its largest error in microseconds.
fn kernel_state() -> Option<(bool, u64)> {
    let mut state = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: zero is a valid value of every field of `timex`, and with no mode set the kernel
    // changes nothing and only fills in the structure, which lives until the call returns.
    let (result, state) = unsafe {
        let result = libc::adjtimex(state.as_mut_ptr());
        (result, state.assume_init())
    };
    let unsynchronised = result == libc::TIME_ERROR || state.status & libc::STA_UNSYNC != 0;
    (result >= 0).then(|| (!unsynchronised, u64::try_from(state.maxerror).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_clock() {
        let clock = Clock::read(&Tree::machine());
        assert!(clock.synchronised.is_some());
        if let Some(source) = &clock.source {
            assert!(clock.available.contains(source), "{clock:?}");
        }
    }
}
