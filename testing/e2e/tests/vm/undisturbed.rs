//! No use of a queue makes its poll thread wait: the poll threads take no lock that a process could hold while the
//! scheduler lets that process wait, and leave it to others to wake the many threads of a program.
//!
//! The tests count the locks that poll threads take and the threads that they wake, not the time that
//! it takes, because a busy machine changes the times. They print the longest pauses.

use hpcap_e2e::vm::{Vm, Wanted, scaled};

vm_tests!(
    poll_threads_take_no_lock_that_can_sleep: Wanted::PF.capturing("hpcap_ixgbe", "ring_bytes=4M"),
    // The tracepoint works from the start, so that Linux need not change the scheduler's code beside a thousand threads.
    a_thousand_threads_that_wait_are_not_woken_by_the_poll_thread: Wanted::PLAIN
        .cpus(4)
        .arguments(&["isolcpus=3", "trace_event=sched:sched_waking"]),
);

const TRACE: &str = "/sys/kernel/tracing";
const QUEUE: &str = "/sys/class/hpcap/hpcap_0_0";

/// The functions that take a lock that can sleep. A kernel has some of them.
const LOCKS: &str = "mutex_lock mutex_lock_nested mutex_lock_interruptible mutex_lock_interruptible_nested \
                     mutex_lock_killable mutex_lock_killable_nested down down_interruptible down_read down_write";

/// The names of all poll threads, and of nothing else: the workers that wake listeners may take locks, and one of them
/// has the name `hpcap_wake` in some kernels.
const POLL_THREADS: &str = "hpcap_[0-9]*";

/// Lets all tasks whose name fits `names` report each lock that they take.
fn report_locks_of(vm: &Vm, names: &str) {
    vm.sh(&format!(
        "cd {TRACE}
        echo 0 >events/enable
        echo 'comm ~ \"{names}\"' >events/kprobes/filter
        echo >trace
        echo 1 >events/kprobes/enable"
    ));
}

/// Ends the reports, and returns those since [`report_locks_of`].
fn reported_locks(vm: &Vm) -> Vec<String> {
    vm.sh(&format!("echo 0 >{TRACE}/events/kprobes/enable"));
    let trace = vm.sh(&format!("cat {TRACE}/trace"));
    let reports = trace.lines().filter(|line| line.contains("takes_"));
    reports.map(str::to_owned).collect()
}

fn poll_threads_take_no_lock_that_can_sleep(vm: &Vm) {
    vm.sh("modprobe hpcap_testnic first=8 rate=1000 size=200");
    vm.sh(&format!(
        "mount -t tracefs tracefs {TRACE} 2>/dev/null || true
        for lock in {LOCKS}; do
            if grep -q \" [tT] $lock$\" /proc/kallsyms; then
                echo \"p:takes_$lock $lock\" >>{TRACE}/kprobe_events
            fi
        done"
    ));

    // The reports work, for a name with brackets, too: `cat` takes locks.
    report_locks_of(vm, "[a-c]at*");
    vm.sh(&format!("cat {QUEUE}/caplen {QUEUE}/listeners >/dev/null"));
    assert!(!reported_locks(vm).is_empty());

    let named = format!("case $name in {POLL_THREADS}) echo $name;; esac");
    let threads = vm.sh(&format!(
        "cat /proc/[0-9]*/comm | while read name; do {named}; done | sort"
    ));
    assert_eq!(threads, "hpcap_0_0\nhpcap_8_0\n");
    report_locks_of(vm, POLL_THREADS);
    let recorder = vm.recorder("hpcap0", "raw");
    vm.start_traffic(0, "gen:size=imix,rate=2kpps");
    let readers: Vec<_> = (0..4).map(|_| vm.background(&read(scaled(20)))).collect();
    for round in 0..scaled(10).max(2) {
        vm.sh(&change(round));
    }
    for reader in readers {
        reader.finish();
    }
    vm.sh("ip link set hpcap0 down; ip link set hpcap0 up");
    vm.stop_traffic(0);
    vm.end_recorder(recorder, "raw");
    // Before the queues go: a thread that ends takes locks of the kernel.
    let locks = reported_locks(vm);
    let first = &locks[..locks.len().min(10)];
    assert!(locks.is_empty(), "{} locks: {first:#?}", locks.len());
    vm.sh("modprobe -r hpcap_testnic hpcap_ixgbe hpcap");
}

