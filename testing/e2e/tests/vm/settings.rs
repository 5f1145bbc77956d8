//! Settings of a queue of the kernel module, changed while frames flow: wrong values, capture
//! length, filter, removal of duplicates, another ring, tracepoints.
//!
//! The frames come from `hpcap_testnic`, which generates them as fast as they are captured. With
//! `when_full=hold`, no frame is lost if the recorder is slower.

use hpcap_e2e::recording::contents;
use hpcap_e2e::vm::{Ledger, Vm, Wanted};

vm_tests!(
    a_poll_thread_returns_to_its_processor: Wanted::PLAIN.cpus(2),
    a_wrong_value_is_refused_and_changes_nothing: Wanted::PLAIN,
    what_is_set_holds_for_the_next_frames: Wanted::PLAIN,
    hpcapctl_sets_and_gets_settings: Wanted::PLAIN,
    busy_poll_threads_let_others_in: Wanted::PLAIN,
);

const QUEUE: &str = "/sys/class/hpcap/hpcap_0_0";
const FRAMES: u64 = 20_000;

/// Each file of a queue, a valid value, and invalid values.
const VALUES: &[(&str, &str, &[&str])] = &[
    ("caplen", "128", &["-1", "65536", "x", "", "1 2"]),
    ("poll", "busy", &["lazy", "", "busy busy"]),
    ("when_full", "hold", &["wait", "0"]),
    ("cpu", "0", &["-2", "4096", "x"]),
    ("priority", "7", &["-21", "20", "100", "rr", ""]),
    (
        "ring_bytes",
        "2097152",
        &[
            "0",
            "G",
            "-1",
            "511K",
            "1M1",
            "524289",
            "99999999999999999T",
        ],
    ),
    ("plain", "1", &["perhaps"]),
    ("look_back", "1", &["perhaps"]),
    (
        "filter",
        "1\\n6 0 0 65535",
        &["1", "x", "2\\n6 0 0 0", "1\\n21 9 9 0", "# ip"],
    ),
    ("dedup/window", "1024", &["0", "-1", "16777217", "x"]),
    (
        "dedup/compare_bytes",
        "64",
        &["0", "2049", "x", "automatic"],
    ),
    ("dedup/age_ns", "1", &["-1", "x"]),
    ("dedup/renew", "0", &["perhaps"]),
    ("dedup/action", "mark", &["keep", ""]),
    ("dedup/enabled", "1", &["perhaps"]),
    ("dedup/ignore_ttl", "1", &["perhaps"]),
    ("dedup/ignore_ip_checksum", "1", &["2"]),
    ("dedup/ignore_vlan", "1", &["x"]),
    ("dedup/ignore_mac", "1", &["x"]),
];

/// Files of a queue that are read-only.
const READ_ONLY: &[&str] = &["state", "page_bytes", "listeners", "ledger/captured"];

fn a_wrong_value_is_refused_and_changes_nothing(vm: &Vm) {
    for parameter in [
        "ring_bytes=3x",
        "poll=lazy",
        "when_full=1",
        "caplen=65536",
        "cpu=4096",
        "priority=20",
    ] {
        vm.refused(&format!("modprobe hpcap {parameter}"));
    }
    vm.sh("modprobe hpcap ring_bytes=1M && modprobe hpcap_testnic up=0");
    let read = |file: &str| vm.sh(&format!("cat {QUEUE}/{file}"));
    for (file, good, bad) in VALUES {
        vm.sh(&format!("printf '{good}' >{QUEUE}/{file}"));
        let set = read(file);
        let good = good.replace("\\n", "\n");
        assert!(
            set.starts_with(&good) && set.ends_with('\n'),
            "{file}: {set:?}"
        );
        for value in *bad {
            // The external echo writes the value with a single call.
            let said = vm.refused(&format!("/bin/echo -e '{value}' >{QUEUE}/{file}"));
            assert!(
                said.contains("Invalid argument"),
                "{file} = {value:?}: {said}"
            );
            assert_eq!(read(file), set, "after {value:?} into {file}");
        }
    }
    for file in READ_ONLY {
        assert!(read(file).ends_with('\n'), "{file}");
        let mode = match *file {
            // Only the owner can read who captures, and the group that udev gives the file to.
            "listeners" => "400\n",
            _ => "444\n",
        };
        assert_eq!(vm.sh(&format!("stat -c %a {QUEUE}/{file}")), mode, "{file}");
    }
    assert_eq!(vm.sh(&format!("stat -c %a {QUEUE}/caplen")), "644\n");
    vm.sh("modprobe -r hpcap_testnic");
    vm.refused("modprobe hpcap_testnic size=59");
    vm.sh("modprobe -r hpcap");
}

