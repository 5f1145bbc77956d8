//! Up and down, loading and unloading, link flaps and removed NICs: nothing is leaked, and every
//! frame is accounted for.

use std::time::Duration;

use hpcap_e2e::vm::{LOST_BY_QEMU, Vm, Wanted, on_the_wire, scaled};

vm_tests!(
    up_and_down_a_hundred_times_under_traffic: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M"),
    an_igb_goes_up_and_down_under_traffic: Wanted::IGB.capturing("hpcap_igb", "ring_bytes=16M when_full=hold"),
    loaded_and_unloaded_fifty_times: Wanted::PF,
    an_igb_is_loaded_and_unloaded: Wanted::IGB,
    unloading_is_refused_while_somebody_listens: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M when_full=hold"),
    unloading_of_an_igb_is_refused_while_somebody_listens: Wanted::IGB.capturing("hpcap_igb", "ring_bytes=16M when_full=hold"),
    a_link_that_flaps: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M"),
    a_nic_that_is_pulled_out: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M"),
    an_igb_that_is_removed: Wanted::IGB.capturing("hpcap_igb", "ring_bytes=16M when_full=hold"),
);

fn up_and_down_a_hundred_times_under_traffic(vm: &Vm) {
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    let times = scaled(100);
    vm.sh_for(
        &format!(
            "for i in $(seq {times}); do
                ip link set hpcap0 down
                ip link set hpcap0 up
                # Some times something arrives, some times it is too early.
                [ $((i % 4)) = 0 ] || sleep 0.$((i % 3))
            done"
        ),
        Duration::from_secs(900),
    );
    vm.until("grep -q up /sys/class/net/hpcap0/operstate");
    std::thread::sleep(Duration::from_secs(1));
    vm.stop_traffic(0);
    vm.end_recorder(recorder, "raw");
    let totals = vm.record(0).totals;
    let ledger = vm.ledger("hpcap_0_0");
    assert!(
        totals.down.frames > 0 && totals.all_delivered().frames > 0,
        "{totals:?}"
    );
    let taken = totals.all_delivered().frames + totals.missed.frames + totals.errors.frames;
    assert_eq!(on_the_wire(&ledger), taken, "{ledger:?}, {totals:?}");
    vm.proves(0, "raw");
}

/// The queue captures each frame that the NIC counts as received. QEMU loses some of those on the wire at each "up".
fn an_igb_goes_up_and_down_under_traffic(vm: &Vm) {
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    let rounds = scaled(6).max(2);
    for round in 0..rounds {
        vm.sh("ip link set hpcap0 down; ip link set hpcap0 up");
        // Some times something arrives, some times it is too early.
        if round % 2 == 0 {
            has_captured(vm, 500);
        }
    }
    has_captured(vm, 500);
    vm.stop_traffic(0);
    vm.end_recorder(recorder, "raw");
    let (totals, ledger) = (vm.record(0).totals, vm.ledger("hpcap_0_0"));
    let received = vm.sh("ethtool -S hpcap0 | awk '$1 == \"rx_packets:\" { print $2 }'");
    assert_eq!(
        received.trim(),
        ledger["captured"].to_string(),
        "{ledger:?}"
    );
    assert_eq!(ledger["captured"], on_the_wire(&ledger), "{ledger:?}");
    let lost = totals.all_delivered().frames - ledger["captured"];
    assert!(lost <= rounds * LOST_BY_QEMU, "{ledger:?}, {totals:?}");
    let stored = vm.generated("raw");
    assert_eq!((stored.frames, stored.damaged), (ledger["captured"], 0));
}

/// Waits until the queue has captured this many frames more.
fn has_captured(vm: &Vm, more: u64) {
    let captured = vm.ledger("hpcap_0_0")["captured"];
    vm.until(&format!(
        "[ $(cut -d' ' -f1 /sys/class/hpcap/hpcap_0_0/ledger/captured) -gt {} ]",
        captured + more
    ));
}

fn loaded_and_unloaded_fifty_times(vm: &Vm) {
    loaded_and_unloaded(vm, "hpcap_ixgbe", 50);
}

fn an_igb_is_loaded_and_unloaded(vm: &Vm) {
    loaded_and_unloaded(vm, "hpcap_igb", 10);
}

