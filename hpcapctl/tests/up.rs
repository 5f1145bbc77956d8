//! `hpcapctl up` and `down`: plans for a stored machine, and real interfaces in a network namespace.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod printed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hpcap::{Error, Kind};
use hpcapctl::change::Changer;
use hpcapctl::change::setting::Setting;
use hpcapctl::change::step::Step;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;
use testkit::machine::{TWO_NODES, unpack};
use testkit::network::{create_veth_pair, in_namespace, ip};
use testkit::process::write_program;

/// Runs `hpcapctl`, and returns its exit code and everything that it printed.
fn run(arguments: &[&str]) -> (i32, String) {
    run_with_path(arguments, &std::env::var("PATH").unwrap())
}

fn run_with_path(arguments: &[&str], path: &str) -> (i32, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(arguments)
        .env("PATH", path)
        .output()
        .unwrap();
    let text = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    (done.status.code().unwrap(), text)
}

/// Runs `test` in a network namespace of its own, with a `/run` of its own, so that no service manager is there
/// and no list of changes is left behind.
fn on_a_machine(test: impl FnOnce(&Path) + Send + 'static) {
    in_namespace(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none).unwrap();
        mount(Some("run"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
        create_veth_pair("tap-a", "far-a", 1500);
        ip("link set tap-a down");
        let dir = tempfile::tempdir().unwrap();
        test(dir.path());
    });
}

