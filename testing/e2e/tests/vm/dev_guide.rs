//! Regression tests for the bugs that the developer guide of the original software lists and that
//! software can show. Some are tested elsewhere: 3.8.2, 3.8.5, 3.8.10, 3.8.12 (`listeners`), 3.8.6,
//! 3.8.7 (`ports`), 3.8.11 (`fuzz`), 3.8.13 (`rings`). Bug 3.8.9, an NMI of a broken board, is not
//! a bug of software.

use hpcap_e2e::vm::{Vm, Wanted};

vm_tests!(
    dg_3_8_1_the_distributions_driver_stays_the_default: Wanted::PF,
    dg_3_8_3_memory_that_cannot_be_had: Wanted::PF,
    dg_3_8_4_an_interface_that_is_renamed: Wanted::PF,
    dg_3_8_8_and_3_8_14_and_3_8_15_frames_of_every_length_with_tags_and_odd_types: Wanted::PF,
);

/// Bug 3.8.1: after a crash, the machine booted with the capture driver and crashed again. The
/// driver of hpcap is never loaded automatically, neither when a NIC is found nor in place of
/// ixgbe.
fn dg_3_8_1_the_distributions_driver_stays_the_default(vm: &Vm) {
    let alias = vm.sh("cat /sys/bus/pci/devices/0000:00:08.0/modalias");
    let found = vm.sh(&format!("modprobe --resolve-alias {}", alias.trim()));
    assert_eq!(found.trim(), "ixgbe");
    vm.sh(&format!("modprobe {}", alias.trim()));
    vm.nothing_is_loaded();
    // The device belongs to ixgbe now. hpcap_ixgbe leaves it alone, and takes the device when it is
    // free.
    vm.sh("modprobe hpcap_ixgbe mode=hpcap");
    vm.sh("[ ! -e /dev/hpcap_0_0 ]; modprobe -r ixgbe");
    vm.sh("[ -e /dev/hpcap_0_0 ] || echo 0000:00:08.0 >/sys/bus/pci/drivers/hpcap_ixgbe/bind");
    vm.up("hpcap0");
}

/// Bug 3.8.3: buffers were allocated from a pool inside the module, which was too small for them.
fn dg_3_8_3_memory_that_cannot_be_had(vm: &Vm) {
    // The ring takes half of the memory of the machine.
    vm.load(
        "hpcap_ixgbe",
        "ring_bytes=400M when_full=hold",
        "mode=hpcap",
    );
    vm.up("hpcap0");
    let recorder = vm.recorder("hpcap0", "raw");
    vm.traffic(0, "gen:size=imix,count=20000");
    vm.end_recorder(recorder, "raw");
    vm.proves(0, "raw");
    let ring = "/sys/class/hpcap/hpcap_0_0/ring_bytes";
    for (size, why) in [
        ("100G", "Cannot allocate memory"),
        ("2000000000000T", "Invalid argument"),
        ("4097", "Invalid argument"),
    ] {
        let said = vm.refused(&format!("/bin/echo {size} >{ring}"));
        assert!(said.contains(why), "{size}: {said}");
    }
    // The queue keeps its ring and continues.
    assert_eq!(
        vm.sh(&format!("cat {ring}")).trim(),
        (400 << 20).to_string()
    );
    let recorder = vm.recorder("hpcap0", "more");
    vm.traffic(0, "gen:size=imix,count=20000");
    vm.end_recorder(recorder, "more");
    assert_eq!(vm.generated("more").frames, 20_000);
    // The module itself is small, because no ring is part of it.
    let bytes = vm.sh("awk '$1 == \"hpcap\" { print $2 }' /proc/modules");
    assert!(bytes.trim().parse::<u64>().unwrap() < 1 << 20, "{bytes}");
}

/// Bug 3.8.4: udev renamed interfaces, and scripts that read the log did not find them again.
fn dg_3_8_4_an_interface_that_is_renamed(vm: &Vm) {
    vm.load("hpcap_ixgbe", "ring_bytes=16M when_full=hold", "mode=hpcap");
    vm.sh("ip link set hpcap0 name enp0s8");
    vm.up("enp0s8");
    // The recorder finds the queue by the queue's own name.
    let recorder = vm.recorder("hpcap0", "raw");
    vm.traffic(0, "gen:size=imix,count=5000");
    vm.end_recorder(recorder, "raw");
    vm.proves(0, "raw");
}

/// Bug 3.8.8: all frames were lost after padding had fitted exactly. Bug 3.8.14: VLAN tags were
/// lost. Bug 3.8.15: frames were counted as errors because a field in them was taken for their
/// length.
fn dg_3_8_8_and_3_8_14_and_3_8_15_frames_of_every_length_with_tags_and_odd_types(vm: &Vm) {
    vm.load(
        "hpcap_ixgbe",
        "ring_bytes=512K when_full=hold",
        "mode=hpcap",
    );
    vm.up("hpcap0");
    let recorder = vm.recorder("hpcap0", "raw");
    // Blocks have 128 KiB, and frames of each size fill several of them, so that padding of every
    // length occurs.
    for size in (60..400).step_by(4) {
        vm.traffic(0, &format!("gen:size={size},count=2200"));
    }
    for vlan in [0, 1, 4095] {
        vm.traffic(0, &format!("gen:size=64-1518,vlan={vlan},count=2000"));
    }
    let odd = hpcap_e2e::captures::odd_types(vm.out("odd.pcap"));
    vm.traffic(0, &format!("pcap:{}", odd.display()));
    vm.end_recorder(recorder, "raw");
    let ledger = vm.ledger("hpcap_0_0");
    assert_eq!(
        ledger["captured"],
        vm.record(0).totals.offered.frames,
        "{ledger:?}"
    );
    vm.proves(0, "raw");
    for counter in ["rx_errors", "rx_length_errors"] {
        let line = format!("cat /sys/class/net/hpcap0/statistics/{counter}");
        assert_eq!(vm.sh(&line).trim(), "0", "{counter}");
    }
}
