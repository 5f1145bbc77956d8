//! Listeners of the module: the tests of `hpcapd`'s listeners, unchanged, and hostile listeners.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hpcap_e2e::vm::{Vm, Wanted, on_the_wire, patience, scaled, slowness};
use testkit::process::events;

vm_tests!(
    the_char_device_keeps_its_contract: Wanted::PLAIN.memory(2 << 30).hugepages(32).disk(1 << 30),
    the_tests_of_listeners_pass_on_the_module: Wanted::PLAIN.memory(2 << 30),
    killed_at_random_nobody_else_is_harmed: Wanted::PLAIN.memory(2 << 30),
    dg_3_8_2_3_8_5_3_8_10_3_8_12_listeners_that_come_and_go: Wanted::PLAIN.memory(2 << 30),
    hostile_slots_disturb_nobody: Wanted::PLAIN.cpus(2),
    every_user_may_kill_its_own_listeners_only: Wanted::PLAIN,
);

/// Returns the path of the newest build of the test program whose source is `source`, such as
/// `testing/e2e/tests/listeners.rs`. The name of a test program is not enough, because two packages may have one of
/// the same name; cargo writes the sources of a program into a file beside it.
fn test_program(source: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let programs = std::fs::read_dir(here.parent().unwrap()).unwrap();
    let built = |entry: std::fs::DirEntry| -> Option<(SystemTime, PathBuf)> {
        let listing = entry.path();
        let is_listing = listing.extension().is_some_and(|ending| ending == "d");
        let program = listing.with_extension("");
        let modified = program.metadata().ok()?.modified().ok()?;
        let sources = std::fs::read_to_string(&listing).ok()?;
        let has_source = |path: &str| path == source || path.ends_with(&format!("/{source}"));
        let is_it = is_listing && sources.split_whitespace().any(has_source);
        Some((modified, program)).filter(|_| is_it)
    };
    let newest = programs.filter_map(|entry| built(entry.ok()?)).max();
    let newest = newest.unwrap_or_else(|| panic!("cargo has not built the test {source}"));
    newest.1
}

/// Runs the tests of a program in a guest, with the module as producer.
fn run_tests(vm: &Vm, source: &str, variables: &str, arguments: &str) {
    let program = test_program(source);
    vm.sh_for(
        &format!(
            "export HPCAP_TEST_PRODUCER=module HPCAP_TEST_PATIENCE={} HPCAP_TEST_SLOWNESS={} {variables}
            {} --test-threads=1 {arguments} 2>&1 || {{ dmesg | tail -n 30; exit 1; }}",
            patience(Duration::from_secs(120)).as_secs(),
            slowness(),
            program.display()
        ),
        Duration::from_secs(900),
    );
}

/// Runs the tests of a program that loads and unloads the module by itself.
fn tests_pass(vm: &Vm, source: &str, variables: &str, arguments: &str) {
    run_tests(vm, source, variables, arguments);
    vm.nothing_is_loaded();
}

/// Runs the tests of each call on the device: `hpcapctl/tests/device`.
fn the_char_device_keeps_its_contract(vm: &Vm) {
    run_tests(vm, "hpcapctl/tests/device/main.rs", "", "");
    vm.sh("modprobe -r hpcap_testnic hpcap");
}

fn the_tests_of_listeners_pass_on_the_module(vm: &Vm) {
    tests_pass(vm, "testing/e2e/tests/listeners.rs", "", "");
}

fn killed_at_random_nobody_else_is_harmed(vm: &Vm) {
    // With hpcapd there are a hundred kills, but in the guest each of them takes longer.
    tests_pass(
        vm,
        "testing/e2e/tests/sigkill.rs",
        "HPCAP_TEST_KILLS=30",
        "",
    );
}

fn dg_3_8_2_3_8_5_3_8_10_3_8_12_listeners_that_come_and_go(vm: &Vm) {
    // The ring of 3 GiB is tested in `rings`.
    tests_pass(vm, "testing/e2e/tests/dev_guide.rs", "", "--skip dg_3_8_13");
}

/// The guest has two processors, so that a slot can be written at the same time as the module reads
/// it.
fn hostile_slots_disturb_nobody(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=4M; modprobe hpcap_testnic size=200 rate=5000");
    let recorder = vm.recorder("hpcap0", "raw");
    let tap = vm.background("exec e2e-listener hpcap0 --contract=lossy");
    let hostile: Vec<_> = (1..=6)
        .map(|seed| {
            let contract = ["lossless", "lossy"][seed % 2];
            vm.background(&format!(
                "for i in 1 2 3; do
                    hostile-listener /dev/hpcap_0_0 --contract {contract} --seed {seed}$i --ms 800
                done"
            ))
        })
        .collect();
    for one in hostile {
        let said = one.finish();
        let writes = events(&said).filter(|e| e["event"] == "end");
        assert!(writes.map(|e| e["writes"].as_u64().unwrap()).sum::<u64>() > scaled(10_000));
    }
    // The slots of the hostile listeners are free again.
    vm.until("[ $(wc -l </sys/class/hpcap/hpcap_0_0/listeners) = 2 ]");
    vm.end_recorder(recorder, "raw");
    let stored = vm.generated("raw");
    let ledger = vm.ledger("hpcap_0_0");
    assert!(stored.frames > scaled(5000), "{stored:?}, {ledger:?}");
    assert_eq!(
        (stored.missing, stored.damaged),
        (stored.lost, 0),
        "{ledger:?}"
    );
    assert!(on_the_wire(&ledger) >= stored.frames + stored.lost);
    // The tap ends with the queue.
    vm.sh("echo 0 >/sys/module/hpcap_testnic/parameters/remove");
    let seen = tap.finish();
    let seen = events(&seen).find(|e| e["event"] == "end").unwrap();
    assert_eq!(
        (&seen["corrupt"], &seen["backwards"]),
        (&0.into(), &0.into())
    );
    vm.sh("modprobe -r hpcap_testnic hpcap");
}

fn every_user_may_kill_its_own_listeners_only(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=1M; modprobe hpcap_testnic size=200 rate=1000");
    // On an installed system, udev gives the nodes to a group.
    vm.sh("chgrp 4242 /dev/hpcap_0_0; chmod 660 /dev/hpcap_0_0");
    let user = |uid: u32| format!("setpriv --reuid {uid} --regid {uid} --groups 4242");
    let victim = vm.background(&format!(
        "exec {} e2e-listener hpcap0 --stuck >/out/victim.json",
        user(1001)
    ));
    vm.until("grep -q attached /out/victim.json");
    let id = "$(sed 's/.*\"id\":\\([0-9]*\\).*/\\1/' /out/victim.json)";
    let said = vm.refused(&format!("{} hpcapctl kill hpcap0 {id}", user(1002)));
    assert!(said.contains("1001"), "it names whose it is: {said}");
    let said = vm.refused("setpriv --reuid 1003 --regid 1003 --clear-groups hpcapdd hpcap0 null");
    assert!(said.contains("permission denied"), "{said}");
    vm.sh(&format!("{} hpcapctl kill hpcap0 {id}", user(1001)));
    vm.sh("hpcapdd hpcap0 null --frames 100");
    drop(victim);
}
