//! Virtual machines: commands and their output, and every way in which a machine can fail. Each
//! test boots a kernel, which takes seconds.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::kernel;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use vmlab::control::{Handler, Request};
use vmlab::guest::SWITCHES_OFF;
use vmlab::kernel::Kernel;
use vmlab::machine::{Guest, Hugepages, Machine, MachineError, command};

const LIMIT: Duration = Duration::from_secs(120);

fn machine(kernel: Kernel) -> Machine {
    Machine::new(kernel).unwrap().limit(Some(LIMIT))
}

fn run(guest: &Guest, script: &str) -> vmlab::machine::Output {
    guest.run(&["sh", "-c", script], LIMIT).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs the program as a user does. Returns its output and exit code.
fn vmlab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmlab"))
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn command_output_comes_back_unchanged() {
    for name in ["6.1", "6.12"] {
        let Some(kernel) = kernel(name) else { return };
        let release = kernel.release.clone();
        let guest = machine(kernel).boot().unwrap();
        let out = run(&guest, "uname -r; echo wrong >&2; exit 7");
        assert_eq!((out.code, text(&out.stderr)), (7, "wrong\n"));
        assert_eq!(text(&out.stdout).trim_end(), release);
        // The output is larger than any buffer on its way, and must arrive completely.
        let out = run(&guest, "seq 300000; kill -9 $$");
        assert_eq!(out.code, 128 + 9);
        let expected: String = (1..=300_000).map(|n| format!("{n}\n")).collect();
        assert!(text(&out.stdout) == expected, "{} bytes", out.stdout.len());
        // A command ends although a process that it left behind still runs.
        let out = run(&guest, "echo first; (sleep 1; echo late) & exit 3");
        assert_eq!((out.code, text(&out.stdout)), (3, "first\n"));
        let out = guest.run(&["/no/such/program"], LIMIT).unwrap();
        assert_eq!(out.code, 127);
        assert!(text(&out.stderr).contains("/no/such/program"), "{out:?}");
        guest.shutdown().unwrap();
    }
}

#[test]
fn guest_has_everything_it_was_given() {
    for name in ["6.1", "6.12"] {
        let Some(kernel) = kernel(name) else { return };
        let out = tempfile::tempdir().unwrap();
        fs::write(out.path().join("input"), "from the host").unwrap();
        let machine = machine(kernel).out(out.path()).disk(1 << 30);
        let guest = machine
            .hugepages(Hugepages {
                size: 2 << 20,
                count: 16,
            })
            .boot()
            .unwrap();
        let own = Path::new(env!("CARGO_BIN_EXE_vmlab"));
        let script = format!(
            "set -e
             test \"$(cat /out/input)\" = 'from the host'
             echo 'from the guest' > /out/output
             dd if=/dev/zero of=/data/file bs=1M count=8 oflag=direct status=none
             test \"$(cat /proc/sys/vm/nr_hugepages)\" = 16
             grep -q ' /dev/hugepages hugetlbfs' /proc/mounts
             cmp /hpcap/bin/vmlab {own}
             modprobe veth
             ip link add one type veth peer name two
             ip link set lo down
             echo mine > /etc/hostname.vmlab",
            own = own.display(),
        );
        let done = run(&guest, &script);
        assert_eq!(done.code, 0, "{}", text(&done.stderr));
        guest.shutdown().unwrap();
        let written = fs::read_to_string(out.path().join("output")).unwrap();
        assert_eq!(written, "from the guest\n");
        assert!(
            !Path::new("/etc/hostname.vmlab").exists(),
            "the guest wrote on the host"
        );
    }
}

#[test]
fn guest_output_is_on_the_host_at_once() {
    for name in ["6.1", "6.12"] {
        let Some(kernel) = kernel(name) else { return };
        let dir = tempfile::tempdir().unwrap();
        let guest = machine(kernel).out(dir.path()).boot().unwrap();
        // The program keeps its file open, and the guest does not ask for the file's size: closing and asking would
        // both move what a cache of the guest holds.
        let script = "mkfifo /tmp/written
            (echo line; echo >/tmp/written; exec sleep 1000) >/out/log &
            read line </tmp/written";
        assert_eq!(run(&guest, script).code, 0);
        assert_eq!(
            fs::read(dir.path().join("log")).unwrap(),
            b"line\n",
            "{name}"
        );
    }
}

#[test]
fn guest_program_asks_the_host() {
    struct Counting;
    impl Handler for Counting {
        fn handle(&self, request: &Request) -> Result<Value, String> {
            match request {
                Request::Counts { nic: Some(n) } => Ok(json!({ "nic": n })),
                Request::TrafficStop { .. } => Ok(Value::Null),
                // This request takes longer than the others of the test, which must not wait for
                // it.
                Request::TrafficWait { .. } => {
                    std::thread::sleep(Duration::from_secs(1));
                    Ok(json!("waited"))
                }
                other => Err(format!("cannot do {other:?}")),
            }
        }
    }
    let Some(kernel) = kernel("6.1") else { return };
    let guest = machine(kernel).handler(Arc::new(Counting)).boot().unwrap();
    let out = run(
        &guest,
        "lab traffic wait & sleep 0.2; lab counts --nic 3; wait",
    );
    assert_eq!(
        (out.code, text(&out.stdout)),
        (0, "{\n  \"nic\": 3\n}\n\"waited\"\n")
    );
    let out = run(&guest, "lab traffic stop");
    assert_eq!((out.code, text(&out.stdout)), (0, ""));
    let out = run(&guest, "lab fault link-flap 10");
    assert_eq!((out.code, out.stdout.len()), (1, 0));
    assert!(text(&out.stderr).contains("LinkFlap") || text(&out.stderr).contains("link-flap"));
    guest.shutdown().unwrap();
}

#[test]
fn command_line_traffic_reaches_the_nics() {
    if kernel("6.12").is_none() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    // These are the distribution's drivers. The first interface that appears belongs to the first
    // NIC.
    let script = "set -e
        modprobe ixgbe
        modprobe ixgbevf
        for n in 08 09; do
            name=$(ls /sys/bus/pci/devices/0000:00:$n.0/net)
            ip link set $name promisc on up
        done
        lab traffic wait --nic 0
        lab traffic wait --nic 1
        cat /sys/bus/pci/devices/0000:00:08.0/net/*/address";
    let mut args = vec!["run", "--kernel", "6.12", "--nic", "82599", "--out", folder];
    args.extend(["--nic", "82599vf,mac=02:00:00:00:00:07", "--nic", "none"]);
    args.extend([
        "--traffic",
        "gen:size=60,count=1000",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let run = vmlab(&args);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert_eq!(text(&run.stdout), "02:82:59:90:00:00\n");
    for n in 0..2 {
        let record = fs::read(out.path().join(format!("nic{n}.record.json"))).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(
            record["totals"]["offered"]["frames"], 1000,
            "NIC {n}: {record}"
        );
    }
    let log = fs::read_to_string(out.path().join("console.log")).unwrap();
    assert!(log.contains("NIC Link is Up 10 Gbps"), "{log}");
}

#[test]
fn slow_command_is_killed() {
    let Some(kernel) = kernel("6.1") else { return };
    let guest = machine(kernel).boot().unwrap();
    let slow = guest.run(&["sleep", "1000"], Duration::from_millis(200));
    assert!(
        matches!(slow, Err(MachineError::TimeLimit { .. })),
        "{slow:?}"
    );
    let out = run(&guest, "sleep 0.2; pidof sleep; echo $?");
    assert_eq!(text(&out.stdout), "1\n", "the command still runs");
    guest.shutdown().unwrap();
}

#[test]
fn machine_ends_at_its_time_limit() {
    if kernel("6.1").is_none() {
        return;
    }
    let started = Instant::now();
    let out = vmlab(&["run", "--timeout", "100ms", "--", "true"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("time limit: the machine took longer"),
        "{out:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn kernel_panic_ends_the_machine() {
    for name in ["6.1", "6.12"] {
        if kernel(name).is_none() {
            return;
        }
        // The sleep gives the output time to leave the machine, even on a busy host.
        let script = "echo before; sleep 3; echo c > /proc/sysrq-trigger; sleep 100";
        let out = vmlab(&[
            "run",
            "--kernel",
            name,
            "--timeout",
            "2m",
            "--",
            "sh",
            "-c",
            script,
        ]);
        assert_eq!(
            (out.status.code(), text(&out.stdout)),
            (Some(1), "before\n")
        );
        let said = text(&out.stderr);
        assert!(
            said.contains("the guest's kernel reported a fault"),
            "{said}"
        );
        assert!(said.contains("sysrq: Trigger a crash"), "{said}");
    }
}

#[test]
fn kernel_warning_fails_the_run() {
    let Some(kernel) = kernel("6.1") else { return };
    let folder = tempfile::tempdir().unwrap();
    let module = build_module(&kernel, folder.path());
    let insmod = format!("insmod {} && echo done", module.display());
    let guest = machine(kernel.clone()).boot().unwrap();
    let out = run(&guest, &insmod);
    assert_eq!((out.code, text(&out.stdout)), (0, "done\n"));
    let Err(MachineError::Kernel(lines)) = guest.shutdown() else {
        panic!("the warning was not seen");
    };
    let said = lines.join("\n");
    assert!(
        said.contains("WARNING: ") && said.contains("warns_on_purpose"),
        "{said}"
    );

    // The same fault is accepted if it is tolerated.
    let known = machine(kernel)
        .tolerate("cut here")
        .tolerate("WARNING: ")
        .tolerate("Call Trace");
    let guest = known.boot().unwrap();
    assert_eq!(run(&guest, &insmod).code, 0);
    guest.shutdown().unwrap();
}

/// Builds a module that triggers a WARN while it is loaded.
fn build_module(kernel: &Kernel, folder: &Path) -> std::path::PathBuf {
    let source = "\
#include <linux/module.h>
static int __init warns_on_purpose(void)
{
\tWARN(1, \"on purpose\");
\treturn 0;
}
module_init(warns_on_purpose);
MODULE_LICENSE(\"GPL\");
";
    fs::write(folder.join("warns.c"), source).unwrap();
    fs::write(folder.join("Kbuild"), "obj-m := warns.o\n").unwrap();
    let mut make = Command::new("make");
    make.arg("-C").arg(kernel.folder.join("headers")).arg("-s");
    make.arg(format!("M={}", folder.display()))
        .arg("CONFIG_DEBUG_INFO_BTF_MODULES=");
    let made = make.arg("modules").output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    folder.join("warns.ko")
}

#[test]
fn killed_runner_leaves_nothing_behind() {
    if kernel("6.1").is_none() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_vmlab"));
    program.args(["run", "--disk", "1G", "--out", folder, "--", "sh", "-c"]);
    program.arg("echo > /out/up; sleep 1000");
    let mut child = program.spawn().unwrap();
    let marked = format!("path={folder},");
    wait_for(|| out.path().join("up").exists());
    assert_eq!(processes_with(&marked).len(), 1);
    // After SIGKILL, the program cannot clean up.
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for(|| processes_with(&marked).is_empty());
}

/// A host that gives a machine no processor for a while makes the guest's clock jump. The guest's kernel
/// must not take that for a stall of its own.
#[test]
fn pause_of_the_host_is_no_fault_of_the_guest() {
    // Linux reports a stall after 21 seconds by default.
    const PAUSE: Duration = Duration::from_secs(30);
    thread::scope(|scope| {
        for name in ["6.1", "6.12"] {
            let Some(kernel) = kernel(name) else { continue };
            scope.spawn(move || {
                let mark = format!("hpcap_test.pause={name};");
                let out = tempfile::tempdir().unwrap();
                let guest = machine(kernel).argument(&mark).out(out.path());
                let guest = guest.boot().unwrap();
                // Each process that ends asks RCU for a grace period, so one is always under way.
                let busy = "until [ -e /out/resumed ]; do /bin/true; done";
                let args = ["sh", "-c", busy].map(str::to_owned).to_vec();
                let running = guest.start(&command(args)).unwrap();
                let qemu = processes_with(&mark);
                assert_eq!(qemu.len(), 1);
                thread::sleep(Duration::from_secs(1));
                kill(qemu[0], Signal::SIGSTOP).unwrap();
                thread::sleep(PAUSE);
                kill(qemu[0], Signal::SIGCONT).unwrap();
                fs::write(out.path().join("resumed"), "").unwrap();
                let code = running.finish(Some(LIMIT), &mut Vec::new(), &mut Vec::new());
                assert_eq!(code, Ok(0));
                guest.shutdown().unwrap();
            });
        }
    });
}

/// Linux changes the code of a tracepoint when it is switched on and off, with a breakpoint for processors that come along
/// meanwhile. None of them may find that breakpoint later.
#[test]
fn processors_run_code_that_linux_changes() {
    let Some(kernel) = kernel("6.12") else { return };
    let guest = machine(kernel).cpus(4).boot().unwrap();
    let out = run(
        &guest,
        "mount -t tracefs tracefs /sys/kernel/tracing
        cd /sys/kernel/tracing/events/sched/sched_waking
        for processor in 1 2 3; do
            (while :; do sleep 0.001; done) &
        done
        echo 'comm == \"nobody\"' >filter
        for round in $(seq 40); do
            echo 1 >enable
            echo 0 >enable
        done",
    );
    assert_eq!(out.code, 0, "{}", text(&out.stderr));
    guest.shutdown().unwrap();
}

/// A program that runs on another processor while Linux stops that processor makes Linux complain. None may be left by then.
#[test]
fn programs_end_before_the_machine_is_switched_off() {
    let Some(kernel) = kernel("6.12") else { return };
    let out = tempfile::tempdir().unwrap();
    let console = out.path().join("console");
    let guest = machine(kernel).cpus(4).log(&console).boot().unwrap();
    let out = run(
        &guest,
        "echo on >/proc/sys/kernel/printk_devkmsg
        (trap '' TERM; while :; do echo a program runs; done) >/dev/kmsg &
        sleep 0.5",
    );
    assert_eq!(out.code, 0, "{}", text(&out.stderr));
    guest.shutdown().unwrap();
    let said = fs::read_to_string(&console).unwrap();
    let (before, after) = said.split_once(SWITCHES_OFF).unwrap();
    assert!(before.contains("a program runs"), "{said}");
    assert!(!after.contains("a program runs"), "{after}");
}

/// Returns the QEMU processes with `part` in their command lines.
fn processes_with(part: &str) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let has_part = |line: &[u8]| {
        (line.starts_with(b"qemu") || line.starts_with(b"/usr/bin/qemu"))
            && String::from_utf8_lossy(line).contains(part)
    };
    let qemu = entries
        .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| has_part(&line)));
    qemu.map(|entry| Pid::from_raw(entry.file_name().to_str().unwrap().parse().unwrap()))
        .collect()
}

fn wait_for(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "waited too long");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn usage_errors_are_explained() {
    for args in [
        &["run"][..],
        &["run", "--hugepages", "4M:1", "--", "true"],
        &["run", "--mem", "much", "--", "true"],
        &["run", "--timeout", "soon", "--", "true"],
    ] {
        let out = vmlab(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(!out.stderr.is_empty());
    }
    let out = vmlab(&["run", "--kernel", "/no/such/kernel", "--", "true"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("/no/such/kernel"), "{out:?}");
}
