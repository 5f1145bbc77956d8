//! Behaviour of devices: frames of any length, errors on the PCI bus, an "up" that fails halfway,
//! and unsupported devices.

use hpcap_e2e::vm::{LOST_BY_QEMU, Vm, Wanted, on_the_wire, scaled};

vm_tests!(
    long_frames_arrive_whatever_the_mtu: Wanted::PF.capturing("hpcap_ixgbe", LOSSLESS),
    long_frames_arrive_at_a_virtual_function: Wanted::VF.capturing("hpcap_ixgbevf", LOSSLESS),
    long_frames_arrive_at_an_igb: Wanted::IGB.capturing("hpcap_igb", LOSSLESS),
    capture_goes_on_after_a_pci_error: Wanted::PF,
    capture_goes_on_after_a_pci_error_of_a_vf: Wanted::VF,
    capture_goes_on_after_a_pci_error_of_an_igb: Wanted::IGB,
    an_up_that_fails_late_frees_no_live_slots: Wanted::PF,
    an_up_of_a_vf_that_fails_late_frees_no_live_slots: Wanted::VF,
    an_up_of_an_igb_that_fails_late_frees_no_live_slots: Wanted::IGB,
    an_unknown_device_is_refused: Wanted::PLAIN.nics(&["82598", "82599"]),
    a_ring_for_a_queue_without_device: Wanted::PF.arguments(&["slub_debug=P"]),
    a_long_ring_is_counted_at_down: Wanted::PLAIN,
    readers_of_sysfs_leave_the_queue_alone: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=1M"),
);

/// Parameters of the module for a NIC that waits while the recorder is slower.
const LOSSLESS: &str = "ring_bytes=16M when_full=hold";
const DEVICE: &str = "0000:00:08.0";
const TEST: &str = "/sys/module/hpcap_testnic/parameters";

/// The frames are QinQ, baby jumbo, jumbo, and the longest that the MAC accepts, without FCS.
fn long_frames_arrive_whatever_the_mtu(vm: &Vm) {
    long_frames_arrive(vm, &[1515, 1522, 2048, 4097, 9700, 15_868]);
}

/// A physical function allows 9728 bytes with FCS.
fn long_frames_arrive_at_a_virtual_function(vm: &Vm) {
    long_frames_arrive(vm, &[1515, 1522, 2048, 4097, 9724]);
}

/// An 82576 accepts 9728 bytes with FCS.
fn long_frames_arrive_at_an_igb(vm: &Vm) {
    long_frames_arrive(vm, &[1515, 1522, 2048, 4097, 9700, 9724]);
}

fn long_frames_arrive(vm: &Vm, sizes: &[u32]) {
    assert_eq!(vm.sh("cat /sys/class/net/hpcap0/mtu").trim(), "1500");
    let recorder = vm.recorder("hpcap0", "raw");
    for size in sizes {
        vm.traffic(0, &format!("gen:size={size},count=200"));
    }
    vm.end_recorder(recorder, "raw");
    let totals = vm.record(0).totals;
    assert_eq!(totals.offered.frames, 200 * sizes.len() as u64);
    assert_eq!(
        totals.all_delivered().frames,
        totals.offered.frames,
        "{totals:?}"
    );
    let ledger = vm.ledger("hpcap_0_0");
    assert_eq!(ledger["captured"], totals.offered.frames, "{ledger:?}");
    vm.proves(0, "raw");
}

fn capture_goes_on_after_a_pci_error(vm: &Vm) {
    pci_errors(vm, "hpcap_ixgbe", true);
}

fn capture_goes_on_after_a_pci_error_of_a_vf(vm: &Vm) {
    pci_errors(vm, "hpcap_ixgbevf", true);
}

fn capture_goes_on_after_a_pci_error_of_an_igb(vm: &Vm) {
    pci_errors(vm, "hpcap_igb", false);
}

