//! Several NICs: the numbers of their interfaces, both modes side by side, and transmission.

use std::collections::BTreeMap;
use std::time::Duration;

use hpcap::Reason;
use hpcap_e2e::vm::{Vm, Wanted, on_the_wire, scaled};

vm_tests!(
    dg_3_8_6_a_standard_port_pings_beside_a_loaded_hpcap_port: Wanted::PLAIN.nics(&["82599", "82599"]),
    dg_3_8_7_transmission_on_an_hpcap_port: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M"),
    interfaces_are_numbered_by_their_place_on_the_bus: Wanted::PLAIN.nics(&["82599", "82599vf", "82599", "82599vf"]),
    ethtool_shows_the_ledger_and_sets_no_queues: Wanted::PF,
);

/// Bug 3.8.6: a port in standard mode crashed because its ring had been filled in another way.
fn dg_3_8_6_a_standard_port_pings_beside_a_loaded_hpcap_port(vm: &Vm) {
    vm.load("hpcap_ixgbe", "ring_bytes=16M", "mode=hpcap,standard");
    vm.up("hpcap0");
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=20kpps");
    for _ in 0..3 {
        vm.up("xgb1");
        vm.sh("ip addr add 10.0.1.2/24 dev xgb1");
        // The pings are more than the ring has descriptors, in both directions.
        let said = vm.sh("busybox ping -A -c 700 -q 10.0.1.1");
        assert!(said.contains(" 0% packet loss"), "{said}");
        vm.sh("ip addr flush dev xgb1; ip link set xgb1 down");
    }
    vm.stop_traffic(0);
    vm.end_recorder(recorder, "raw");
    vm.proves(0, "raw");
    assert!(vm.ledger("hpcap_0_0")["captured"] > 0);
    vm.sh("[ ! -e /dev/hpcap_1_0 ]");
}

/// Bug 3.8.7: transmission on a capturing port hung, and the port was reset.
fn dg_3_8_7_transmission_on_an_hpcap_port(vm: &Vm) {
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=5kpps");
    vm.sh("ip addr add 10.0.0.2/24 dev hpcap0");
    let said = vm.attempt("busybox ping -c 3 -w 3 10.0.0.1", Duration::from_secs(20));
    assert_ne!(said.code, 0, "a capturing port does not send");
    vm.sh("hpcap-bench send gen:size=imix,count=5000 --to hpcap0 || true");
    // The watchdogs of the network stack and of the driver look for a hang every 5 and every 2
    // seconds.
    std::thread::sleep(Duration::from_secs(7));
    vm.stop_traffic(0);
    vm.end_recorder(recorder, "raw");
    let said = vm.console();
    for trouble in [
        "Reset adapter",
        "Tx Unit Hang",
        "NETDEV WATCHDOG",
        "tx hang",
    ] {
        assert!(!said.contains(trouble), "{said}");
    }
    let counts = vm.sh("lab counts --nic 0");
    let counts: serde_json::Value = serde_json::from_str(&counts).unwrap();
    assert_eq!(counts["transmitted"]["frames"], 0, "{counts}");
    assert!(vm.ledger("hpcap_0_0")["captured"] > scaled(20_000));
    vm.proves(0, "raw");
}

/// Physical and virtual functions are numbered in the order of the bus, whichever is probed first.
fn interfaces_are_numbered_by_their_place_on_the_bus(vm: &Vm) {
    vm.load(
        "hpcap_ixgbevf",
        "ring_bytes=1M",
        "mode=hpcap,hpcap,hpcap,hpcap",
    );
    vm.sh("modprobe hpcap_ixgbe mode=hpcap,hpcap,standard,hpcap");
    let device = |name: &str| {
        let line = format!("basename $(readlink /sys/class/net/{name}/device)");
        vm.sh(&line).trim().to_owned()
    };
    for (name, place) in [
        ("hpcap0", "0000:00:08.0"),
        ("hpcap1", "0000:00:09.0"),
        ("xgb2", "0000:00:0a.0"),
        ("hpcap3", "0000:00:0b.0"),
    ] {
        assert_eq!(device(name), place, "{name}");
    }
    let nodes = vm.sh("cd /dev; ls -d hpcap_*");
    let nodes: Vec<_> = nodes.lines().collect();
    assert_eq!(nodes, ["hpcap_0_0", "hpcap_1_0", "hpcap_3_0"]);
    // A NIC that is unbound and bound again gets the same number.
    vm.sh("echo 0000:00:09.0 >/sys/bus/pci/drivers/hpcap_ixgbevf/unbind");
    vm.sh("echo 0000:00:09.0 >/sys/bus/pci/drivers/hpcap_ixgbevf/bind");
    assert_eq!(device("hpcap1"), "0000:00:09.0");
}

/// ethtool shows the ledger of each queue, and the sums under the names that scripts for the
/// original expect.
fn ethtool_shows_the_ledger_and_sets_no_queues(vm: &Vm) {
    vm.load("hpcap_ixgbe", "ring_bytes=1M", "mode=hpcap queues=2");
    vm.up("hpcap0");
    vm.sh("echo 1 >/sys/class/hpcap/hpcap_0_1/dedup/enabled");
    // The first frames are sent without a listener, the next ones with a listener that is too slow.
    let frames = scaled(100_000);
    vm.traffic(0, &format!("gen:size=60,flows=64,count={frames}"));
    let recorder = vm.recorder("hpcap0:0", "raw");
    vm.traffic(0, &format!("gen:size=imix,flows=64,count={frames}"));
    vm.end_recorder(recorder, "raw");
    vm.sh("ip link set hpcap0 down");

    let said = vm.sh("ethtool -S hpcap0");
    let told: BTreeMap<&str, u64> = said
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    let ledgers = [vm.ledger("hpcap_0_0"), vm.ledger("hpcap_0_1")];
    for (queue, ledger) in ledgers.iter().enumerate() {
        for (reason, frames) in ledger {
            let name = format!("hpcap_q{queue}_{reason}");
            assert_eq!(told.get(&*name), Some(frames), "{name}");
        }
        assert!(on_the_wire(ledger) > 0, "{ledger:?}");
    }
    for (alias, reason) in [
        ("rx_hpcap_client_lost_frames", Reason::RingFull),
        ("rx_hpcap_noclient_frames", Reason::NoListener),
        ("rx_hpcap_dup_frames", Reason::Duplicate),
    ] {
        let sum: u64 = ledgers.iter().map(|ledger| ledger[reason.name()]).sum();
        assert_eq!(told[alias], sum, "{alias}");
    }
    let sum: u64 = ledgers.iter().map(on_the_wire).sum();
    assert_eq!(sum, 2 * frames);

    let said = vm.sh("ethtool -l hpcap0");
    let combined: Vec<_> = said.lines().filter(|l| l.starts_with("Combined")).collect();
    let numbers = combined.iter().map(|l| l.split_whitespace().last());
    assert_eq!(numbers.collect::<Vec<_>>(), [Some("2"); 2], "{said}");
    for line in [
        "ethtool -L hpcap0 combined 1",
        "ethtool -A hpcap0 rx on",
        "ethtool -t hpcap0",
    ] {
        let said = vm.refused(line);
        assert!(said.contains("not supported"), "{line}: {said}");
    }
    vm.sh("ethtool -G hpcap0 rx 512; ip link set hpcap0 up");
    let said = vm.refused("ethtool -G hpcap0 rx 1024");
    assert!(said.contains("set the interface down first"), "{said}");
    vm.sh("modprobe -r hpcap_ixgbe hpcap");
}
