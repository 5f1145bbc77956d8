//! Every frame of every test capture, and a million generated frames, are compared byte for byte.

use hpcap_e2e::captures;
use hpcap_e2e::network::{Fate, fate};
use hpcap_e2e::recording::contents;
use hpcap_e2e::vm::{Vm, Wanted, scaled};
use testkit::pcap::ETHERNET;
use vmlab::control::{Handler, Request};

vm_tests!(
    every_frame_through_the_82599: Wanted::PF,
    every_frame_through_the_virtual_function: Wanted::VF,
    every_frame_through_an_igb_of_qemu: Wanted::IGB,
    every_frame_through_any_network_device: Wanted::PLAIN,
);

const FRAMES: u64 = 1_000_000;
const MTU: usize = 9000;

fn every_frame_through_the_82599(vm: &Vm) {
    through_a_nic(vm, "hpcap_ixgbe");
}

fn every_frame_through_the_virtual_function(vm: &Vm) {
    through_a_nic(vm, "hpcap_ixgbevf");
}

/// Nobody here wrote this NIC.
fn every_frame_through_an_igb_of_qemu(vm: &Vm) {
    through_a_nic(vm, "hpcap_igb");
}

/// Compares frames through a NIC that waits while the driver is slower, so that no frame may be
/// missing.
fn through_a_nic(vm: &Vm, driver: &str) {
    vm.load(driver, "ring_bytes=64M when_full=hold", "mode=hpcap");
    vm.sh(&format!("ip link set hpcap0 mtu {MTU}"));
    vm.up("hpcap0");
    let recorder = vm.recorder("hpcap0", "raw");
    let frames = scaled(FRAMES);
    vm.traffic(0, &format!("gen:size=imix,count={frames}"));
    let folder = tempfile::tempdir().unwrap();
    let mut sent = 1000;
    vm.traffic(0, &format!("gen:size=imix,vlan=5,count={sent}"));
    for capture in captures::all(folder.path()) {
        if capture.file.link_type != ETHERNET {
            continue;
        }
        sent += capture.file.frames.len() as u64;
        let source = format!("pcap:{}", capture.path.display());
        vm.start_traffic(0, &source);
        // A truncated capture file is reported after its frames were sent.
        let ended = vm.lab.handle(&Request::TrafficWait { nic: 0 });
        assert_eq!(
            ended.is_ok(),
            capture.file.whole,
            "{}: {ended:?}",
            capture.name
        );
    }
    vm.end_recorder(recorder, "raw");
    let record = vm.record(0);
    let totals = &record.totals;
    assert_eq!(totals.offered.frames, frames + sent);
    assert_eq!(totals.missed.frames + totals.down.frames, 0);
    let ledger = vm.ledger("hpcap_0_0");
    assert_eq!(ledger["captured"], totals.all_delivered().frames);
    assert_eq!((ledger["ring_full"], ledger["nic_missed"]), (0, 0));
    vm.proves(0, "raw");
}

fn every_frame_through_any_network_device(vm: &Vm) {
    vm.sh("modprobe veth; ip link add send type veth peer name wire");
    vm.sh("for i in all default send wire; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done 2>/dev/null || true");
    vm.sh(&format!(
        "for i in send wire; do ip link set $i mtu {MTU} arp off multicast off up; done"
    ));
    vm.sh("modprobe hpcap ring_bytes=64M when_full=hold");
    vm.sh("modprobe hpcap_netdev interfaces=wire:0 limit=65536");
    let recorder = vm.recorder("hpcap0", "raw");
    let frames = scaled(FRAMES);
    vm.sh(&format!(
        "hpcap-bench send gen:size=imix,count={frames} --to send"
    ));
    // Frames that still wait for room in the ring are recorded, too.
    let sum = "cat /sys/class/hpcap/hpcap_0_0/ledger/* | awk '{ n += $1 } END { print n }'";
    vm.until(&format!("[ $({sum}) -ge {frames} ]"));
    vm.end_recorder(recorder, "raw");
    let stored = vm.generated("raw");
    let ledger = vm.ledger("hpcap_0_0");
    assert_eq!(stored.frames, ledger["captured"], "{ledger:?}");
    // A gap after the last frame leaves no hole in the sequence numbers.
    assert_eq!(stored.damaged, 0);
    assert!(stored.missing <= stored.lost, "{ledger:?}");
    assert_eq!(stored.frames + stored.lost, frames, "{ledger:?}");

    let folder = tempfile::tempdir().unwrap();
    let recorder = vm.recorder("hpcap0", "captures");
    let mut expected = Vec::new();
    for capture in captures::all(folder.path()) {
        if capture.file.link_type != ETHERNET || capture.file.frames.is_empty() {
            continue;
        }
        let arriving = capture.file.frames.iter().map(|f| f.data.clone());
        expected.extend(arriving.filter(|f| fate(f, MTU) == Fate::Arrives));
        let send = format!("hpcap-bench send pcap:{} --to send", capture.path.display());
        let sent = vm.attempt(&send, std::time::Duration::from_secs(300));
        assert_eq!(
            sent.code == 0,
            capture.file.whole,
            "{}: {sent:?}",
            capture.name
        );
    }
    vm.end_recorder(recorder, "captures");
    let found = contents(&vm.out("captures"));
    assert_eq!(
        (found.lost, found.damage.len()),
        (0, 0),
        "{:?}",
        found.damage
    );
    let found: Vec<_> = found.frames.into_iter().map(|f| f.data).collect();
    assert_eq!(found.len(), expected.len());
    for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "frame {n}");
    }

    // A multicast packet that the machine sends is looped back to it without having been on the
    // wire.
    vm.sh("ip addr add 10.9.0.1/24 dev wire; ip link set wire arp on multicast on");
    vm.sh("ip route add 224.0.0.0/4 dev wire");
    let before = vm.ledger("hpcap_0_0");
    vm.sh("bash -c 'echo hello >/dev/udp/224.0.0.1/9'; sleep 0.2");
    assert_eq!(vm.ledger("hpcap_0_0"), before);
    vm.sh("modprobe -r hpcap_netdev hpcap");
}