/// A PCI error may be noticed first by the PCI core or by the driver. In the first case the
/// listener waits; in the second case the queue ends and is created again. A NIC of QEMU always answers, so
/// only the PCI core can notice an error of one that is not `of_lab`.
fn pci_errors(vm: &Vm, driver: &str, of_lab: bool) {
    vm.load(driver, "ring_bytes=16M", "mode=hpcap");
    vm.sh("modprobe hpcap_testnic first=8");
    vm.up("hpcap0");
    let captured = |more: u64| {
        let count = "$(cut -d' ' -f1 /sys/class/hpcap/hpcap_0_0/ledger/captured)";
        let now: u64 = vm.sh(&format!("echo {count}")).trim().parse().unwrap();
        vm.until(&format!("[ {count} -gt {} ]", now + more));
    };
    let recorder = vm.recorder("hpcap0", "first");
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    captured(500);
    vm.sh(&format!("echo {DEVICE} >{TEST}/pci_error"));
    if of_lab {
        vm.fault(0, "remove");
        vm.fault(0, "restore");
    }
    vm.sh(&format!("echo {DEVICE} >{TEST}/pci_recovery"));
    captured(500);
    if !of_lab {
        vm.stop_traffic(0);
        vm.end_recorder(recorder, "first");
        let stored = vm.generated("first");
        assert!(stored.frames > 1000 && stored.damaged == 0, "{stored:?}");
        let sent = vm.record(0).totals.all_delivered().frames;
        assert!(stored.frames + LOST_BY_QEMU >= sent, "{sent}, {stored:?}");
        vm.sh(&format!("modprobe -r hpcap_testnic {driver} hpcap"));
        return;
    }

    vm.fault(0, "remove");
    // The driver notices the error by itself, which ends the queue. The recorder fails, because its
    // source had not ended.
    recorder.exits(1);
    vm.until("[ ! -e /dev/hpcap_0_0 ]");
    vm.sh(&format!("echo {DEVICE} >{TEST}/pci_error"));
    vm.fault(0, "restore");
    vm.sh(&format!("echo {DEVICE} >{TEST}/pci_recovery"));
    vm.until("[ -e /dev/hpcap_0_0 ]");
    let recorder = vm.recorder("hpcap0", "second");
    captured(500);
    vm.stop_traffic(0);
    vm.sh("kill -INT $(cat /out/second.pid)");
    recorder.finish();
    for folder in ["first", "second"] {
        let stored = vm.generated(folder);
        assert!(stored.frames > 500 && stored.damaged == 0, "{stored:?}");
    }
    vm.sh(&format!("modprobe -r hpcap_testnic {driver} hpcap"));
}

/// The NIC receives as soon as its rings are set up, before interrupts and queues are. The module
/// itself warns if slots are freed while the NIC may still write to them.
fn an_up_that_fails_late_frees_no_live_slots(vm: &Vm) {
    up_fails_late(vm, "hpcap_ixgbe");
}

fn an_up_of_a_vf_that_fails_late_frees_no_live_slots(vm: &Vm) {
    up_fails_late(vm, "hpcap_ixgbevf");
}

fn an_up_of_an_igb_that_fails_late_frees_no_live_slots(vm: &Vm) {
    up_fails_late(vm, "hpcap_igb");
}

fn up_fails_late(vm: &Vm, driver: &str) {
    vm.load(driver, "ring_bytes=16M", "mode=hpcap");
    vm.sh(&format!(
        "modprobe hpcap_testnic first=8; echo netif_set_real_num_rx_queues >{TEST}/fail"
    ));
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    for _ in 0..3 {
        let said = vm.refused("ip link set hpcap0 up");
        assert!(said.contains("Cannot allocate memory"), "{said}");
    }
    vm.stop_traffic(0);
    vm.sh(&format!("echo >{TEST}/fail"));
    vm.up("hpcap0");
    let recorder = vm.recorder("hpcap0", "raw");
    vm.traffic(0, "gen:size=imix,count=5000");
    vm.end_recorder(recorder, "raw");
    assert_eq!(vm.generated("raw").frames, 5000, "{driver}");
}