fn write_config(dir: &Path, text: &str) -> String {
    let path = dir.join("hpcap.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Compares a text with the snapshot `name`. The folder of the programs, and a feature that a veth has with some kernels
/// only, do not count.
#[track_caller]
fn assert_printed(name: &str, text: &str) {
    let mut settings = printed::settings();
    settings.add_filter(r"/\S+/hpcap-monitor\b([^.])", "[BIN]/hpcap-monitor$1");
    settings.add_filter(r"(?m)^.*\bset gro of .*\n", "");
    let _filters = settings.bind_to_scope();
    insta::assert_snapshot!(name, text);
}

const CAPTURE: &str = "\
[[interface]]
name = \"tap-a\"
mtu = 9000
ring = \"64M\"
filter = \"udp port 53\"
";

/// What the kernel and ethtool say about an interface.
fn state(name: &str) -> String {
    let mut text = String::new();
    for option in ["-k", "-l", "-a"] {
        let done = Command::new("ethtool")
            .args([option, name])
            .output()
            .unwrap();
        text += &String::from_utf8(done.stdout).unwrap();
    }
    // The state of the link settles some time after the change, and counters change by themselves.
    let link = ip(&format!("link show {name}"));
    let flags: Vec<&str> = link
        .split(['<', '>'])
        .nth(1)
        .unwrap_or("")
        .split(',')
        .collect();
    let kept: Vec<&str> = ["UP", "PROMISC"]
        .into_iter()
        .filter(|f| flags.contains(f))
        .collect();
    let mtu = link
        .split(" mtu ")
        .nth(1)
        .unwrap_or("")
        .split(' ')
        .next()
        .unwrap_or("");
    format!(
        "{text}{kept:?} {mtu} {}",
        ip(&format!("-o -4 address show {name}"))
    )
}

#[test]
fn down_restores_the_interface() {
    on_a_machine(|dir| {
        let config = write_config(dir, CAPTURE);
        let before = state("tap-a");
        let (code, text) = run(&["up", "--config", &config]);
        assert_eq!(code, 0, "{text}");
        assert_printed("up", &text);
        assert!(ip("link show tap-a").contains("mtu 9000"));
        let (code, again) = run(&["up", "--config", &config]);
        assert_eq!(code, 0, "{again}");
        assert_printed("up_again", &again);
        let (code, text) = run(&["down"]);
        assert_eq!(code, 0, "{text}");
        assert_printed("down", &text);
        assert_eq!(state("tap-a"), before);
        assert!(!Path::new("/run/hpcapctl/up-tap-a.json").exists());
        assert_printed("down_again", &run(&["down"]).1);
    });
}

#[test]
fn dry_run_changes_nothing() {
    on_a_machine(|dir| {
        let config = write_config(dir, CAPTURE);
        let before = state("tap-a");
        let (code, text) = run(&["up", "--dry-run", "--config", &config]);
        assert_eq!(code, 0, "{text}");
        assert_printed("dry_run", &text);
        assert_eq!(state("tap-a"), before);
        assert!(!Path::new("/run/hpcapctl").exists());
    });
}

#[test]
fn standard_port_gets_its_address() {
    on_a_machine(|dir| {
        let text =
            "[[interface]]\nname = \"tap-a\"\nmode = \"standard\"\naddress = \"192.0.2.1/24\"\n";
        let config = write_config(dir, text);
        let before = state("tap-a");
        for _ in 0..2 {
            let (code, text) = run(&["up", "--config", &config]);
            assert_eq!(code, 0, "{text}");
        }
        assert!(ip("address show tap-a").contains("192.0.2.1/24"));
        assert_eq!(run(&["down", "tap-a"]).0, 0);
        assert_eq!(state("tap-a"), before);
    });
}

#[test]
fn refused_setting_rolls_back() {
    on_a_machine(|dir| {
        // A veth knows no pause frames, and its address comes before.
        let config = write_config(dir, &format!("{CAPTURE}pause = true\n"));
        let before = state("tap-a");
        let (code, text) = run(&["up", "--config", &config]);
        assert_eq!(code, 1, "{text}");
        assert_printed("refused_setting", &text);
        assert_eq!(state("tap-a"), before);
    });
}

#[test]
fn speed_that_cannot_be_set_is_named() {
    on_a_machine(|dir| {
        let config = write_config(dir, &format!("{CAPTURE}speed = \"1G\"\n"));
        let (code, text) = run(&["up", "--config", &config]);
        assert_eq!(code, 1, "{text}");
        assert_printed("refused_speed", &text);
    });
}

#[test]
fn link_that_does_not_come_has_a_reason() {
    on_a_machine(|dir| {
        ip("link set far-a down");
        let config = write_config(dir, CAPTURE);
        let (code, text) = run(&["up", "--wait", "100ms", "--config", &config]);
        assert_eq!(code, 1, "{text}");
        assert_printed("no_carrier", &text);
        assert!(
            ip("link show tap-a").contains("mtu 9000"),
            "it stays set up"
        );
    });
}

#[test]
fn missing_interface_lists_the_existing() {
    on_a_machine(|dir| {
        let config = write_config(dir, "[[interface]]\nname = \"eth77\"\n");
        let (code, text) = run(&["up", "--config", &config]);
        assert_eq!(code, 1, "{text}");
        assert_printed("missing_interface", &text);
        let (code, text) = run(&["up", "other", "--config", &config]);
        assert_eq!(code, 1);
        assert_printed("not_in_the_configuration", &text);
    });
}

#[test]
fn setting_changed_by_others_stays() {
    on_a_machine(|dir| {
        let config = write_config(dir, CAPTURE);
        assert_eq!(run(&["up", "--config", &config]).0, 0);
        ip("link set tap-a mtu 1280");
        let (code, text) = run(&["down"]);
        assert_eq!(code, 0, "{text}");
        assert_printed("down_after_a_change", &text);
        assert!(ip("link show tap-a").contains("mtu 1280"));
    });
}

#[test]
fn channels_of_an_interface_grow() {
    on_a_machine(|dir| {
        ip(
            "link add four numrxqueues 4 numtxqueues 4 type veth peer name far-four numrxqueues 4 numtxqueues 4",
        );
        let count = |n: &str| {
            Command::new("ethtool")
                .args(["-L", "four", "rx", n, "tx", "1"])
                .status()
        };
        assert!(count("1").unwrap().success());
        ip("link set far-four up");
        let config = write_config(
            dir,
            "[[interface]]\nname = \"four\"\nqueues = 2\nnumber = 5\n",
        );
        let before = state("four");
        let (code, text) = run(&["up", "--config", &config]);
        assert_eq!(code, 0, "{text}");
        assert_printed("two_queues", &text);
        assert_eq!(run(&["down"]).0, 0);
        assert_eq!(state("four"), before);
    });
}

#[test]
fn af_xdp_shares_out_the_receive_queues() {
    on_a_machine(|dir| {
        ip(
            "link add four numrxqueues 4 numtxqueues 4 type veth peer name far-four numrxqueues 4 numtxqueues 4",
        );
        ip("link set far-four up");
        let captured = |queues: u16, options: &str| {
            let text = format!(
                "[[interface]]\nname = \"four\"\nengine = \"af_xdp\"\nqueues = {queues}\noptions = {options:?}\n"
            );
            run(&["up", "--dry-run", "--config", &write_config(dir, &text)])
        };
        let (code, text) = captured(2, "mode=generic");
        assert_eq!(code, 0, "{text}");
        assert_printed("af_xdp", &text);
        let (code, text) = captured(5, "");
        assert_eq!(code, 1, "{text}");
        assert_printed("af_xdp_with_too_many_queues", &text);
        let (code, text) = captured(1, "direction=in");
        assert_eq!(code, 1, "{text}");
        assert_printed("af_xdp_with_a_direction", &text);
    });
}

/// Every kind of setting that a veth has.
fn settings() -> Vec<Step> {
    let interface = || "tap-a".to_owned();
    vec![
        Setting::Mtu {
            interface: interface(),
            mtu: 9000,
        },
        Setting::Promiscuous {
            interface: interface(),
            on: true,
        },
        Setting::Address {
            interface: interface(),
            address: "192.0.2.9/24".into(),
            present: true,
        },
        Setting::Up {
            interface: interface(),
            up: true,
        },
        Setting::Feature {
            interface: interface(),
            feature: "gro".into(),
            on: true,
        },
        Setting::File {
            path: "/run/kernel-file".into(),
            text: "new".into(),
        },
    ]
    .into_iter()
    .map(Step::Setting)
    .collect()
}

#[test]
fn failure_of_any_setting_rolls_back() {
    on_a_machine(|_| {
        fs::write("/run/kernel-file", "old\n").unwrap();
        let all = || {
            (
                state("tap-a"),
                fs::read_to_string("/run/kernel-file").unwrap(),
            )
        };
        let before = all();
        for failing in 0..settings().len() {
            let mut changer = Changer::open_manifest(Path::new("/"), "/run/test/up.json").unwrap();
            let mut number = 0;
            let failed = changer.apply_observed(&settings(), &mut |_| {
                number += 1;
                match number > failing {
                    true => Err(Error::new(Kind::Io, "set", "injected")),
                    false => Ok(()),
                }
            });
            if number > failing {
                assert!(failed.unwrap_err().to_string().contains("has been undone"));
            } else {
                changer.undo_all().unwrap();
            }
            assert_eq!(all(), before, "step {failing}");
        }
    });
}

/// Makes programs that print how they are called into `/run/calls`.
fn fake(dir: &Path, name: &str, body: &str) -> String {
    let folder = dir.join("bin");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    write_program(&path, format!("#!/bin/sh\n{body}\n"));
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

const SYSTEMCTL: &str = "\
echo \"$@\" >> /run/calls
case $1 in
is-active) test -e \"/run/active-$3\" ;;
start) test \"$2\" != \"$(cat /run/failing 2>/dev/null)\" && touch \"/run/active-$2\" ;;
stop) rm -f \"/run/active-$2\" ;;
esac";

