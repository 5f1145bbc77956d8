//! The kernel's console log, and the lines in it that report a fault.

/// Severity of a reported fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// A fault after which the machine goes on.
    Noted,
    /// A fault after which the machine cannot be trusted.
    Fatal,
}

/// Parts of lines after which the machine may not end by itself.
const FATAL: &[&str] = &[
    "Kernel panic",
    "Oops",
    "general protection fault",
    "BUG: unable to handle",
    "BUG: kernel NULL pointer",
    "kernel BUG at",
    "soft lockup",
    "hard LOCKUP",
    "blocked for more than",
    "detected stalls on CPUs",
    "self-detected stall on CPU",
    "Out of memory and no killable processes",
];

/// Reports of the kernel's own checks: lockdep, KASAN, KCSAN, UBSAN, kmemleak, refcounts, lists,
/// objects, RCU, sleeping where that is forbidden.
const NOTED: &[&str] = &[
    "------------[ cut here ]------------",
    "WARNING: ",
    "BUG: ",
    "INFO: possible ",
    "INFO: trying to register non-static key",
    "INFO: task ",
    "possible circular locking",
    "possible recursive locking",
    "possible irq lock inversion",
    "inconsistent lock state",
    "suspicious RCU usage",
    "new suspected memory leaks",
    "UBSAN: ",
    "refcount_t: ",
    "list_add corruption",
    "list_del corruption",
    "ODEBUG: ",
    "DEBUG_LOCKS_WARN_ON",
    "scheduling while atomic",
    "sleeping function called from invalid context",
    "unregister_netdevice: waiting for",
    "Call Trace:",
    "rcu: INFO: ",
];

/// What Linux says last, when all drivers have shut their devices down. It only stops its processors then, and complains of a kernel
/// thread that still runs on a processor whose stop came late, as on a slow emulator.
const SWITCHED_OFF: &[&str] = &["reboot: Power down", "reboot: Restarting system"];

/// Lines shown from the first fault on: enough to see what it was.
const CONTEXT: usize = 80;

/// Number of lines kept in memory. The log file, if there is one, has all of them.
const KEPT: usize = 50_000;

/// The lines of the console.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<String>,
    first_complaint: Option<usize>,
    worst: Option<Severity>,
    /// Whether the kernel has switched the machine off: faults do not count from then on.
    switched_off: bool,
    /// Parts of lines that look like a fault and are known to be harmless.
    tolerated: Vec<String>,
}

impl Log {
    pub(super) fn new(tolerated: Vec<String>) -> Self {
        Self {
            tolerated,
            ..Self::default()
        }
    }

    /// Appends a line. Returns its severity if it reports a fault.
    pub(super) fn add(&mut self, line: &str) -> Option<Severity> {
        let line = line.trim_end_matches(['\r', '\n']);
        self.switched_off |= SWITCHED_OFF.iter().any(|last| line.contains(last));
        let severity = judge(line).filter(|_| !self.switched_off && !self.is_tolerated(line));
        if severity.is_some() && self.first_complaint.is_none() {
            self.first_complaint = Some(self.lines.len());
        }
        self.worst = self.worst.max(severity);
        if self.lines.len() < KEPT {
            self.lines.push(line.to_owned());
        }
        severity
    }

    fn is_tolerated(&self, line: &str) -> bool {
        self.tolerated
            .iter()
            .any(|known| line.contains(known.as_str()))
    }

    /// Returns the lines around the first fault, if there was one.
    pub(super) fn complaint(&self) -> Option<Vec<String>> {
        let first = self.first_complaint?.min(self.lines.len());
        let start = first.saturating_sub(3);
        let end = self.lines.len().min(first + CONTEXT);
        Some(self.lines[start..end].to_vec())
    }

    /// Returns the last `lines` lines.
    pub(super) fn tail(&self, lines: usize) -> Vec<String> {
        self.lines[self.lines.len().saturating_sub(lines)..].to_vec()
    }