/// Records `FRAMES` frames of 600 bytes after `settings` (shell commands) were applied. Returns the
/// ledger of the queue.
fn record(vm: &Vm, folder: &str, settings: &str) -> Ledger {
    vm.sh(&format!(
        "modprobe hpcap_testnic size=600 count={FRAMES} up=0; cd {QUEUE}; {settings}"
    ));
    let recorder = vm.recorder("hpcap0", folder);
    vm.sh("echo 1 >/sys/module/hpcap_testnic/parameters/up");
    vm.until(&format!(
        "[ $(cat {QUEUE}/ledger/* | (n=0; while read f b; do n=$((n + f)); done; echo $n)) = {FRAMES} ]"
    ));
    vm.end_recorder(recorder, folder);
    let ledger = vm.ledger("hpcap_0_0");
    vm.sh("modprobe -r hpcap_testnic");
    ledger
}

fn what_is_set_holds_for_the_next_frames(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=16M when_full=hold");
    let record = |folder: &str, settings: &str| record(vm, folder, settings);

    // The capture length is 100 bytes.
    let ledger = record("caplen", "echo 100 >caplen");
    assert_eq!(ledger["captured"], FRAMES);
    let stored = vm.generated("caplen");
    assert_eq!((stored.frames, stored.cut, stored.damaged), (0, FRAMES, 0));

    // The filter selects frames with an even number. The last byte of the number is at offset 51.
    let ledger = record(
        "filter",
        "printf '# even\\n5\\n48 0 0 51\\n84 0 0 1\\n21 0 1 0\\n6 0 0 65535\\n6 0 0 0\\n' >filter",
    );
    assert_eq!(
        (ledger["captured"], ledger["filtered"]),
        (FRAMES / 2, FRAMES / 2)
    );
    let stored = vm.generated("filter");
    assert_eq!((stored.frames, stored.last), (FRAMES / 2, Some(FRAMES - 2)));
    // The header of the file contains the filter.
    vm.sh("head -c 2048 /out/filter/*/*.raw | grep -aq even");

    // The headers, which are all that is compared, are the same in all frames.
    let all_alike = "cd dedup; echo 42 >compare_bytes; echo 100000000000 >age_ns; echo 1 >enabled";
    let ledger = record("dropped", all_alike);
    assert_eq!((ledger["captured"], ledger["duplicate"]), (1, FRAMES - 1));

    let ledger = record("marked", &format!("{all_alike}; echo mark >action"));
    assert_eq!((ledger["captured"], ledger["duplicate"]), (FRAMES, 0));
    assert_eq!(contents(&vm.out("marked")).frames.len() as u64, FRAMES);
    let report = vm.sh("checkraw /out/marked/*/*.raw");
    assert!(report.contains(&(FRAMES - 1).to_string()), "{report}");

    // Removal of duplicates is switched on and off again, so no frames are compared.
    let ledger = record("off", &format!("{all_alike}; echo 0 >enabled"));
    assert_eq!((ledger["captured"], ledger["duplicate"]), (FRAMES, 0));

    vm.sh("modprobe -r hpcap");
}

fn hpcapctl_sets_and_gets_settings(vm: &Vm) {
    vm.sh("modprobe hpcap ring_bytes=16M when_full=hold && modprobe hpcap_testnic up=0");
    let read = |file: &str| vm.sh(&format!("cat {QUEUE}/{file}"));
    vm.sh("hpcapctl set hpcap0 caplen=128 poll=busy cpu=0 priority=-5 dedup=on dedup.window=1024 dedup.action=mark");
    for (file, value) in [
        ("caplen", "128\n"),
        ("poll", "busy\n"),
        ("cpu", "0\n"),
        ("priority", "-5\n"),
        ("dedup/enabled", "1\n"),
        ("dedup/window", "1024\n"),
        ("dedup/action", "mark\n"),
    ] {
        assert_eq!(read(file), value, "{file}");
    }
    // Everything that the module has is understood.
    let all = vm.sh("hpcapctl get hpcap0");
    for key in ["caplen", "filter", "ring", "dedup.window", "when_full"] {
        assert!(all.contains(key), "no {key} in\n{all}");
    }
    assert_eq!(vm.sh("hpcapctl get hpcap0 caplen").trim(), "128");
    // A wrong value is found before anything is written, and the kernel's refusal takes back what was.
    for wrong in [
        "'filter=no filter'",
        "dedup.window=x",
        "cpu=63",
        "priority=20",
    ] {
        vm.refused(&format!("hpcapctl set hpcap0 caplen=64 {wrong}"));
        assert_eq!(read("caplen"), "128\n", "after {wrong}");
    }
    // The scheduler has the new priority; the fields of stat behind the name are the 3rd and later ones.
    let policy = "for task in /proc/[0-9]*; do
                      grep -qx hpcap_0_0 $task/comm && sed 's/.*) //' $task/stat | cut -d' ' -f17,39
                  done 2>/dev/null; true";
    assert_eq!(vm.sh(policy).trim(), "-5 0");
    vm.sh("hpcapctl set hpcap0 priority=fifo");
    assert_eq!(read("priority"), "fifo\n");
    assert!(vm.sh(policy).trim().ends_with(" 1"), "not SCHED_FIFO");
    vm.sh("hpcapctl set hpcap0 priority=0");
    vm.sh("modprobe -r hpcap_testnic");

    // A filter in tcpdump's syntax holds for the next frames.
    let ledger = record(vm, "long", "hpcapctl set hpcap0 'filter=greater 700'");
    assert_eq!((ledger["captured"], ledger["filtered"]), (0, FRAMES));
    let ledger = record(
        vm,
        "short",
        "hpcapctl set hpcap0 caplen=100 'filter=less 700'",
    );
    assert_eq!((ledger["captured"], ledger["filtered"]), (FRAMES, 0));
    assert_eq!(vm.generated("short").cut, FRAMES);

    vm.sh("modprobe -r hpcap");
}

