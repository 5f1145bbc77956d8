//! While a driver of hpcap holds rtnl, nobody else can change an interface of the machine. So rings, which
//! take seconds to allocate and to free, are allocated before rtnl is taken, and freed after it is given back.
//!
//! The test looks at what each thread does between taking rtnl and giving it back, not at the time that it takes,
//! because a busy machine changes the time. It prints the times.

use std::collections::BTreeMap;

use hpcap_e2e::vm::{Vm, Wanted};

vm_tests!(
    no_ring_is_allocated_or_freed_under_rtnl: Wanted::PF.memory(2 << 30),
);

const TRACE: &str = "/sys/kernel/tracing";

/// The probes, and the functions that they are in. A thread gets the lock when `rtnl_lock` returns.
const PROBES: &str = "r:rings/locked rtnl_lock
p:rings/unlocks rtnl_unlock
p:rings/allocates hpcap:hpcap_memory_alloc
p:rings/frees hpcap:hpcap_memory_release
";

fn no_ring_is_allocated_or_freed_under_rtnl(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=256M");
    vm.sh(&format!(
        "mount -t tracefs tracefs {TRACE} 2>/dev/null || true
        echo '{PROBES}' >{TRACE}/kprobe_events
        echo 1 >{TRACE}/events/rings/enable"
    ));
    let mut rings = Rings::default();

    vm.sh("modprobe hpcap_ixgbe mode=hpcap queues=4");
    vm.up("hpcap0");
    vm.sh("ip link set hpcap0 down; modprobe -r hpcap_ixgbe");
    rings.add(vm, "hpcap_ixgbe is loaded and unloaded", 4);

    vm.sh("modprobe hpcap_ixgbe mode=hpcap queues=2");
    vm.up("hpcap0");
    vm.fault(0, "remove");
    vm.until("[ ! -e /dev/hpcap_0_0 ]");
    vm.sh("modprobe -r hpcap_ixgbe");
    rings.add(vm, "a NIC is pulled out", 2);

    vm.sh("ip link add wire type veth peer name other
        modprobe hpcap_netdev interfaces=wire:1
        cd /sys/module/hpcap_netdev/parameters
        echo wire >detach
        echo wire:1 >attach
        ip link del wire
        [ ! -e /dev/hpcap_1_0 ]");
    vm.sh("modprobe -r hpcap_netdev");
    rings.add(
        vm,
        "hpcap_netdev attaches an interface, which is deleted",
        2,
    );

    vm.sh(&format!(
        "echo 0 >{TRACE}/events/rings/enable; echo >{TRACE}/kprobe_events; modprobe -r hpcap"
    ));
    assert!(rings.wrong.is_empty(), "under rtnl: {:#?}", rings.wrong);
}

/// What the trace says of rings and of rtnl.
#[derive(Default)]
struct Rings {
    wrong: Vec<String>,
}

impl Rings {
    /// Reads the trace of `what`, in which `count` rings were allocated and freed, and begins another one.
    fn add(&mut self, vm: &Vm, what: &str, count: usize) {
        vm.until(&format!(
            "[ $(grep -c frees: {TRACE}/trace) -ge {count} ] && [ $(cat {TRACE}/trace | grep -c allocates:) -ge {count} ]"
        ));
        let trace = vm.sh(&format!("cat {TRACE}/trace; echo >{TRACE}/trace"));
        let mut since: BTreeMap<&str, f64> = BTreeMap::new();
        let mut longest: f64 = 0.0;
        let events = trace.lines().filter(|line| !line.starts_with('#'));
        for (task, seconds, event) in events.filter_map(parts) {
            match event {
                "locked" => _ = since.insert(task, seconds),
                "unlocks" => {
                    if let Some(locked) = since.remove(task) {
                        longest = longest.max(seconds - locked);
                    }
                }
                _ if since.contains_key(task) => {
                    self.wrong.push(format!("{what}: {task} {event} a ring"));
                }
                _ => {}
            }
        }
        println!(
            "{what}: rtnl was held for at most {:.0} ms",
            longest * 1000.0
        );
    }
}

/// Returns the task, the time in seconds and the event of a line such as
/// `modprobe-310     [000] .....    61.234567: locked: (...)`.
fn parts(line: &str) -> Option<(&str, f64, &str)> {
    let mut words = line.split_whitespace();
    let task = words.next()?;
    let mut rest = words.skip_while(|word| !word.ends_with(':'));
    let seconds = rest.next()?.strip_suffix(':')?.parse().ok()?;
    Some((task, seconds, rest.next()?.strip_suffix(':')?))
}
