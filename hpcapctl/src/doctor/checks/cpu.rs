//! Checks of the CPUs and of what else runs on those of poll threads.

use super::{Facts, Outcome};

/// A CPU that leaves an idle state in this time does not lose frames: 4096 descriptors hold 275 µs
/// of the smallest frames at 10 Gb/s.
const EXIT_LATENCY_US: u64 = 50;

pub(super) fn isolated_cores(facts: &Facts) -> Vec<Outcome> {
    let isolated = &facts.cpus.isolated;
    let advise = |found: String, cpu: u32| {
        Outcome::advice(found).next(format!(
            "add isolcpus={cpu} nohz_full={cpu} to GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub; reboot"
        ))
    };
    let polls: Vec<_> = facts.pinned_queues().collect();
    if polls.is_empty() {
        return vec![match isolated.is_empty() {
            false => Outcome::ok(format!("isolated for poll threads: CPU {isolated}")),
            true if facts.cpus.all.is_empty() => Outcome::unknown("the kernel lists no CPUs"),
            true if facts.cpus.all.len() < 2 => {
                Outcome::advice("the only CPU does everything, so none can be isolated")
            }
            true => advise("no CPU is isolated".into(), facts.proposed_cpu()),
        }];
    }
    polls
        .into_iter()
        .map(|(queue, cpu)| {
            let outcome = match isolated.contains(cpu) {
                true => Outcome::ok(format!("CPU {cpu} of the poll thread is isolated")),
                false => advise(format!("CPU {cpu} of the poll thread is not isolated"), cpu),
            };
            outcome.about(&queue.name)
        })
        .collect()
}

pub(super) fn smt(facts: &Facts) -> Vec<Outcome> {
    let judge = |cpu: u32| {
        let own = std::iter::once(cpu).collect();
        let siblings = facts.cpus.get(cpu)?.core.difference(&own);
        let online = siblings
            .iter()
            .filter(|sibling| facts.cpus.get(*sibling).is_some())
            .collect();
        let busy = siblings
            .intersection(&online)
            .difference(&facts.cpus.isolated);
        if let Some(other) = facts.poll_cpus().intersection(&siblings).iter().next() {
            return Some(
                Outcome::advice(format!(
                    "CPUs {cpu} and {other} share a core, and both poll"
                ))
                .next(format!(
                    "give one of them a core of its own, such as CPU {}",
                    facts.proposed_cpu()
                )),
            );
        }
        Some(match busy.iter().next() {
            None => Outcome::ok(format!("nothing shares the core of CPU {cpu}")),
            Some(sibling) => Outcome::advice(format!(
                "CPU {sibling} shares the core of CPU {cpu}, and runs other programs"
            ))
            .next(format!(
                "echo 0 > /sys/devices/system/cpu/cpu{sibling}/online"
            )),
        })
    };
    facts
        .pinned_queues()
        .filter_map(|(queue, cpu)| Some(judge(cpu)?.about(&queue.name)))
        .collect()
}

pub(super) fn interrupts(facts: &Facts) -> Vec<Outcome> {
    facts
        .pinned_queues()
        .map(|(queue, cpu)| {
            let on_cpu: Vec<_> = facts
                .interrupts
                .iter()
                .filter(|interrupt| interrupt.cpus.contains(cpu) && interrupt.total() > 0)
                .collect();
            let Some(first) = on_cpu.first() else {
                return Outcome::ok(format!("no interrupt reaches CPU {cpu}")).about(&queue.name);
            };
            let names: Vec<_> = on_cpu
                .iter()
                .take(3)
                .map(|interrupt| format!("{} ({})", interrupt.number, interrupt.name))
                .collect();
            let others = on_cpu.len() - names.len();
            let more = match others {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            Outcome::advice(format!(
                "CPU {cpu} takes interrupts {}{more}",
                names.join(", ")
            ))
            .about(&queue.name)
            .next(format!(
                "echo {} > /proc/irq/{}/smp_affinity_list",
                elsewhere(facts),
                first.number
            ))
        })
        .collect()
}

/// The CPUs on which no poll thread is.
fn elsewhere(facts: &Facts) -> String {
    let all: hpcap_host::CpuSet = facts.cpus.all.iter().map(|cpu| cpu.number).collect();
    let others = all
        .difference(&facts.poll_cpus())
        .difference(&facts.cpus.isolated);
    match others.is_empty() {
        true => all.to_string(),
        false => others.to_string(),
    }
}

pub(super) fn irqbalance(facts: &Facts) -> Vec<Outcome> {
    if !facts.processes.iter().any(|name| name == "irqbalance") {
        return vec![Outcome::ok("it does not run")];
    }
    let exposed = facts.poll_cpus().difference(&facts.cpus.isolated);
    // By default it leaves isolated CPUs alone.
    vec![match exposed.is_empty() {
        true => Outcome::ok("it runs, and leaves isolated CPUs alone"),
        false => Outcome::advice(format!("it runs, and may use CPU {exposed} of poll threads"))
            .next(format!(
                "echo IRQBALANCE_BANNED_CPULIST={exposed} >> /etc/default/irqbalance; systemctl restart irqbalance"
            )),
    }]
}

pub(super) fn governor(facts: &Facts) -> Vec<Outcome> {
    let polls = facts.poll_cpus();
    let slow: hpcap_host::CpuSet = facts
        .cpus
        .all
        .iter()
        .filter(|cpu| polls.is_empty() || polls.contains(cpu.number))
        .filter(|cpu| cpu.governor.as_deref().is_some_and(|g| g != "performance"))
        .map(|cpu| cpu.number)
        .collect();
    let governed = facts.cpus.all.iter().any(|cpu| cpu.governor.is_some());
    vec![match slow.iter().next() {
        None if governed => Outcome::ok("CPUs that poll run at full speed"),
        None => Outcome::ok("the kernel does not change the frequency of the CPUs"),
        Some(first) => {
            let name = facts.cpus.get(first).and_then(|cpu| cpu.governor.clone());
            Outcome::advice(format!(
                "CPU {slow}: governor {}, not performance",
                name.unwrap_or_default()
            ))
            .next("echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
        }
    }]
}

pub(super) fn idle_states(facts: &Facts) -> Vec<Outcome> {
    let deep: Vec<_> = facts
        .cpus
        .idle_states
        .iter()
        .filter(|state| state.exit_latency_us > EXIT_LATENCY_US)
        .map(|state| format!("{} ({} us)", state.name, state.exit_latency_us))
        .collect();
    vec![match deep.is_empty() {
        true => Outcome::ok(format!("every idle state ends within {EXIT_LATENCY_US} us")),
        false => Outcome::advice(format!("CPUs may sleep in {}", deep.join(", "))).next(format!(
            "cpupower idle-set --disable-by-latency {EXIT_LATENCY_US}   (package linux-cpupower)"
        )),
    }]
}