/// Makes a system with a service manager and hpcap's units.
fn with_services(dir: &Path) -> String {
    let none = None::<&str>;
    fs::create_dir_all("/run/systemd/system").unwrap();
    let units = Path::new("/usr/local/lib");
    mount(Some("units"), units, Some("tmpfs"), MsFlags::empty(), none).unwrap();
    let units = units.join("systemd/system");
    fs::create_dir_all(&units).unwrap();
    fs::write(units.join("hpcapd@.service"), "").unwrap();
    let recorder = "ExecStart=/usr/local/bin/hpcapdd --wait %I /var/lib/hpcap/%i $OPTIONS\n";
    fs::write(units.join("hpcapdd-queue@.service"), recorder).unwrap();
    fake(dir, "systemctl", SYSTEMCTL)
}

const RECORDED: &str = "\
[[interface]]
name = \"lo\"

[[recorder]]
queue = \"hpcap0\"
destination = \"/data\"
rotate_time = \"1h\"
";

fn drop_ins() -> Vec<PathBuf> {
    let folders = fs::read_dir("/run/systemd/system")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// The files in the folders of [`drop_ins`], with their names.
fn text_of_drop_ins() -> String {
    let files = drop_ins()
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let named = |file: fs::DirEntry| {
        let text = fs::read_to_string(file.path()).unwrap();
        format!("{}:\n{text}", file.path().display())
    };
    let texts: Vec<String> = files.map(|file| named(file.unwrap())).collect();
    texts.join("\n")
}

#[test]
fn services_run_with_the_configuration() {
    on_a_machine(|dir| {
        let path = with_services(dir);
        ip("link set lo up");
        let config = write_config(dir, RECORDED);
        let (code, text) = run_with_path(&["up", "--config", &config], &path);
        assert_eq!(code, 0, "{text}");
        assert_printed("drop_ins", &text_of_drop_ins());
        for unit in ["hpcapd@lo.service", "hpcapdd-queue@hpcap0.service"] {
            assert!(Path::new(&format!("/run/active-{unit}")).exists(), "{unit}");
        }
        // A changed configuration restarts what it concerns, and nothing else.
        fs::write("/run/calls", "").unwrap();
        write_config(dir, &RECORDED.replace("1h", "10m"));
        let (code, text) = run_with_path(&["up", "--config", &config], &path);
        assert_eq!(code, 0, "{text}");
        let calls = fs::read_to_string("/run/calls").unwrap();
        assert_printed("calls_after_a_change_of_the_recorder", &calls);
        let (code, text) = run_with_path(&["down"], &path);
        assert_eq!(code, 0, "{text}");
        assert!(!Path::new("/run/active-hpcapd@lo.service").exists());
        assert!(drop_ins().is_empty(), "{:?}", drop_ins());
    });
}

#[test]
fn monitor_runs_with_its_settings() {
    on_a_machine(|dir| {
        let path = with_services(dir);
        ip("link set lo up");
        let running = Path::new("/run/active-hpcap-monitor.service");
        let calls = |monitor: &str| {
            fs::write("/run/calls", "").unwrap();
            let config = write_config(dir, &format!("{RECORDED}[monitor]\n{monitor}\n"));
            let (code, text) = run_with_path(&["up", "--config", &config], &path);
            assert_eq!(code, 0, "{text}");
            fs::read_to_string("/run/calls").unwrap()
        };
        assert_printed("calls_for_everything", &calls("interval = \"1s\""));
        assert!(running.exists());
        assert_printed("calls_without_a_change", &calls("interval = \"1s\""));
        // Another setting restarts the monitor, and leaves the capture alone.
        let changed = calls("interval = \"2s\"");
        assert_printed("calls_after_a_change_of_the_monitor", &changed);
        calls("enabled = false");
        assert!(!running.exists());
        calls("");
        assert!(running.exists());
        assert_eq!(run_with_path(&["down"], &path).0, 0);
        assert!(!running.exists());
        assert!(drop_ins().is_empty(), "{:?}", drop_ins());
    });
}

#[test]
fn service_that_does_not_start_rolls_back() {
    on_a_machine(|dir| {
        let path = with_services(dir);
        ip("link set lo up");
        fs::write("/run/failing", "hpcapdd-queue@hpcap0.service").unwrap();
        let config = write_config(
            dir,
            &RECORDED.replace("name = \"lo\"", "name = \"lo\"\nmtu = 1400"),
        );
        let (code, text) = run_with_path(&["up", "--config", &config], &path);
        assert_eq!(code, 1, "{text}");
        assert_printed("service_does_not_start", &text);
        // The monitor belongs to no interface.
        let monitor = Path::new("/run/systemd/system/hpcap-monitor.service.d");
        assert_eq!(drop_ins(), [monitor]);
        assert!(!Path::new("/run/active-hpcapd@lo.service").exists());
        assert!(ip("link show lo").contains("mtu 65536"));
    });
}

/// A stored machine with two 82599, one of which the distribution's driver has.
fn stored() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    unpack(TWO_NODES, dir.path());
    let second = "\
/sys/bus/pci/devices/0000:81:00.1 -> ../../../devices/pci0000:80/0000:80:02.0/0000:81:00.1
/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.1/vendor = 0x8086
/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.1/device = 0x10fb
/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.1/class = 0x020000
/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.1/numa_node = 1
/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.1/net/eth2/ifindex = 4
/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.1/net/eth2/device -> ../../../0000:81:00.1
/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.1/driver -> ../../../../bus/pci/drivers/ixgbe
/sys/class/net/eth2 -> ../../devices/pci0000:80/0000:80:02.0/0000:81:00.1/net/eth2
/sys/module/hpcap_ixgbe/parameters/mode = hpcap,standard
/sys/module/hpcap_ixgbe/parameters/queues = 1,1
/sys/class/hpcap/hpcap_0_0/ring_bytes = 268435456
/sys/class/hpcap/hpcap_0_0/page_bytes = 4096
/sys/class/hpcap/hpcap_0_0/caplen = 0
/sys/class/hpcap/hpcap_0_0/poll = adaptive
/sys/class/hpcap/hpcap_0_0/priority = 0
/proc/irq/60/smp_affinity_list = 0-7
/proc/irq/61/smp_affinity_list = 0-1
/run/systemd/system/.keep = x
/lib/systemd/system/hpcapd@.service = x
";
    unpack(second, dir.path());
    dir
}

