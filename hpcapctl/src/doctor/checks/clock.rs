//! Checks of the clock.

use super::{Facts, Outcome};

const FILE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

pub(super) fn source(facts: &Facts) -> Vec<Outcome> {
    let clock = &facts.clock;
    let Some(source) = &clock.source else {
        return vec![Outcome::unknown(format!("{FILE} cannot be read"))];
    };
    let fast = [
        "tsc",
        "kvm-clock",
        "hyperv_clocksource_tsc_page",
        "arch_sys_counter",
    ];
    vec![match fast.contains(&source.as_str()) {
        true => Outcome::ok(source),
        false if clock.available.iter().any(|name| name == "tsc") => {
            Outcome::advice(format!("{source}, although the TSC could be used"))
                .next(format!("echo tsc > {FILE}"))
        }
        false => Outcome::advice(format!("{source}; the kernel found the TSC unusable"))
            .next("journalctl -k | grep -i tsc"),
    }]
}

pub(super) fn synchronised(facts: &Facts) -> Vec<Outcome> {
    let clock = &facts.clock;
    let by = match clock.daemons.is_empty() {
        true => String::new(),
        false => format!(" by {}", clock.daemons.join(", ")),
    };
    vec![match (clock.synchronised, clock.error_us) {
        (None, _) => Outcome::unknown("the kernel does not say"),
        (Some(true), Some(error)) => Outcome::ok(format!("it is{by}, within {error} us")),
        (Some(true), None) => Outcome::ok(format!("it is{by}")),
        (Some(false), _) if !clock.daemons.is_empty() => Outcome::advice(format!(
            "it is not yet, and {} runs",
            clock.daemons.join(", ")
        ))
        .next("chronyc tracking, or timedatectl timesync-status"),
        (Some(false), _) => Outcome::advice("nothing synchronises it").next("apt install chrony"),
    }]
}
