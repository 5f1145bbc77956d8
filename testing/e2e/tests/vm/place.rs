//! Where poll threads and their memory are, with which priority the threads run, and which processes a reader sees.

use hpcap_e2e::vm::{Vm, Wanted};

vm_tests!(
    a_poll_thread_gets_an_isolated_processor_first: Wanted::PLAIN.cpus(4).arguments(&["isolcpus=2"]),
    a_priority_holds_for_the_poll_thread: Wanted::PLAIN.cpus(2),
    processors_stay_wakeful_while_an_interface_is_up: Wanted::PLAIN,
    a_queue_is_in_the_memory_of_its_nic: Wanted::PF
        .arguments(&["numa=fake=2"])
        .tolerated(&["workqueue cpumask: online intersect > possible intersect"]),
    a_reader_sees_the_processes_of_its_own_namespace: Wanted::PLAIN,
);

const QUEUE: &str = "/sys/class/hpcap/hpcap_0_0";

/// Returns the CPUs of the queues of the first adapter.
fn processors(vm: &Vm, queues: usize) -> Vec<u32> {
    (0..queues)
        .map(|queue| {
            let cpu = vm.sh(&format!("cat /sys/class/hpcap/hpcap_0_{queue}/cpu"));
            cpu.trim().parse().unwrap()
        })
        .collect()
}

/// CPU 2 is isolated. The other ones follow, CPU 0 last; then each has one thread, and the order begins anew.
fn a_poll_thread_gets_an_isolated_processor_first(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=1M; modprobe hpcap_testnic queues=5 up=0");
    let order = processors(vm, 5);
    assert_eq!((order[0], order[3], order[4]), (2, 0, 2), "{order:?}");
    assert!(order[1..3] == [1, 3] || order[1..3] == [3, 1], "{order:?}");
    vm.until(
        "for task in /proc/[0-9]*; do grep -qx hpcap_0_0 $task/comm && cat $task/status; done |
         grep -qE '^Cpus_allowed_list:.2$'",
    );

    // A queue that has ended, or was moved away, leaves room.
    vm.sh("modprobe -r hpcap_testnic; modprobe hpcap_testnic up=0");
    assert_eq!(processors(vm, 1), [2]);
    vm.sh(&format!(
        "modprobe -r hpcap_testnic; modprobe hpcap_testnic queues=1 up=0; echo 1 >{QUEUE}/cpu"
    ));
    vm.sh("modprobe hpcap_netdev interfaces=lo:1");
    assert_eq!(vm.sh("cat /sys/class/hpcap/hpcap_1_0/cpu").trim(), "2");
    vm.sh("modprobe -r hpcap_netdev hpcap_testnic; modprobe -r hpcap");

    // The administrator's choice holds for all.
    vm.sh("modprobe hpcap ring_bytes=1M cpu=3; modprobe hpcap_testnic queues=2 up=0");
    assert_eq!(processors(vm, 2), [3, 3]);
    vm.sh("modprobe -r hpcap_testnic hpcap");
}

/// The test prints what each priority is worth beside a program that never sleeps on the same CPU.
fn a_priority_holds_for_the_poll_thread(vm: &Vm) {
    vm.sh(
        "modprobe hpcap ring_bytes=4M cpu=1 look_back=1; modprobe hpcap_testnic size=200 rate=1000",
    );
    let hog = vm.background("echo $$ >/out/hog.pid; exec taskset -c 1 sh -c 'while :; do :; done'");
    for priority in ["0", "-20", "19", "fifo"] {
        vm.sh(&format!(
            "echo {priority} >{QUEUE}/priority; echo 4M >{QUEUE}/ring_bytes"
        ));
        assert_eq!(vm.sh(&format!("cat {QUEUE}/priority")).trim(), priority);
        assert_eq!(scheduling(vm), priority);
        vm.until(&format!(
            "[ $(cut -d' ' -f1 {QUEUE}/ledger/captured) -gt 2000 ]"
        ));
        let pause = vm.sh(&format!("cat {QUEUE}/longest_pause_ns"));
        println!(
            "priority {priority}: longest pause {} us",
            pause.trim().parse::<u64>().unwrap() / 1000
        );
    }
    vm.sh("kill -KILL $(cat /out/hog.pid)");
    let _ = hog.ended();
    vm.sh("modprobe -r hpcap_testnic hpcap");

    // New queues start with the module's parameter.
    vm.sh("modprobe hpcap ring_bytes=1M priority=-5; modprobe hpcap_testnic up=0");
    assert_eq!(scheduling(vm), "-5");
    vm.sh("modprobe -r hpcap_testnic hpcap");
}

