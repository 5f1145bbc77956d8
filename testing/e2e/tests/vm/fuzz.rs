//! A million random system calls on the device nodes, by root and by a member of the group.

use std::time::Duration;

use hpcap_e2e::vm::{Vm, Wanted, scaled};
use testkit::process::events;

vm_tests!(
    a_million_random_calls_harm_nothing: BESIDE_A_RECORDER,
    random_calls_leak_nothing: BESIDE_A_RECORDER,
);

/// Number of calls per process. Half of the processes run as root.
const CALLS: u64 = 10_000;
const ROUNDS: u64 = 50;
const BESIDE_A_RECORDER: Wanted = Wanted::PLAIN
    .memory(2 << 30)
    .limit(Duration::from_secs(3000));

/// Runs random calls on all queues but the last, as root and as a user, while a recorder records
/// the last queue. The recording must not be affected.
fn beside_a_recorder(vm: &Vm, calls: impl Fn(&Vm, &str, &str)) {
    vm.sh("modprobe hpcap ring_bytes=1M; modprobe hpcap_testnic adapters=5 size=200 rate=200");
    vm.sh("chgrp 4242 /dev/hpcap_*");
    let recorder = vm.recorder("hpcap4", "raw");
    let devices = "$(ls /dev/hpcap_* | grep -v hpcap_4_ | xargs)";
    for user in ["", "--as-uid 1001"] {
        calls(vm, devices, user);
    }
    vm.end_recorder(recorder, "raw");
    let stored = vm.generated("raw");
    assert!(stored.frames > 0 && stored.damaged == 0);
    assert_eq!((stored.missing, stored.lost), (0, 0));
    vm.sh("modprobe -r hpcap_testnic hpcap");
}

/// This test also covers bug 3.8.11: invalid pointers are refused, whereas the original used them.
fn a_million_random_calls_harm_nothing(vm: &Vm) {
    beside_a_recorder(vm, |vm, devices, user| {
        // The answers to the first run show how deep the calls go.
        let said = vm.sh(&format!(
            "char-device-fuzzer {devices} --calls {CALLS} --seed 7 {user}"
        ));
        let end = events(&said).find(|e| e["event"] == "end").unwrap();
        for (call, answer) in [
            ("attach", "ok"),
            ("observe", "ok"),
            ("ask", "EFAULT"),
            ("wait", "EFAULT"),
            ("mmap", "ok"),
            ("mmap", "EINVAL"),
            ("write a mapping", "ok"),
            ("read a mapping", "ok"),
            ("set ring", if user.is_empty() { "EBUSY" } else { "EPERM" }),
        ] {
            assert!(
                end["calls"][call][answer].as_u64() > Some(0),
                "{call} {answer}: {end}"
            );
        }
        let calls = scaled(CALLS * ROUNDS) / 5;
        for seed in 1..=5 {
            vm.sh_for(
                &format!("char-device-fuzzer {devices} --calls {calls} --seed {seed} {user}"),
                Duration::from_secs(1200),
            );
        }
    });
}

/// Slab objects, vmalloc areas and free memory are the same before and after the calls.
fn random_calls_leak_nothing(vm: &Vm) {
    beside_a_recorder(vm, |vm, devices, user| {
        let rounds = scaled(ROUNDS);
        vm.sh_for(
            &format!(
                "leak-check --rounds {rounds} -- sh -c '
                    n=$(cat /tmp/round 2>/dev/null || echo 0); echo $((n + 1)) >/tmp/round
                    exec char-device-fuzzer '\"{devices}\"' --calls {CALLS} --seed $n {user}
                ' >/out/leaks.json || {{ cat /out/leaks.json; exit 1; }}"
            ),
            Duration::from_secs(1200),
        );
    });
}