/// Reads everything that a queue and its interface show, `rounds` times.
fn read(rounds: u64) -> String {
    format!(
        "for i in $(seq {rounds}); do
            cat {QUEUE}/* {QUEUE}/ledger/* {QUEUE}/dedup/* >/dev/null 2>&1 || true
            ethtool -S hpcap0 >/dev/null
            ip -s link show hpcap0 >/dev/null
            hpcapctl status >/dev/null
        done"
    )
}

/// Does everything once that changes a queue.
fn change(round: u64) -> String {
    let on = round % 2;
    let size = 1 + on;
    format!(
        "cd {QUEUE}
        echo {size}00 >caplen
        echo {on} >look_back
        echo hold >when_full
        echo 0 >cpu
        printf '# all\\n1\\n6 0 0 65535\\n' >filter
        echo 1 >dedup/enabled
        echo {size}000000 >dedup/age_ns
        echo drop >when_full
        echo 0 >dedup/enabled
        hpcapdd --quiet hpcap0 null --frames 10
        rm -f /out/victim.json
        e2e-listener hpcap0 --contract=lossy --stuck >/out/victim.json &
        until grep -q attached /out/victim.json; do sleep 0.02; done
        hpcapctl kill hpcap0 $(sed 's/.*\"id\":\\([0-9]*\\).*/\\1/;q' /out/victim.json)
        kill $! 2>/dev/null || true
        wait $! || true
        echo {size}M >/sys/class/hpcap/hpcap_8_0/ring_bytes
        echo 0 >/sys/module/hpcap_testnic/parameters/up
        echo 1 >/sys/module/hpcap_testnic/parameters/up"
    )
}

/// Lets a recorder take frames of a new ring, and returns the longest time between two looks of the poll thread meanwhile.
fn longest_pause(vm: &Vm) -> u64 {
    let frames = scaled(20_000);
    vm.sh(&format!("hpcapdd --quiet hpcap0 null --frames {frames}"));
    let text = vm.sh(&format!("cat {QUEUE}/longest_pause_ns"));
    text.trim().parse().unwrap()
}

/// 31 lossy listeners, each with 32 threads that wait again and again, make somebody wake threads all the time. The
/// processors 1 and 2 are theirs, and the poll thread has the processor 3 for itself.
fn a_thousand_threads_that_wait_are_not_woken_by_the_poll_thread(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=4M && modprobe hpcap_testnic rate=20000 size=200");
    vm.sh(&format!(
        "echo 3 >{QUEUE}/cpu
        mount -t tracefs tracefs {TRACE} 2>/dev/null || true
        cd {TRACE}/events/sched/sched_waking
        [ $(cat enable) = 1 ]
        echo 'COMM ~ \"hpcap_0_0\" && comm ~ \"hostile*\"' >filter"
    ));
    // A new ring counts anew.
    vm.sh(&format!("echo 4M >{QUEUE}/ring_bytes"));
    let alone = longest_pause(vm);
    assert!(alone > 0);

    vm.sh(&format!("echo 4M >{QUEUE}/ring_bytes"));
    let crowd = vm.background(
        "echo $$ >/out/crowd.pid
        exec taskset -c 1,2 hostile-listener /dev/hpcap_0_0 --contract=lossy --threads 32 --ms 3600000 >/out/crowd.json",
    );
    vm.until("[ $(ls /proc/$(cat /out/crowd.pid)/task | wc -l) -gt 992 ]");
    vm.sh(&format!("echo >{TRACE}/trace"));
    let crowded = longest_pause(vm);
    vm.sh(&format!("echo 0 >{TRACE}/tracing_on"));
    let trace = vm.sh(&format!("cat {TRACE}/trace"));
    vm.sh("kill -KILL $(cat /out/crowd.pid)");
    let _ = crowd.ended();
    println!(
        "longest pause of the poll thread: {alone} ns alone, {crowded} ns with 992 threads that wait"
    );
    let woken: Vec<_> = trace
        .lines()
        .filter(|line| line.contains("sched_waking:"))
        .collect();
    let first = &woken[..woken.len().min(5)];
    assert!(
        woken.is_empty(),
        "it woke {} threads: {first:#?}",
        woken.len()
    );
    vm.sh("modprobe -r hpcap_testnic hpcap");
}