/// The 82598 has no software model. The other device is supported.
fn an_unknown_device_is_refused(vm: &Vm) {
    vm.load("hpcap_ixgbe", "ring_bytes=1M", "mode=hpcap,hpcap");
    // Unsupported devices are numbered after the supported ones.
    vm.sh("[ -e /dev/hpcap_0_0 ]; [ ! -e /dev/hpcap_1_0 ]");
    let said = vm.console();
    for part in ["no hpcap mode on an 82598", "--untested"] {
        assert!(said.contains(part), "{said}");
    }
    vm.sh("modprobe -r hpcap_ixgbe hpcap");
}

/// This kernel overwrites freed memory, so a use of the freed device shows.
fn a_ring_for_a_queue_without_device(vm: &Vm) {
    vm.load("hpcap_ixgbe", "ring_bytes=1M", "mode=hpcap");
    let late = vm.background("exec late-ring /dev/hpcap_0_0 2097152 --after /out/gone");
    vm.until("[ -e /out/gone.open ]");
    vm.sh(&format!("echo 1 >/sys/bus/pci/devices/{DEVICE}/remove"));
    vm.sh("touch /out/gone");
    let said = late.finish();
    assert!(said.contains("its adapter is gone"), "{said}");
}

/// When the adapter is taken down, 40,000 frames wait in it because the ring is full.
fn a_long_ring_is_counted_at_down(vm: &Vm) {
    let frames = 60_000;
    vm.sh(&format!(
        "modprobe hpcap ring_bytes=1M when_full=hold
        modprobe hpcap_testnic rate=1000000 count={frames} backlog=40000 up=0"
    ));
    let listener = vm.background("exec e2e-listener hpcap0 --stuck >/out/stuck.json");
    vm.until("grep -q attached /out/stuck.json");
    vm.sh(&format!("echo 1 >{TEST}/up"));
    // The test waits for all frames that fit neither into the adapter nor into the ring.
    let sum = "$(cat /sys/class/hpcap/hpcap_0_0/ledger/* | awk '{ n += $1 } END { print n }')";
    vm.until(&format!("[ {sum} -ge {} ]", frames - 40_000));
    vm.sh(&format!("echo 0 >{TEST}/up"));
    let ledger = vm.ledger("hpcap_0_0");
    assert_eq!(on_the_wire(&ledger), frames, "{ledger:?}");
    vm.sh("echo 0 >/sys/module/hpcap_testnic/parameters/remove");
    drop(listener);
}

/// Any user may read these files. A reader must neither take the poll thread's lock nor access the
/// NIC.
fn readers_of_sysfs_leave_the_queue_alone(vm: &Vm) {
    let trace = "/sys/kernel/tracing";
    vm.sh(&format!(
        "mount -t tracefs tracefs {trace} 2>/dev/null || true
        cd {trace}
        echo 'p:hpcap_looks hpcap:hpcap_rxq_service_at' >kprobe_events
        echo 'p:hpcap_counts hpcap:hpcap_rxq_count' >>kprobe_events
        echo 1 >events/kprobes/enable"
    ));
    let rounds = scaled(200);
    vm.sh(&format!(
        "user='setpriv --reuid 1001 --regid 1001 --clear-groups'
        for i in $(seq {rounds}); do
            $user cat /sys/class/hpcap/hpcap_0_0/ledger/* /sys/class/hpcap/hpcap_0_0/state \
                /sys/class/hpcap/hpcap_0_0/caplen /sys/class/hpcap/hpcap_0_0/filter >/dev/null
        done
        ! $user cat /sys/class/hpcap/hpcap_0_0/listeners 2>/dev/null
        ethtool -S hpcap0 >/dev/null
        echo 0 >{trace}/events/kprobes/enable"
    ));
    let seen = vm.sh(&format!("cat {trace}/trace"));
    let hits = || seen.lines().filter(|line| line.contains("hpcap_rxq_"));
    assert!(hits().count() > 0, "{seen}");
    let others: Vec<_> = hits().filter(|line| !line.contains("hpcap_0_0-")).collect();
    assert!(others.is_empty(), "{others:?}");
}
