//! Every allocation of an operation fails once, and a refused operation leaves nothing behind.
//!
//! These tests need a kernel that fails allocations on demand (`make test-sanitized`). That kernel
//! also detects uses after a free, and at the end of each test, memory without references.

use std::path::Path;
use std::time::Duration;

use hpcap_e2e::vm::{Vm, Wanted};
use testkit::process::events;

vm_tests!(
    loading_survives_every_allocation_that_fails: PLAIN,
    a_queue_survives_every_allocation_that_fails: PLAIN,
    a_port_survives_every_allocation_that_fails: PF,
);

/// Functions of the kernel that leak by themselves when they fail: this one leaks the name of a
/// class if the folder of the class in sysfs cannot be created.
const NOT_OURS: &[&str] = &["__class_register"];
const TIME_LIMIT: Duration = Duration::from_secs(600);

const PLAIN: Wanted = Wanted::PLAIN
    // To find interrupts that are not message-signalled, the kernel runs programs in ACPI
    // tables, and the interpreter uses freed memory after a failed allocation. The NIC needs no
    // such interrupts.
    .arguments(&["acpi=noirq"])
    // vmalloc() prints a call trace when it fails; a real fault has a headline as well. If
    // ixgbe itself fails early, it takes vfs_lock before it has initialized this lock.
    .tolerated(&["Call Trace:", "INFO: trying to register non-static key"])
    .unless(no_allocation_fails);
const PF: Wanted = PLAIN.nics(&["82599"]);

/// Returns why the test cannot run on the kernel of this run, if that kernel fails no allocations on demand.
fn no_allocation_fails() -> Option<&'static str> {
    let fails_on_demand = std::env::var_os("HPCAP_TEST_KERNEL").is_some_and(|folder| {
        let config = std::fs::read_to_string(Path::new(&folder).join("config")).unwrap();
        config.lines().any(|line| line == "CONFIG_FAILSLAB=y")
    });
    let why = "Debian's kernels fail no allocations on demand; make test-sanitized";
    (!fails_on_demand).then_some(why)
}

/// Runs `failing-allocations`, which repeats an operation with each allocation failing in turn. At
/// least one of the attempts must be refused.
#[track_caller]
fn each_fails(vm: &Vm, arguments: &str) {
    let said = vm.sh_for(&format!("failing-allocations {arguments}"), TIME_LIMIT);
    let end = events(&said).find(|e| e["event"] == "end").unwrap();
    println!("{arguments}: {end}");
    let refused = end["refused"].as_object().unwrap();
    assert!(!refused.is_empty(), "{end}");
}

/// Fails the test if kmemleak finds memory that the attempts allocated and lost.
#[track_caller]
fn nothing_is_lost(vm: &Vm) {
    let file = "/sys/kernel/debug/kmemleak";
    let scan = format!("echo scan >{file}; sleep 1");
    let look = format!("{scan}; {scan}; cat {file}; echo clear >{file}");
    let found = vm.sh(&format!("[ ! -e {file} ] || {{ {look}; }}"));
    let objects = found.split("unreferenced object").skip(1);
    let lost: Vec<_> = objects
        .filter(|object| object.contains("failing-allocat"))
        .filter(|object| !NOT_OURS.iter().any(|function| object.contains(function)))
        .collect();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

fn loading_survives_every_allocation_that_fails(vm: &Vm) {
    each_fails(vm, "load hpcap ring_bytes=1M");
    vm.sh("modprobe hpcap ring_bytes=1M");
    each_fails(vm, "load hpcap_testnic 'size=200 rate=200'");
    vm.sh("modprobe -r hpcap");
    nothing_is_lost(vm);
}

fn a_queue_survives_every_allocation_that_fails(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=1M; modprobe hpcap_testnic size=200 rate=200");
    each_fails(vm, "attach hpcap0");
    let queue = "/sys/class/hpcap/hpcap_0_0";
    for (file, value, before) in [
        ("ring_bytes", "2M", "1M"),
        ("filter", "1\n6 0 0 60", ""),
        ("dedup/enabled", "1", "0"),
    ] {
        let file = format!("{queue}/{file}");
        each_fails(vm, &format!("write {file} '{value}' {file} '{before}'"));
    }
    vm.sh("modprobe veth; ip link add send type veth peer name wire; ip link set wire up");
    vm.sh("modprobe hpcap_netdev");
    let parameters = "/sys/module/hpcap_netdev/parameters";
    each_fails(
        vm,
        &format!("write {parameters}/attach wire:7 {parameters}/detach wire"),
    );
    vm.sh("modprobe -r hpcap_netdev hpcap_testnic hpcap");
    nothing_is_lost(vm);
}

fn a_port_survives_every_allocation_that_fails(vm: &Vm) {
    vm.load("hpcap_ixgbe", "ring_bytes=1M", "mode=hpcap");
    let driver = "/sys/bus/pci/drivers/hpcap_ixgbe";
    vm.sh(&format!("echo 0000:00:08.0 >{driver}/unbind"));
    // A probe takes long and makes many allocations that are not hpcap's.
    each_fails(
        vm,
        &format!("--step 7 write {driver}/bind 0000:00:08.0 {driver}/unbind 0000:00:08.0"),
    );
    vm.sh(&format!("echo 0000:00:08.0 >{driver}/bind"));
    each_fails(
        vm,
        "--step 3 write /sys/class/net/hpcap0/flags 0x1003 /sys/class/net/hpcap0/flags 0x1002",
    );
    vm.sh("modprobe -r hpcap_ixgbe hpcap");
    nothing_is_lost(vm);
}
