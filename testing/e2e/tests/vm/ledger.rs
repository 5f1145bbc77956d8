//! The ledger is exact at rates below, at and far above what the guest can take.

use hpcap_e2e::recording::contents;
use hpcap_e2e::vm::{Vm, Wanted, on_the_wire, scaled};
use vmlab::traffic::content::Frames;

vm_tests!(
    the_ledger_is_exact_whatever_the_rate: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M"),
    the_ledger_of_an_igb_is_exact: Wanted::IGB.capturing("hpcap_igb", "ring_bytes=16M"),
    the_ledger_of_every_queue_is_exact: Wanted::PF,
    every_queue_of_an_igb_has_its_flows: Wanted::IGB,
    damaged_frames_are_counted_and_not_stored: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=16M when_full=hold"),
);

fn the_ledger_is_exact_whatever_the_rate(vm: &Vm) {
    exact_as_long_as_the_nic_waits(vm);

    // Far above the limit of the guest, the NIC itself misses frames.
    let recorder = vm.recorder("hpcap0", "above");
    vm.flood(0, &format!("gen:size=imix,count={}", scaled(1_000_000)));
    vm.end_recorder(recorder, "above");
    let (sent, ledger) = (vm.record(0).totals, vm.ledger("hpcap_0_0"));
    assert!(sent.missed.frames > 0, "{sent:?}");
    assert_eq!(ledger["nic_missed"], sent.missed.frames);
    assert_eq!(on_the_wire(&ledger), sent.offered.frames, "{ledger:?}");
    has_its_gaps(vm, "above");
}

/// The NIC that QEMU emulates never misses a frame: QEMU takes none from the wire while the NIC has no room.
fn the_ledger_of_an_igb_is_exact(vm: &Vm) {
    exact_as_long_as_the_nic_waits(vm);
}

fn exact_as_long_as_the_nic_waits(vm: &Vm) {
    let counts = || (vm.record(0).totals, vm.ledger("hpcap_0_0"));

    // Without a listener, frames are only counted.
    vm.traffic(0, &format!("gen:size=60,count={}", scaled(100_000)));
    vm.settle();
    let (sent, ledger) = counts();
    assert_eq!(ledger["no_listener"], sent.offered.frames);
    let before = sent.offered.frames;

    // Below the limit of the guest, no frame is lost.
    let recorder = vm.recorder("hpcap0", "below");
    vm.traffic(
        0,
        &format!("gen:size=60,rate=10kpps,count={}", scaled(20_000)),
    );
    vm.end_recorder(recorder, "below");
    let (sent, ledger) = counts();
    assert_eq!(
        ledger["captured"],
        sent.offered.frames - before,
        "{ledger:?}"
    );
    assert_eq!(vm.generated("below").frames, ledger["captured"]);

    // The NIC sends as fast as the driver receives. The ledger counts what the recorder cannot
    // store.
    let recorder = vm.recorder("hpcap0", "at");
    vm.traffic(0, &format!("gen:size=imix,count={}", scaled(300_000)));
    vm.end_recorder(recorder, "at");
    let (sent, ledger) = counts();
    assert_eq!(sent.missed.frames, 0);
    assert_eq!(on_the_wire(&ledger), sent.offered.frames, "{ledger:?}");
    has_its_gaps(vm, "at");
}

/// Each gap record is where frames are missing and has their number. Frames that are missing after the last
/// stored frame are in a gap record, too.
fn has_its_gaps(vm: &Vm, folder: &str) {
    let stored = vm.generated(folder);
    assert_eq!(stored.damaged, 0, "{folder}");
    assert!(stored.missing <= stored.lost, "{folder}: {stored:?}");
    let (first, last) = (stored.first.unwrap(), stored.last.unwrap());
    assert_eq!(last + 1 - first, stored.frames + stored.missing);
}

