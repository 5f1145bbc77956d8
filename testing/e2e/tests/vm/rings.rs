//! Small and large rings, and recordings across the ends of the ring, of a file and of 32-bit
//! offsets.

use hpcap::raw::{Event, Reader};
use hpcap_e2e::recording::{files, generated};
use hpcap_e2e::vm::{Vm, Wanted, scaled, slowness};

vm_tests!(
    a_ring_of_1_mib_and_files_of_1_mib: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=1M when_full=hold"),
    dg_3_8_13_a_ring_of_3_gib: RING_OF_3_GIB,
    a_ring_of_5_gib_and_offsets_beyond_32_bits: RING_OF_5_GIB,
    records_are_written_to_disk_straight_from_the_ring: Wanted::PLAIN.hugepages(40).disk(2 * GIB),
);

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Size in bytes of a frame of the test adapter.
const FRAME: u64 = 16_000;
/// Frames that may wait in the test adapter: 16 MB. They are captured after the adapter is taken
/// down, and after each pause of the guest, so this bounds how far a busy host overshoots.
const BACKLOG: u64 = 1024;
/// Size in bytes of a frame's record in the stream.
const RECORD: u64 = FRAME + 12;

/// Hugepages of 2 MiB for a ring of 3 GiB.
const PAGES_FOR_3_GIB: u64 = 1600;
/// Hugepages of 2 MiB for a ring of 5 GiB.
const PAGES_FOR_5_GIB: u64 = 2600;
const RING_OF_3_GIB: Wanted = Wanted::PLAIN
    .memory(5 * GIB)
    .hugepages(PAGES_FOR_3_GIB)
    .unless(kernel_checks_itself);
const RING_OF_5_GIB: Wanted = Wanted::PLAIN
    .memory(7 * GIB)
    .hugepages(PAGES_FOR_5_GIB)
    .unless(kernel_checks_itself);

fn kernel_checks_itself() -> Option<&'static str> {
    let why = "a checking kernel needs an eighth of the memory for itself, and minutes";
    (slowness() > 1).then_some(why)
}

fn a_ring_of_1_mib_and_files_of_1_mib(vm: &Vm) {
    let recorder = vm.background(
        "echo $$ >/out/small.pid; exec hpcapdd --json hpcap0 /out/small --rotate-size 1M >/out/small.json",
    );
    vm.until("grep -q '\"event\":\"start\"' /out/small.json");
    vm.traffic(0, &format!("gen:size=imix,count={}", scaled(150_000)));
    vm.end_recorder(recorder, "small");
    // At most one new file starts every 100 ms, and all frames may have arrived within 600 ms.
    let number = files(&vm.out("small")).len();
    assert!(number > 3, "{number} files");
    vm.proves(0, "small");
}

/// Bug 3.8.13: buffers of more than 2 GiB did not work.
fn dg_3_8_13_a_ring_of_3_gib(vm: &Vm) {
    edges_of_a_large_ring(vm, PAGES_FOR_3_GIB, 3 * GIB, &[2 * GIB, 3 * GIB]);
}

fn a_ring_of_5_gib_and_offsets_beyond_32_bits(vm: &Vm) {
    edges_of_a_large_ring(vm, PAGES_FOR_5_GIB, 5 * GIB, &[4 * GIB, 5 * GIB]);
}

/// Fills a ring in hugepages up to shortly before each of `edges`, then records across the edge. The
/// host compares every byte.
fn edges_of_a_large_ring(vm: &Vm, hugepages: u64, ring: u64, edges: &[u64]) {
    vm.sh("modprobe hpcap when_full=hold ring_bytes=1M");
    vm.sh(&format!(
        "modprobe hpcap_testnic size={FRAME} rate=24000 backlog={BACKLOG}"
    ));
    vm.sh(&format!("hpcapctl ring hpcap0 --size {ring} --pages 2M"));
    assert_eq!(
        vm.sh("cat /sys/class/hpcap/hpcap_0_0/page_bytes").trim(),
        (2 * MIB).to_string()
    );
    for edge in edges {
        let up = "/sys/module/hpcap_testnic/parameters/up";
        let captured = "/sys/class/hpcap/hpcap_0_0/ledger/captured";
        let goal = edge - 180 * MIB;
        // A recorder that stores nothing lets the ring run. The first loop sleeps while there is time.
        // The second one neither sleeps nor starts a process, either of which takes long on a busy
        // host: the adapter would have passed the edge by then.
        vm.sh(&format!(
            "echo 1 >{up}
            hpcapdd --quiet hpcap0 null &
            while read -r _ bytes <{captured}; [ $bytes -lt {} ]; do sleep 0.02; done
            while read -r _ bytes <{captured}; [ $bytes -lt {goal} ]; do :; done
            echo 0 >{up}
            kill -INT $!
            wait $!",
            goal - 800 * MIB
        ));
        let folder = format!("edge{}", edge / GIB);
        let recorder = vm.recorder("hpcap0", &folder);
        vm.sh(&format!("echo 1 >{up}"));
        vm.until(&format!(
            "[ $(cut -d' ' -f2 {captured}) -gt {} ]",
            edge + 50 * MIB
        ));
        vm.sh(&format!("echo 0 >{up}"));
        vm.end_recorder(recorder, &folder);
        let left = files(&vm.out(&folder));
        let stored = generated(&left);
        // The adapter misses frames while the recorder writes more slowly.
        assert_eq!(
            (stored.missing, stored.damaged),
            (stored.lost, 0),
            "{folder}"
        );
        let mut reader = Reader::open(&left[0]).unwrap();
        let Some(Event::FileStart(header)) = reader.next().unwrap() else {
            panic!("no file header in {}", left[0].display());
        };
        let start = header.stream_off;
        assert!(
            start < *edge && start + stored.frames * RECORD > *edge,
            "{start}"
        );
    }
    vm.sh("modprobe -r hpcap_testnic hpcap");
    let free = vm.sh("awk '/HugePages_Free/ { print $2 }' /proc/meminfo");
    assert_eq!(free.trim(), hugepages.to_string(), "hugepages came back");
}

/// O_DIRECT writes the ring's pages without a copy, whether they are ordinary pages or hugepages.
fn records_are_written_to_disk_straight_from_the_ring(vm: &Vm) {
    vm.sh("modprobe hpcap when_full=hold ring_bytes=32M");
    vm.sh("modprobe hpcap_testnic size=1514");
    let frames = scaled(100_000);
    for pages in ["ordinary", "2M"] {
        vm.sh(&format!("hpcapctl ring hpcap0 --size 32M --pages {pages}"));
        vm.sh(&format!(
            "hpcapdd hpcap0 /data/{pages} --frames {frames}; cp -r /data/{pages} /out/{pages}"
        ));
        let stored = vm.generated(pages);
        assert_eq!((stored.missing, stored.damaged), (0, 0));
        assert_eq!(stored.frames, frames);
    }
}