/// This is also the test for leaks of slab objects, vmalloc areas, free pages and references to
/// modules.
fn loaded_and_unloaded(vm: &Vm, driver: &str, times: u64) {
    let rounds = scaled(times).max(10);
    // Each round brings an interface up, records frames, and replaces a ring.
    vm.sh_for(
        &format!(
            "leak-check --rounds {rounds} -- sh -ec '
                modprobe hpcap ring_bytes=1M
                modprobe {driver} mode=hpcap
                ip link set hpcap0 up
                modprobe hpcap_testnic adapters=2 queues=2 size=200 first=4
                hpcapdd --quiet hpcap5:1 null --frames 100
                echo 2M >/sys/class/hpcap/hpcap_4_0/ring_bytes
                modprobe -r hpcap_testnic
                modprobe -r {driver}
                modprobe -r hpcap' >/out/leaks.json || {{ cat /out/leaks.json; exit 1; }}"
        ),
        Duration::from_secs(900),
    );
    vm.nothing_is_loaded();
    assert!(
        vm.sh("ls /dev")
            .lines()
            .all(|line| !line.starts_with("hpcap"))
    );
}

fn unloading_is_refused_while_somebody_listens(vm: &Vm) {
    unloading_is_refused(vm, "hpcap_ixgbe");
}

fn unloading_of_an_igb_is_refused_while_somebody_listens(vm: &Vm) {
    unloading_is_refused(vm, "hpcap_igb");
}

fn unloading_is_refused(vm: &Vm, driver: &str) {
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    for module in [driver, "hpcap"] {
        let said = vm.refused(&format!("rmmod {module}"));
        assert!(said.contains("in use"), "{said}");
    }
    // The driver can be unbound from the device by force. The listener then sees the end of the
    // queue, which is not the end of a source.
    vm.sh(&format!(
        "echo 0000:00:08.0 >/sys/bus/pci/drivers/{driver}/unbind"
    ));
    recorder.exits(1);
    let stored = vm.generated("raw");
    assert!(stored.frames > 0 && stored.damaged == 0, "{stored:?}");
    assert_eq!(stored.missing, stored.lost);
    vm.stop_traffic(0);
    vm.sh(&format!("modprobe -r {driver} hpcap"));
}

fn a_link_that_flaps(vm: &Vm) {
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    for ms in [1, 20, 200, 1000, 50] {
        std::thread::sleep(Duration::from_millis(300));
        vm.fault(0, &format!("link-flap {ms}"));
    }
    vm.until("grep -q up /sys/class/net/hpcap0/operstate");
    let before = vm.ledger("hpcap_0_0")["captured"];
    vm.until(&format!(
        "[ $(cut -d' ' -f1 /sys/class/hpcap/hpcap_0_0/ledger/captured) -gt {} ]",
        before + 1000
    ));
    vm.stop_traffic(0);
    vm.end_recorder(recorder, "raw");
    assert!(vm.record(0).totals.down.frames > 0);
    vm.proves(0, "raw");
}

fn a_nic_that_is_pulled_out(vm: &Vm) {
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    vm.until("[ $(cut -d' ' -f1 /sys/class/hpcap/hpcap_0_0/ledger/captured) -gt 1000 ]");
    vm.fault(0, "remove");
    vm.stop_traffic(0);
    // The driver notices the removal by itself. The test tells the kernel, as hotplug would.
    vm.until("[ ! -e /dev/hpcap_0_0 ]");
    vm.sh("echo 1 >/sys/bus/pci/devices/0000:00:08.0/remove");
    recorder.exits(1);
    let stored = vm.generated("raw");
    assert!(stored.frames > 1000 && stored.damaged == 0, "{stored:?}");
    assert_eq!(stored.missing, stored.lost);
    vm.sh("modprobe -r hpcap_ixgbe hpcap");
}

/// The kernel removes the device as for a NIC that is unplugged by hand, while frames arrive.
fn an_igb_that_is_removed(vm: &Vm) {
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    has_captured(vm, 1000);
    vm.sh("echo 1 >/sys/bus/pci/devices/0000:00:08.0/remove; [ ! -e /dev/hpcap_0_0 ]");
    recorder.exits(1);
    vm.stop_traffic(0);
    let stored = vm.generated("raw");
    assert!(stored.frames > 1000 && stored.damaged == 0, "{stored:?}");
    assert_eq!(stored.missing, stored.lost);
    vm.sh("modprobe -r hpcap_igb hpcap");
}