const MODULE: &str = "\
[[interface]]
pci = \"0000:81:00.0\"
engine = \"ixgbe\"
number = 0
ring = \"1G\"
pages = \"2M\"
cpus = [3]
caplen = 128
poll = \"busy\"
priority = \"fifo\"
pause = true

[[interface]]
pci = \"0000:81:00.1\"
engine = \"ixgbe\"
number = 1
mode = \"standard\"
mtu = 9000
speed = \"10G\"
address = \"192.0.2.1/24\"

[[recorder]]
queue = \"hpcap0\"
destination = \"/data/hpcap0\"
";

fn plan_of(dir: &Path, config: &str) -> (i32, String) {
    fs::create_dir_all(dir.join("etc/hpcap")).unwrap();
    fs::write(dir.join("etc/hpcap/hpcap.toml"), config).unwrap();
    run(&["up", "--dry-run", "--root", &dir.display().to_string()])
}

#[test]
fn plan_for_the_module_is_complete() {
    let dir = stored();
    let (code, text) = plan_of(dir.path(), MODULE);
    assert_eq!(code, 0, "{text}");
    insta::assert_snapshot!("plan_for_module", text);
}

/// The module has given the thread a CPU of its own, an isolated one if there is one.
#[test]
fn without_cpus_the_thread_stays_where_the_module_has_put_it() {
    let dir = stored();
    let (code, text) = plan_of(dir.path(), &MODULE.replace("cpus = [3]\n", ""));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("/sys/class/hpcap/hpcap_0_0/poll"), "{text}");
    assert!(!text.contains("/sys/class/hpcap/hpcap_0_0/cpu"), "{text}");
}

