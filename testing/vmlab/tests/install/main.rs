//! The way from the packages to capturing with the kernel module, and back, as docs/install.md describes it, on an
//! installed Debian with systemd, udev and DKMS. `make test-install` makes the image and the packages, and runs this
//! test; it takes about half an hour. For most of this time, DKMS compiles two drivers on a slow processor.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vmlab::machine::{Guest, Machine, NicSpec, System};
use vmlab::traffic::Lab;

/// Longest time that a machine lives. The processor of the guest is slow, and DKMS compiles two drivers.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Files that every boot changes, whatever is installed, and those of the package manager itself.
const CHANGING: &str = "^/(proc|sys|dev|run|tmp|host|out|var/(log|tmp|cache|lib/systemd)|root|lost\\+found)(/| |$)\
|^/etc/(machine-id|resolv.conf)|^/var/lib/(apt|dpkg|dkms/mok)\
|^/lib/modules/[^/]*/modules\\.|^/usr/lib/modules/[^/]*/modules\\.|^/boot/initrd";

/// Files with accounts. The user of the recordings stays, as they do, so their content differs.
const ACCOUNTS: &str = "/etc/(passwd|group|shadow|gshadow|subuid|subgid)";

/// Installs and captures the first port.
const INSTALL: &str = "hpcapctl install enp0s8 --engine module --record";

/// The disk of the machine, which stays over its boots, and the packages.
struct Debian {
    image: PathBuf,
    folder: tempfile::TempDir,
    packages: PathBuf,
}

impl Debian {
    fn new() -> Self {
        let packages =
            std::env::var_os("HPCAP_PACKAGES").expect("make test-install sets HPCAP_PACKAGES");
        Self {
            image: System::debian().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            packages: fs::canonicalize(Path::new(&packages)).unwrap(),
        }
    }

    /// Boots the machine, with two ports of an 82599.
    fn boot(&self) -> Guest {
        let started = Instant::now();
        let disk = self.folder.path().join("disk");
        let system = match disk.exists() {
            true => System::open(&self.image, &disk),
            false => System::copy(&self.image, &disk),
        };
        let system = system.unwrap();
        let mut lab = Lab::new(None, self.folder.path());
        let mut machine = Machine::new(system.kernel().clone()).unwrap();
        for _ in 0..2 {
            let nic = "82599".parse::<NicSpec>().unwrap();
            machine = machine.lab_nic(nic, &mut lab).unwrap();
        }
        let guest = machine
            .system(system)
            .handler(Arc::new(lab))
            .out(&self.packages)
            .limit(Some(LIMIT))
            .log(self.folder.path().join("console"))
            // The key that DKMS signs with is not enrolled in a machine without firmware.
            .tolerate("module verification failed")
            // Some versions of the kernel warn in a test of their cryptography, whatever is installed.
            .tolerate("crypto_wait_for_test")
            .boot()
            .unwrap();
        say("boot", started);
        guest
    }
}

fn say(part: &str, started: Instant) {
    println!("{:5} s  {part}", started.elapsed().as_secs());
}