/// The NIC distributes flows over four rings by their hash; each ring has its own ledger.
fn the_ledger_of_every_queue_is_exact(vm: &Vm) {
    vm.load(
        "hpcap_ixgbe",
        "ring_bytes=16M when_full=hold",
        "mode=hpcap queues=4",
    );
    vm.up("hpcap0");
    let recorders: Vec<_> = (0..4)
        .map(|queue| vm.recorder(&format!("hpcap0:{queue}"), &format!("raw{queue}")))
        .collect();
    vm.traffic(
        0,
        &format!("gen:size=imix,flows=1000,count={}", scaled(200_000)),
    );
    for (queue, recorder) in recorders.into_iter().enumerate() {
        vm.end_recorder(recorder, &format!("raw{queue}"));
    }
    let totals = vm.record(0).totals;
    assert_eq!(totals.delivered.len(), 4, "{totals:?}");
    let all = vm.out("all");
    std::fs::create_dir(&all).unwrap();
    for (queue, delivered) in &totals.delivered {
        let ledger = vm.ledger(&format!("hpcap_0_{queue}"));
        assert_eq!(
            ledger["captured"], delivered.frames,
            "queue {queue}: {ledger:?}"
        );
        assert!(
            delivered.frames > scaled(200_000) / 16,
            "queue {queue}: {totals:?}"
        );
        let raw = format!("raw{queue}");
        std::fs::rename(vm.out(&raw), all.join(raw)).unwrap();
    }
    vm.proves(0, "all");
}

/// QEMU does not say which queue a frame went to. So the frames of all queues together are compared with those that were
/// sent. They fit into the rings: QEMU does not count what a full queue loses, as an 82576 would.
fn every_queue_of_an_igb_has_its_flows(vm: &Vm) {
    let options = "mode=hpcap queues=4";
    vm.load("hpcap_igb", "ring_bytes=16M when_full=hold", options);
    vm.up("hpcap0");
    let recorders: Vec<_> = (0..4)
        .map(|queue| vm.recorder(&format!("hpcap0:{queue}"), &format!("raw{queue}")))
        .collect();
    let frames = scaled(12_000);
    vm.traffic(0, &format!("gen:size=imix,flows=1000,count={frames}"));
    let mut found = Vec::new();
    for (queue, recorder) in recorders.into_iter().enumerate() {
        let folder = format!("raw{queue}");
        vm.end_recorder(recorder, &folder);
        let content = contents(&vm.out(&folder));
        let ledger = vm.ledger(&format!("hpcap_0_{queue}"));
        assert_eq!(ledger["captured"], on_the_wire(&ledger), "{ledger:?}");
        assert_eq!(content.frames.len() as u64, ledger["captured"]);
        assert!(
            ledger["captured"] > frames / 16,
            "queue {queue}: {ledger:?}"
        );
        found.extend(content.frames.into_iter().map(|frame| frame.data));
    }
    let mut sent = Vec::new();
    let mut source = Frames::open(&vm.record(0).segments[0].content.parse().unwrap()).unwrap();
    for _ in 0..frames {
        sent.push(source.next().unwrap().unwrap().to_vec());
    }
    found.sort_unstable();
    sent.sort_unstable();
    assert!(found == sent, "{} of {frames} frames", found.len());
}

fn damaged_frames_are_counted_and_not_stored(vm: &Vm) {
    let recorder = vm.recorder("hpcap0", "raw");
    for fault in [
        "crc",
        "error",
        "length 0",
        "length 3000",
        "no-eop",
        "crc",
        // The status bit OUTERIPER: an X550 reports a wrong checksum in the outer header of a
        // tunnel.
        "error 0x04000000",
    ] {
        vm.traffic(0, "gen:size=imix,count=1000");
        vm.fault(0, fault);
        vm.traffic(0, "gen:size=600,count=1000");
    }
    vm.end_recorder(recorder, "raw");
    let (totals, ledger) = (vm.record(0).totals, vm.ledger("hpcap_0_0"));
    assert!(totals.errors.frames >= 2, "{totals:?}");
    // The frame without an end does not spoil the frame after it.
    assert_eq!(ledger["nic_error"], 6, "{ledger:?}");
    assert_eq!(ledger["captured"], totals.all_delivered().frames + 1);
    vm.proves(0, "raw");
}