/// The module is loaded without `queues=` if every port has one queue. The parameter is an empty text then.
#[test]
fn module_without_a_list_of_queues_has_one_for_each_port() {
    let dir = stored();
    let parameters = dir.path().join("sys/module/hpcap_ixgbe/parameters");
    fs::write(parameters.join("queues"), "\n").unwrap();
    let (code, text) = plan_of(dir.path(), MODULE);
    assert_eq!(code, 0, "{text}");
    insta::assert_snapshot!("plan_for_module", text);
}

#[test]
fn plan_loads_modules_that_are_missing() {
    let dir = stored();
    fs::remove_dir_all(dir.path().join("sys/module")).unwrap();
    fs::remove_dir_all(dir.path().join("sys/class/hpcap")).unwrap();
    let (code, text) = plan_of(dir.path(), MODULE);
    assert_eq!(code, 0, "{text}");
    assert_printed("plan_with_modules", &text);
}

#[test]
fn plan_names_contradictions_with_the_machine() {
    let dir = stored();
    for (name, from, to) in [
        ("other_number", "number = 0", "number = 4"),
        ("other_queues", "cpus = [3]", "queues = 2"),
        (
            "other_mode",
            "mode = \"standard\"\nmtu = 9000\nspeed = \"10G\"\naddress = \"192.0.2.1/24\"",
            "",
        ),
    ] {
        assert!(MODULE.contains(from), "{from}");
        let queue = if to.contains('4') { "hpcap4" } else { "hpcap0" };
        let changed = MODULE
            .replace(from, to)
            .replace("queue = \"hpcap0\"", &format!("queue = {queue:?}"));
        let (code, text) = plan_of(dir.path(), &changed);
        assert_eq!(code, 1, "{text}");
        assert_printed(name, &text);
    }
    fs::write(dir.path().join("sys/module/hpcap_ixgbe/version"), "0.0.9\n").unwrap();
    let (code, text) = plan_of(dir.path(), MODULE);
    assert_eq!(code, 1);
    assert_printed("other_version", &text);
}