/// Clients need a poll thread that never sleeps, on the only processor, to make their changes.
fn busy_poll_threads_let_others_in(vm: &Vm) {
    vm.sh("mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing");
    vm.sh("modprobe hpcap ring_bytes=1M poll=busy look_back=1 && modprobe hpcap_testnic");
    vm.sh("cd /sys/kernel/tracing/events/hpcap; ls; echo 1 >hpcap_attach/enable; echo 1 >hpcap_gap/enable");
    vm.sh("for i in $(seq 8); do
               for j in $(seq 4); do hpcapdd hpcap0 null --frames 100 >/dev/null & done
               wait
           done");
    // The source never ends. A recorder on a ring of 1 MiB does not read for a while, which causes
    // a gap.
    vm.sh("trace=/sys/kernel/tracing/trace
           hpcapdd hpcap0 null >/dev/null &
           until [ $(grep -c hpcap_attach: $trace) = 33 ]; do sleep 0.1; done
           kill -STOP $!
           until grep -qv '^0 ' /sys/class/hpcap/hpcap_0_0/ledger/ring_full; do sleep 0.1; done
           kill -CONT $!
           until grep -q hpcap_gap: $trace; do sleep 0.1; done
           kill -INT $!; wait");
    let trace = vm.sh("cat /sys/kernel/tracing/trace");
    assert_eq!(trace.matches("hpcap_attach:").count(), 33, "{trace}");
    assert!(trace.contains("name=hpcapdd"), "{trace}");
    assert!(trace.contains("hpcap_gap:"), "{trace}");
    // The trace contains polls and bytes while the events are enabled.
    vm.sh(
        "cd /sys/kernel/tracing; echo >trace; echo 1 >events/hpcap/enable
           for event in hpcap_harvest: hpcap_publish:; do
               until grep -q $event trace; do sleep 0.1; done
           done
           echo 0 >events/hpcap/enable",
    );
    let ledger = vm.ledger("hpcap_0_0");
    assert!(
        ledger["captured"] > 0 && ledger["nic_missed"] == 0,
        "{ledger:?}"
    );
    vm.sh("modprobe -r hpcap_testnic && modprobe -r hpcap");
}

fn a_poll_thread_returns_to_its_processor(vm: &Vm) {
    let runs_on = |processors: &str| {
        let threads =
            "for task in /proc/[0-9]*; do grep -qx hpcap_0_0 $task/comm && cat $task/status; done";
        vm.until(&format!(
            "{{ {threads}; }} 2>/dev/null | grep -qE '^Cpus_allowed_list:.{processors}$'"
        ));
    };
    let online = "/sys/devices/system/cpu/cpu1/online";
    vm.sh("modprobe hpcap ring_bytes=1M && modprobe hpcap_testnic rate=1000 size=200");
    vm.sh("echo 1 >/sys/class/hpcap/hpcap_0_0/cpu");
    runs_on("1");
    vm.sh(&format!("echo 0 >{online}"));
    // On another processor, it goes on to capture.
    vm.sh("hpcapdd --quiet hpcap0 null --frames 100");
    vm.sh(&format!("echo 1 >{online}"));
    runs_on("1");
    // A setting that is refused does not change where the thread runs.
    vm.sh(&format!(
        "echo 0 >/sys/class/hpcap/hpcap_0_0/cpu; echo 0 >{online}"
    ));
    vm.refused("echo 1 >/sys/class/hpcap/hpcap_0_0/cpu");
    vm.sh(&format!("echo 1 >{online}"));
    assert_eq!(vm.sh("cat /sys/class/hpcap/hpcap_0_0/cpu").trim(), "0");
    runs_on("0");
    vm.sh("modprobe -r hpcap_testnic hpcap");
}
