//! The way from the packages to capturing with the kernel module, and back, as docs/install.md describes it, on an
//! installed Debian with systemd, udev and DKMS. `make test-install` makes the image and the packages, and runs this
//! test; it takes about half an hour.
//!
//! DKMS compiles three drivers for each kernel, which takes most of an hour on the slow processor of the machine. So the
//! package with the modules, and the next kernel, are installed while the machine is off, on its disk.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod debian;

use debian::{Debian, run, wait_for};
use vmlab::machine::Guest;

/// Files that every boot changes, whatever is installed, and those of the package manager itself.
const CHANGING: &str = "^/(proc|sys|dev|run|tmp|host|out|var/(log|tmp|cache|lib/systemd)|root|lost\\+found)(/| |$)\
|^/etc/(machine-id|resolv.conf)|^/var/lib/(apt|dpkg|dkms/mok)\
|^/lib/modules/[^/]*/modules\\.|^/usr/lib/modules/[^/]*/modules\\.|^/boot/initrd";

/// Files with accounts. The user of the recordings stays, as they do, so their content differs.
const ACCOUNTS: &str = "/etc/(passwd|group|shadow|gshadow|subuid|subgid)";

/// Installs and captures the first port.
const INSTALL: &str = "hpcapctl install enp0s8 --engine module --record";

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
    // While the machine starts, udev may not have named the second port yet.
    for port in ["hpcap0", "enp0s9"] {
        wait_for(guest, &format!("ip -br link show {port}"));
    }
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

/// The units that start at boot capture the first port, and no unit failed.
fn check_that_it_captures_after_boot(guest: &Guest, frames: u32) {
    wait_for(guest, "systemctl is-active hpcap.target");
    check_that_it_captures(guest, frames);
    wait_for(guest, "hpcapctl monitors status");
    let failed = run(guest, "systemctl --failed --no-legend");
    assert_eq!(failed, "", "failed units");
    has(&run(guest, "hpcapctl status hpcap0"), "driver hpcap_ixgbe");
}

/// The unit `hpcap` captures as a configuration says, and starts the recorder and the monitor. When it stops, everything
/// is as before.
fn check_the_way_of_the_configuration(guest: &Guest) {
    run(
        guest,
        "hpcapctl config new --interface enp0s8 --engine ixgbe --ring 64M --pages ordinary \
        --record /var/lib/hpcap --yes",
    );
    run(guest, "systemctl start hpcap");
    check_that_it_captures(guest, 1000);
    wait_for(guest, "hpcapctl monitors status");
    has(&run(guest, "hpcapctl up"), "nothing to do");
    run(guest, "hpcapctl config diff");
    run(guest, "systemctl stop hpcap");
    for port in ["enp0s8", "enp0s9"] {
        wait_for(guest, &format!("ip -br link show {port}"));
    }
    run(guest, "! hpcapctl monitors status");
    run(guest, "rm -r /var/lib/hpcap/hpcap0");
}