    /// Returns all lines as text.
    pub(super) fn text(&self) -> String {
        self.lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect()
    }
}

fn judge(line: &str) -> Option<Severity> {
    let any = |list: &[&str]| list.iter().any(|part| line.contains(part));
    if is_a_race_of_the_kernel_itself(line) {
        None
    } else if any(FATAL) {
        Some(Severity::Fatal)
    } else if any(NOTED) {
        Some(Severity::Noted)
    } else {
        None
    }
}

/// KCSAN finds many data races of Linux with itself, most of them known. One that a module has a
/// part in names the module behind the function: `in f [hpcap] / g`.
fn is_a_race_of_the_kernel_itself(line: &str) -> bool {
    let title = line.split_once("BUG: KCSAN: data-race in ");
    title.is_some_and(|(_, functions)| !functions.contains('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_recognises_kernel_complaints() {
        for line in [
            "[    1.0] Kernel panic - not syncing: sysrq triggered crash",
            "[    1.0] Oops: 0000 [#1] PREEMPT SMP NOPTI",
            "[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [x:1]",
            "[    1.0] INFO: task kworker/0:1:7 blocked for more than 120 seconds.",
            "[    1.0] BUG: unable to handle page fault for address: ffffffffc0001000",
        ] {
            assert_eq!(judge(line), Some(Severity::Fatal), "{line}");
        }
        for line in [
            "[    1.0] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2 [hpcap]",
            "[    1.0] WARNING: possible circular locking dependency detected",
            "[    1.0] WARNING: suspicious RCU usage",
            "[    1.0] BUG: KASAN: slab-out-of-bounds in f+0x1/0x2",
            "[    1.0] BUG: KCSAN: data-race in a [hpcap] / b",
            "[    1.0] BUG: KCSAN: assert: race in a / b",
            "[    1.0] BUG: sleeping function called from invalid context at mm/x.c:1",
            "[    1.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "[    1.0] UBSAN: array-index-out-of-bounds in x.c:1:2",
        ] {
            assert_eq!(judge(line), Some(Severity::Noted), "{line}");
        }
    }

    #[test]
    fn log_accepts_boot_messages() {
        for line in [
            "[    0.0] Linux version 6.1.0-56-amd64",
            "[    0.0] hpcap: loading out-of-tree module taints kernel.",
            "[    0.0] ixgbe 0000:00:08.0 eth0: NIC Link is Up 10 Gbps, Flow Control: None",
            "[    0.0] traps: x[12] general exception",
            "[    0.0] random: crng init done",
            "[    0.0] BUG: KCSAN: data-race in process_one_work / process_one_work",
        ] {
            assert_eq!(judge(line), None, "{line}");
        }
    }

    #[test]
    fn faults_count_until_the_machine_is_switched_off() {
        let off = "[   17.721831] reboot: Power down";
        let late = "[   17.723374] WARNING: CPU: 3 PID: 160 at arch/x86/kernel/apic/ipi.c:70";
        let mut log = Log::default();
        log.add(off);
        assert_eq!(log.add(late), None);
        assert_eq!(log.complaint(), None);
        let mut log = Log::default();
        assert_eq!(log.add(late), Some(Severity::Noted));
        log.add(off);
        assert!(log.complaint().is_some());
    }

    #[test]
    fn log_keeps_lines_around_first_complaint() {
        let mut log = Log::new(vec!["known".to_owned()]);
        for n in 0..10 {
            assert_eq!(log.add(&format!("line {n}\r\n")), None);
        }
        assert_eq!(log.add("WARNING: known"), None);
        assert_eq!(log.complaint(), None);
        assert_eq!(log.add("WARNING: new"), Some(Severity::Noted));
        log.add("after");
        let around = log.complaint().unwrap();
        assert_eq!(
            around,
            [
                "line 8",
                "line 9",
                "WARNING: known",
                "WARNING: new",
                "after"
            ]
        );
        assert_eq!(log.tail(1), ["after"]);
    }
}
