//! Which ports `hpcapctl install` gives to the kernel module, on stored machines.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use hpcap_host::Tree;
use hpcapctl::change::modules;
use hpcapctl::change::step::Step;
use hpcapctl::install::ports::{self, Port};
use tempfile::TempDir;
use testkit::machine::unpack;

/// Two ports of an 82599 and a NIC of another kind, on a kernel with headers, with the package hpcap-dkms.
const MACHINE: &str = "\
/proc/sys/kernel/osrelease = 6.1.0-56-amd64
/lib/modules/6.1.0-56-amd64/build/Makefile = all:
/usr/src/hpcap-0.9.0/dkms.conf = old
/usr/src/hpcap-0.10.0/dkms.conf = new
/sys/bus/pci/devices/0000:00:03.0/vendor = 0x1af4
/sys/bus/pci/devices/0000:00:03.0/device = 0x1000
/sys/class/net/eth0/device -> ../../../bus/pci/devices/0000:00:03.0
/sys/bus/pci/devices/0000:01:00.0/vendor = 0x8086
/sys/bus/pci/devices/0000:01:00.0/device = 0x10fb
/sys/bus/pci/devices/0000:01:00.0/driver -> ../../../drivers/ixgbe
/sys/class/net/eth1/device -> ../../../bus/pci/devices/0000:01:00.0
/sys/bus/pci/devices/0000:01:00.1/vendor = 0x8086
/sys/bus/pci/devices/0000:01:00.1/device = 0x10fb
/sys/bus/pci/devices/0000:01:00.1/driver -> ../../../drivers/ixgbe
/sys/class/net/eth2/device -> ../../../bus/pci/devices/0000:01:00.1
/proc/net/route = Iface Destination\\neth0 00000000
";

fn machine(changes: &str) -> (TempDir, Tree) {
    let dir = tempfile::tempdir().unwrap();
    unpack(MACHINE, dir.path());
    unpack(changes, dir.path());
    let tree = Tree::at(dir.path());
    (dir, tree)
}

fn port(tree: &Tree, interface: &str) -> Port {
    Port::of_interface(tree, interface).unwrap()
}

fn content(step: &Step) -> &str {
    match step {
        Step::WriteFile { content, .. } => content,
        other => panic!("{other} writes no file"),
    }
}

#[test]
fn port_has_the_number_of_its_rank() {
    let (_dir, tree) = machine("");
    assert_eq!(port(&tree, "eth1").number, 0);
    assert_eq!(port(&tree, "eth2").number, 1);
    assert_eq!(Port::of_interface(&tree, "eth0"), None);
}

#[test]
fn virtual_function_of_this_machine_has_no_rank() {
    let (_dir, tree) = machine(
        "/sys/bus/pci/devices/0000:01:10.0/vendor = 0x8086\n\
         /sys/bus/pci/devices/0000:01:10.0/device = 0x10ed\n\
         /sys/bus/pci/devices/0000:01:10.0/physfn -> ../0000:01:00.0\n\
         /sys/class/net/vf0/device -> ../../../bus/pci/devices/0000:01:10.0\n",
    );
    assert_eq!(Port::of_interface(&tree, "vf0"), None);
    assert_eq!(port(&tree, "eth2").number, 1);
}

#[test]
fn options_leave_other_ports_in_standard_mode() {
    let (_dir, tree) = machine("");
    let step = ports::options(&[port(&tree, "eth2")]);
    assert_eq!(
        content(&step),
        "# Written by `hpcapctl install`.\noptions hpcap_ixgbe mode=standard,hpcap\n"
    );
}

#[test]
fn fallback_serves_the_queue_of_the_module() {
    let (_dir, tree) = machine("");
    let port = port(&tree, "eth2");
    let step = port.fallback();
    assert!(
        content(&step).ends_with(
            "[Unit]\nBefore=hpcapdd-queue@hpcap1.service\nOnFailure=hpcapd@eth2.service\n"
        )
    );
    // The next run finds the port in the list of changes.
    assert_eq!(Port::of_step(&step), Some(port));
}

#[test]
fn machine_with_everything_has_no_problem() {
    let (_dir, tree) = machine("");
    assert_eq!(
        ports::problems(&tree, &[port(&tree, "eth1")], false),
        [""; 0]
    );
    assert_eq!(modules::version(&tree).as_deref(), Some("0.10.0"));
}

#[test]
fn missing_sources_are_reported_beside_missing_headers() {
    let (dir, tree) = machine("");
    std::fs::remove_dir_all(dir.path().join("usr")).unwrap();
    std::fs::remove_dir_all(dir.path().join("lib")).unwrap();
    let problems = ports::problems(&tree, &[port(&tree, "eth1")], false);
    insta::assert_snapshot!("missing_sources_and_headers", problems.join("\n"));
}

#[test]
fn installed_modules_need_no_headers() {
    let (dir, tree) = machine(
        "/lib/modules/6.1.0-56-amd64/updates/dkms/hpcap.ko.xz = module\n\
         /lib/modules/6.1.0-56-amd64/updates/dkms/hpcap_ixgbe.ko.xz = module\n",
    );
    std::fs::remove_dir_all(dir.path().join("lib/modules/6.1.0-56-amd64/build")).unwrap();
    assert!(modules::are_installed(&tree, "6.1.0-56-amd64"));
    assert_eq!(
        ports::problems(&tree, &[port(&tree, "eth1")], false),
        [""; 0]
    );
}

#[test]
fn interface_of_the_network_is_refused() {
    let (_dir, tree) = machine("/proc/net/route = Iface Destination\\neth1 00000000\n");
    let ports = [port(&tree, "eth1")];
    let problems = ports::problems(&tree, &ports, false);
    insta::assert_snapshot!("interface_of_the_network", problems.join("\n"));
    assert_eq!(ports::problems(&tree, &ports, true), [""; 0]);
}

#[test]
fn port_that_was_loaded_by_hand_is_refused() {
    let (dir, tree) = machine("");
    let driver = dir.path().join("sys/bus/pci/devices/0000:01:00.0/driver");
    std::fs::remove_file(&driver).unwrap();
    std::os::unix::fs::symlink("../../../drivers/hpcap_ixgbe", &driver).unwrap();
    let problems = ports::problems(&tree, &[port(&tree, "eth1")], false);
    insta::assert_snapshot!("loaded_by_hand", problems.join("\n"));
}