/// Runs a script of the shell, which must succeed. Returns what it printed.
fn run(guest: &Guest, script: &str) -> String {
    let started = Instant::now();
    let done = guest.run(&["sh", "-ec", script], LIMIT).unwrap();
    let text = [done.stdout, done.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    say(script.lines().next().unwrap_or_default(), started);
    if done.code != 0 {
        let journal = guest.run(
            &[
                "sh",
                "-c",
                "journalctl -b --no-pager | grep hpcap | tail -30",
            ],
            LIMIT,
        );
        let journal = journal.map(|done| done.stdout).unwrap_or_default();
        let journal = String::from_utf8_lossy(&journal).into_owned();
        panic!("exit code {}: {script}\n{text}\n{journal}", done.code);
    }
    text
}

/// Runs a script until it succeeds. The time limit of the machine ends what never does.
fn wait_for(guest: &Guest, script: &str) {
    run(guest, &format!("until {script}; do sleep 0.5; done"));
}

/// Every file with its mode, owner and target; the content of every setting; and who drives which port.
fn state(guest: &Guest) -> String {
    let files = format!("find / -xdev -printf '%p %M %u:%g %l\\n' | grep -vE '{CHANGING}' | sort");
    let settings = format!(
        "find /etc -xdev -type f -exec sha256sum {{}} + | grep -vE '{ACCOUNTS}|/etc/(machine-id|resolv.conf)' | sort -k2"
    );
    let ports = "for port in 8 9; do cd /sys/bus/pci/devices/0000:00:0$port.0; \
        echo \"port $port $(basename \"$(readlink driver)\") $(cat driver_override) $(ls net)\"; done; \
        lsmod | grep ^hpcap || true";
    [files.as_str(), settings.as_str(), ports]
        .map(|script| run(guest, script))
        .concat()
}

/// Lines of one text that are not in the other one.
fn differences(before: &str, after: &str) -> Vec<String> {
    let only = |sign: char, of: &str, other: &str| -> Vec<String> {
        let known: std::collections::HashSet<&str> = other.lines().collect();
        of.lines()
            .filter(|line| !known.contains(line))
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    let mut all = only('-', before, after);
    all.extend(only('+', after, before));
    all
}

#[track_caller]
fn has(text: &str, expected: &str) {
    assert!(text.contains(expected), "{expected:?} is not in {text}");
}

/// Cuts the power of the machine while `hpcapctl install` works, as soon as `moment` succeeds.
fn cut_power_while_installing(guest: Guest, moment: &str) {
    run(
        &guest,
        &format!("{INSTALL} >/dev/null 2>&1 & until {moment}; do sleep 0.02; done"),
    );
    // QEMU is killed: what the guest has not written to its disk is lost.
    drop(guest);
}

/// The first port is captured and recorded, and the second one has its plain driver.
fn check_that_it_captures(guest: &Guest, frames: u32) {
    let links = run(guest, "ip -br link");
    has(&links, "hpcap0 ");
    has(&links, "enp0s9 ");
    wait_for(guest, "hpcapctl listeners hpcap0 | grep -q hpcapdd");
    run(
        guest,
        &format!("/run/lab traffic start gen:size=60,count={frames}; /run/lab traffic wait"),
    );
    wait_for(
        guest,
        &format!("hpcapctl status hpcap0 | grep -qE 'captured +{frames} frames'"),
    );
}

#[test]
#[ignore = "takes long; make test-install"]
fn machine_is_as_before_after_purge() {
    let debian = Debian::new();

    // The packages, which build and sign the modules, and start nothing.
    let guest = debian.boot();
    let before = state(&guest);
    run(
        &guest,
        "DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends install /out/hpcap*.deb",
    );
    let dkms = run(&guest, "dkms status hpcap; modinfo -F signer hpcap_ixgbe");
    has(&dkms, "installed");
    has(&dkms, "DKMS module signing key");
    has(&run(&guest, "ip -br link"), "enp0s8 ");
    let plan = run(&guest, &format!("{INSTALL} --dry-run"));
    has(&plan, "would start hpcap-port@0000:00:08.0.service");

    // Two power cuts: before anything has begun to capture, and while services start.
    cut_power_while_installing(guest, "[ -e /var/lib/hpcapctl/manifest.json ]");
    let guest = debian.boot();
    cut_power_while_installing(guest, "systemctl is-active -q hpcap-port@0000:00:08.0");

    // The next run undoes the remains of the previous run, and installs.
    let guest = debian.boot();
    let said = run(&guest, INSTALL);
    has(&said, "an earlier run was cut off");
    has(&said, "the kernel module captures enp0s8");
    check_that_it_captures(&guest, 1000);
    has(&run(&guest, INSTALL), "nothing to do");
    guest.shutdown().unwrap();

    // After the next boot, capture starts by itself.
    let guest = debian.boot();
    wait_for(&guest, "systemctl is-active hpcap.target");
    check_that_it_captures(&guest, 2000);
    let failed = run(&guest, "systemctl --failed --no-legend");
    assert_eq!(failed, "", "failed units");
    let status = run(&guest, "hpcapctl status hpcap0");
    has(&status, "driver hpcap_ixgbe");

    // Settings change while it captures.
    run(&guest, "hpcapctl set hpcap0 caplen=128");
    has(&run(&guest, "hpcapctl get hpcap0 caplen"), "128");

    // A listener that is killed is a recorder that comes back.
    let listeners = run(&guest, "hpcapctl listeners hpcap0");
    has(&listeners, "hpcapdd");
    let id = "$(hpcapctl listeners hpcap0 | awk '$1 == \"hpcap0\" { print $2; exit }')";
    run(&guest, &format!("hpcapctl kill hpcap0 \"{id}\""));
    wait_for(
        &guest,
        "hpcapctl listeners hpcap0 | grep -q 'hpcapdd .*active'",
    );
    has(
        &run(&guest, "checkraw /var/lib/hpcap/hpcap0"),
        "3000 frames",
    );

    // An upgrade of the package leaves what captures alone.
    run(
        &guest,
        "DEBIAN_FRONTEND=noninteractive apt-get -y --reinstall install /out/hpcap_*.deb",
    );
    has(&run(&guest, "hpcapctl upgrade"), "nothing to do");
    run(
        &guest,
        "systemctl is-active hpcap-port@0000:00:08.0 hpcapdd-queue@hpcap0",
    );

    // And everything is as before.
    run(&guest, "hpcapctl uninstall");
    has(&run(&guest, "ip -br link"), "enp0s8 ");
    run(&guest, "rm -r /var/lib/hpcap/hpcap0");
    run(
        &guest,
        "DEBIAN_FRONTEND=noninteractive apt-get -y purge hpcap hpcap-dkms",
    );
    let after = state(&guest);
    guest.shutdown().unwrap();
    let differences = differences(&before, &after);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
