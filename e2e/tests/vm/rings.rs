//! Rings small and large, and the places where something ends: ring, file, 32 bits.

use hpcap::raw::reader::{Event, Reader};
use hpcap_e2e::recording::{files, generated};
use hpcap_e2e::skip;
use hpcap_e2e::vm::{Vm, Wanted, scaled, slowness};

on_both_kernels!(
    a_ring_of_1_mib_and_files_of_1_mib,
    dg_3_8_13_a_ring_of_3_gib,
    a_ring_of_5_gib_and_offsets_beyond_32_bits,
    records_are_written_to_disk_straight_from_the_ring,
);

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// The longest frame of the adapters for tests, and its record.
const FRAME: u64 = 65_535;
const RECORD: u64 = FRAME + 12;

fn a_ring_of_1_mib_and_files_of_1_mib(series: &str) {
    let wanted = Wanted {
        nics: &["82599"],
        ..Wanted::default()
    };
    let Some(vm) = Vm::boot(series, &wanted) else {
        return;
    };
    vm.load("hpcap_ixgbe", "ring_bytes=1M when_full=hold", "mode=hpcap");
    vm.up("hpcap0");
    vm.sh("mkdir /out/raw; echo $$ >/dev/null");
    let recorder = vm.background(
        "echo $$ >/out/small.pid; exec hpcapdd --json hpcap0 /out/small --rotate-size 1M >/out/small.json",
    );
    vm.until("grep -q '\"event\":\"start\"' /out/small.json");
    vm.traffic(0, &format!("gen:size=imix,count={}", scaled(150_000)));
    vm.end_recorder(recorder, "small");
    let number = files(&vm.out("small")).len() as u64;
    // The ring is gone round as often.
    assert!(number > scaled(150_000) * 350 / MIB, "{number} files");
    vm.proves(0, "small");
    vm.end();
}

/// 3.8.13: buffers of more than 2 GiB did not work.
fn dg_3_8_13_a_ring_of_3_gib(series: &str) {
    let wanted = Wanted {
        memory: 5 * GIB,
        hugepages: 1600,
        ..Wanted::default()
    };
    edges_of_a_large_ring(series, &wanted, 3 * GIB, &[2 * GIB, 3 * GIB]);
}

fn a_ring_of_5_gib_and_offsets_beyond_32_bits(series: &str) {
    let wanted = Wanted {
        memory: 7 * GIB,
        hugepages: 2600,
        ..Wanted::default()
    };
    edges_of_a_large_ring(series, &wanted, 5 * GIB, &[4 * GIB, 5 * GIB]);
}

/// Fills a ring in hugepages up to shortly before each of `edges`, and records over it: every
/// byte is compared on the host.
fn edges_of_a_large_ring(series: &str, wanted: &Wanted, ring: u64, edges: &[u64]) {
    if slowness() > 1 {
        return skip("a checking kernel needs an eighth of the memory for itself, and minutes");
    }
    let Some(vm) = Vm::boot(series, wanted) else {
        return;
    };
    vm.sh("modprobe hpcap when_full=hold ring_bytes=1M");
    vm.sh(&format!("modprobe hpcap_testnic size={FRAME}"));
    vm.sh(&format!("hpcapctl ring hpcap0 --size {ring} --pages 2M"));
    assert_eq!(
        vm.sh("cat /sys/class/hpcap/hpcap_0_0/page_bytes").trim(),
        (2 * MIB).to_string()
    );
    let mut at = 0;
    for edge in edges {
        // A listener that keeps nothing. Each start of a file may skip a block.
        let frames = (edge - at - 40 * MIB) / RECORD;
        vm.sh(&format!("hpcapdd hpcap0 null --frames {frames}"));
        let folder = format!("edge{}", edge / GIB);
        vm.sh(&format!("hpcapdd hpcap0 /out/{folder} --frames 1500"));
        let left = files(&vm.out(&folder));
        let stored = generated(&left);
        assert_eq!((stored.missing, stored.damaged), (0, 0), "{folder}");
        assert_eq!(stored.frames, 1500);
        let mut reader = Reader::open(&left[0]).unwrap();
        let Some(Event::FileHeader(header)) = reader.next().unwrap().map(|f| f.event) else {
            panic!("no file header in {}", left[0].display());
        };
        let start = header.stream_off;
        assert!(start < *edge && start + 1500 * RECORD > *edge, "{start}");
        at = start + 1500 * RECORD;
    }
    vm.sh("modprobe -r hpcap_testnic hpcap");
    let free = vm.sh("awk '/HugePages_Free/ { print $2 }' /proc/meminfo");
    assert_eq!(
        free.trim(),
        wanted.hugepages.to_string(),
        "hugepages came back"
    );
    vm.end();
}

/// O_DIRECT takes the ring's pages as they are, ordinary and huge.
fn records_are_written_to_disk_straight_from_the_ring(series: &str) {
    let wanted = Wanted {
        hugepages: 40,
        disk: Some(2 * GIB),
        ..Wanted::default()
    };
    let Some(vm) = Vm::boot(series, &wanted) else {
        return;
    };
    vm.sh("modprobe hpcap when_full=hold ring_bytes=32M");
    vm.sh("modprobe hpcap_testnic size=1514");
    let frames = scaled(100_000);
    for pages in ["4K", "2M"] {
        vm.sh(&format!("hpcapctl ring hpcap0 --size 32M --pages {pages}"));
        vm.sh(&format!(
            "hpcapdd hpcap0 /data/{pages} --frames {frames}; cp -r /data/{pages} /out/{pages}"
        ));
        let stored = vm.generated(pages);
        assert_eq!((stored.missing, stored.damaged), (0, 0));
        assert_eq!(stored.frames, frames);
    }
    vm.end();
}
