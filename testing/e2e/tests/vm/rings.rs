//! Small and large rings, and recordings across the ends of the ring, of a file and of 32-bit
//! offsets.

use hpcap::raw::{Event, Reader};
use hpcap_e2e::recording::{files, generated};
use hpcap_e2e::vm::{Vm, Wanted, scaled, slowness};
use testkit::skip;

on_both_kernels!(
    a_ring_of_1_mib_and_files_of_1_mib,
    dg_3_8_13_a_ring_of_3_gib,
    a_ring_of_5_gib_and_offsets_beyond_32_bits,
    records_are_written_to_disk_straight_from_the_ring,
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

fn a_ring_of_1_mib_and_files_of_1_mib(series: &str) {
    let Some(vm) = Vm::boot_capturing(
        series,
        &Wanted::PF,
        "hpcap_ixgbe",
        "ring_bytes=1M when_full=hold",
    ) else {
        return;
    };
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
    vm.end();
}

/// Bug 3.8.13: buffers of more than 2 GiB did not work.
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

/// Fills a ring in hugepages up to shortly before each of `edges`, then records across the edge. The
/// host compares every byte.
fn edges_of_a_large_ring(series: &str, wanted: &Wanted, ring: u64, edges: &[u64]) {
    if slowness() > 1 {
        return skip("a checking kernel needs an eighth of the memory for itself, and minutes");
    }
    let Some(vm) = Vm::boot(series, wanted) else {
        return;
    };
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
    assert_eq!(
        free.trim(),
        wanted.hugepages.to_string(),
        "hugepages came back"
    );
    vm.end();
}

/// O_DIRECT writes the ring's pages without a copy, whether they are ordinary pages or hugepages.
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
    for pages in ["ordinary", "2M"] {
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