/// Purges the packages. The machine is then in the state `before`.
fn check_that_purge_leaves_nothing(guest: Guest, packages: &str, before: &str) {
    let purge = format!("DEBIAN_FRONTEND=noninteractive apt-get -y purge {packages}");
    run(&guest, &purge);
    let after = state(&guest);
    guest.shutdown().unwrap();
    let differences = differences(before, &after);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The command that installs a package.
fn install(package: &str) -> String {
    format!("DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends install {package}")
}

#[test]
#[ignore = "takes long; make test-install"]
fn machine_is_as_before_after_purge() {
    let mut debian = Debian::new();
    debian.make_older_package();

    // The packages, which build and sign the modules, and start nothing.
    let guest = debian.boot();
    let before = state(&guest);
    run(&guest, &install("/out/older/hpcap.deb"));
    guest.shutdown().unwrap();
    debian.install_modules();
    let guest = debian.boot();
    let dkms = run(&guest, "dkms status hpcap; modinfo -F signer hpcap_ixgbe");
    has(&dkms, "installed");
    has(&dkms, "DKMS module signing key");
    wait_for(&guest, "ip -br link show enp0s8");
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

    // Settings change while it captures.
    run(&guest, "hpcapctl set hpcap0 caplen=128");
    has(&run(&guest, "hpcapctl get hpcap0 caplen"), "128");

    // A listener that is killed is a recorder that comes back.
    has(&run(&guest, "hpcapctl listeners hpcap0"), "hpcapdd");
    let id = "$(hpcapctl listeners hpcap0 | awk '$1 == \"hpcap0\" { print $2; exit }')";
    run(&guest, &format!("hpcapctl kill hpcap0 \"{id}\""));
    wait_for(
        &guest,
        "hpcapctl listeners hpcap0 | grep -q 'hpcapdd .*active'",
    );

    // A new version of the package leaves what captures alone.
    let older = "/usr/share/hpcap/of-the-older-version";
    run(&guest, &format!("test -e {older}"));
    run(&guest, &install("/out/hpcap_*.deb"));
    run(&guest, &format!("! test -e {older}"));
    has(&run(&guest, "hpcapctl upgrade"), "nothing to do");
    let services = "systemctl is-active hpcap-port@0000:00:08.0 hpcapdd-queue@hpcap0";
    run(&guest, services);
    guest.shutdown().unwrap();

    // DKMS builds the modules for the next kernel, and after its boot, capture starts by itself.
    let said = debian.install_next_kernel();
    has(&said, "hpcap_ixgbe.ko");
    let guest = debian.boot();
    has(&run(&guest, "uname -r"), "6.12.");
    check_that_it_captures_after_boot(&guest, 2000);
    guest.shutdown().unwrap();

    // The kernel before is as good as it was.
    debian.remove_next_kernel();
    let guest = debian.boot();
    has(&run(&guest, "uname -r"), "6.1.");
    check_that_it_captures_after_boot(&guest, 3000);
    let recorded = run(&guest, "checkraw /var/lib/hpcap/hpcap0");
    has(&recorded, "6000 frames");

    // And everything is as before.
    run(&guest, "hpcapctl uninstall");
    wait_for(&guest, "ip -br link show enp0s8");
    run(&guest, "rm -r /var/lib/hpcap/hpcap0");
    check_the_way_of_the_configuration(&guest);
    check_that_purge_leaves_nothing(guest, "hpcap hpcap-dkms", &before);
}

/// `hpcapd` captures and records the first port as a service. The port belongs to the machine's network all the time.
fn check_that_the_service_captures(guest: &Guest, frames: u32) {
    // The network of a machine sets its interfaces up. Nothing but the frames of the laboratory is on the wire.
    wait_for(guest, "ip -br link show enp0s8");
    run(
        guest,
        "echo 1 >/proc/sys/net/ipv6/conf/enp0s8/disable_ipv6; ip link set enp0s8 up",
    );
    wait_for(guest, "[ \"$(cat /sys/class/net/enp0s8/carrier)\" = 1 ]");
    wait_for(guest, "hpcapctl listeners hpcap0 | grep -q hpcapdd");
    run(
        guest,
        &format!(
            "/run/lab traffic start gen:size=60,rate=5kpps,count={frames}; /run/lab traffic wait"
        ),
    );
    wait_for(
        guest,
        &format!("hpcapctl status hpcap0 | grep -qE 'captured +{frames} frames'"),
    );
    let failed = run(guest, "systemctl --failed --no-legend");
    assert_eq!(failed, "", "failed units");
}

#[test]
#[ignore = "takes long; make test-install"]
fn interface_is_captured_as_a_service_without_the_module() {
    let debian = Debian::new();
    let guest = debian.boot();
    let before = state(&guest);
    run(&guest, &install("/out/hpcap_*.deb"));
    run(&guest, "hpcapctl install enp0s8 --record");
    check_that_the_service_captures(&guest, 1000);
    guest.shutdown().unwrap();

    // After the next boot, capture starts by itself.
    let guest = debian.boot();
    wait_for(&guest, "systemctl is-active hpcap.target hpcapd@enp0s8");
    check_that_the_service_captures(&guest, 2000);
    wait_for(&guest, "hpcapctl monitors status");

    // A member of the group sees the queue, and strangers do not. Neither may end its recorder.
    let member = "setpriv --reuid 12345 --regid hpcap --clear-groups";
    has(
        &run(&guest, &format!("{member} hpcapctl status hpcap0")),
        "af_packet",
    );
    let stranger = "setpriv --reuid 12345 --regid 12345 --clear-groups";
    run(&guest, &format!("! {stranger} hpcapctl status hpcap0"));
    for somebody in [member, stranger] {
        run(&guest, &format!("! {somebody} hpcapctl kill hpcap0 1"));
    }

    run(&guest, "hpcapctl uninstall");
    has(
        &run(&guest, "checkraw /var/lib/hpcap/hpcap0"),
        "3000 frames",
    );
    run(
        &guest,
        "rm -r /var/lib/hpcap/hpcap0; ip link set enp0s8 down",
    );
    check_that_purge_leaves_nothing(guest, "hpcap", &before);
}