/// Returns the priority that the kernel's scheduler has for the poll thread: policy and nice value are the fields 41 and 19
/// of its `stat`, proc(5).
fn scheduling(vm: &Vm) -> String {
    let stat = vm.sh("for task in /proc/[0-9]*; do
             if grep -qx hpcap_0_0 $task/comm 2>/dev/null; then cat $task/stat; fi
         done");
    let fields: Vec<_> = stat.split_whitespace().collect();
    match fields[40] {
        "0" => fields[18].to_owned(),
        "1" => "fifo".to_owned(),
        policy => panic!("policy {policy}"),
    }
}

/// The file shows the strictest wish of all, in microseconds.
fn processors_stay_wakeful_while_an_interface_is_up(vm: &Vm) {
    let limit = || {
        let text = vm.sh("od -An -td4 -N4 /dev/cpu_dma_latency");
        text.trim().parse::<i32>().unwrap()
    };
    let before = limit();
    assert!(before > 1_000_000, "{before}");
    vm.sh("modprobe hpcap ring_bytes=1M; modprobe hpcap_testnic queues=2 up=0");
    assert_eq!(limit(), before);
    let up = "/sys/module/hpcap_testnic/parameters/up";
    for _ in 0..2 {
        vm.sh(&format!("echo 1 >{up}"));
        assert_eq!(limit(), 50);
        vm.sh(&format!("echo 0 >{up}"));
        assert_eq!(limit(), before);
    }
    // A device that is pulled out while it is up.
    vm.sh(&format!(
        "echo 20 >/sys/module/hpcap/parameters/wake_us; echo 1 >{up}"
    ));
    assert_eq!(limit(), 20);
    vm.sh("echo 0 >/sys/module/hpcap_testnic/parameters/remove");
    assert_eq!(limit(), before);
    vm.sh("modprobe -r hpcap_testnic; modprobe -r hpcap; modprobe hpcap ring_bytes=1M wake_us=-1");
    vm.sh("modprobe hpcap_testnic");
    assert_eq!(limit(), before);
    vm.sh("modprobe -r hpcap_testnic hpcap");
}

/// The processor is on node 0, and the NIC says that it is on node 1.
fn a_queue_is_in_the_memory_of_its_nic(vm: &Vm) {
    vm.sh("echo 1 >/sys/bus/pci/devices/0000:00:08.0/numa_node");
    vm.load("hpcap_ixgbe", "ring_bytes=1M", "mode=hpcap");
    let areas = |of: &str| vm.sh(&format!("grep {of} /proc/vmallocinfo"));
    let on_node_1 = |areas: &str| {
        areas
            .lines()
            .all(|l| l.contains(" N1=") && !l.contains(" N0="))
    };
    let pages = areas("hpcap_memory_prepare");
    assert!(on_node_1(&pages), "{pages}");
    // A ring that a process makes, which runs on node 0, too.
    vm.sh(&format!("echo 2M >{QUEUE}/ring_bytes"));
    let pages = areas("hpcap_memory_prepare");
    assert!(on_node_1(&pages), "{pages}");
    // Listeners map it as before.
    vm.sh("hpcapctl status hpcap0");
    vm.sh("modprobe -r hpcap_ixgbe hpcap");
}

fn a_reader_sees_the_processes_of_its_own_namespace(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=1M; modprobe hpcap_testnic rate=1000 size=200");
    let outside = vm.background("exec e2e-listener hpcap0 --stuck >/out/outside.json");
    vm.until("grep -q attached /out/outside.json");
    vm.sh("unshare --pid --fork --mount-proc sh -ec '
            e2e-listener hpcap0 --stuck >/out/inside.json &
            echo $! >/out/inside.pid
            until grep -q attached /out/inside.json; do sleep 0.02; done
            cat /sys/class/hpcap/hpcap_0_0/listeners >/out/seen.inside
            kill -KILL $!'
        cat /sys/class/hpcap/hpcap_0_0/listeners >/out/seen.outside");
    let field = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let seen = vm.sh("cat /out/seen.inside");
    let lines: Vec<_> = seen.lines().map(field).collect();
    let inside = vm.sh("cat /out/inside.pid");
    assert_eq!(lines, ["0", inside.trim()], "{seen}");
    let seen = vm.sh("cat /out/seen.outside");
    let comm = format!("cat /proc/{}/comm", field(seen.lines().next().unwrap()));
    assert_eq!(vm.sh(&comm).trim(), "e2e-listener", "{seen}");
    vm.sh("echo 0 >/sys/module/hpcap_testnic/parameters/remove");
    drop(outside);
}
