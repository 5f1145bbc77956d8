//! `hpcapctl vf` on a stored machine.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use hpcap::{Error, Kind, Result};
use hpcap_host::Tree;
use hpcapctl::vf::{Create, create, list};
use tempfile::TempDir;
use testkit::machine::unpack;

/// A port with two virtual functions, the first of which a driver uses, and one without SR-IOV.
const MACHINE: &str = "\
/sys/class/net/eth1 -> ../../devices/pci/0000:03:00.0/net/eth1
/sys/devices/pci/0000:03:00.0/net/eth1/device -> ../../../0000:03:00.0
/sys/devices/pci/0000:03:00.0/sriov_totalvfs = 63
/sys/devices/pci/0000:03:00.0/sriov_numvfs = 2
/sys/devices/pci/0000:03:00.0/driver -> ../../../bus/pci/drivers/ixgbe
/sys/devices/pci/0000:03:00.0/virtfn0 -> ../0000:03:10.0
/sys/devices/pci/0000:03:00.0/virtfn1 -> ../0000:03:10.2
/sys/bus/pci/devices/0000:03:10.0 -> ../../../devices/pci/0000:03:10.0
/sys/devices/pci/0000:03:10.0/vendor = 0x8086
/sys/devices/pci/0000:03:10.0/device = 0x10ed
/sys/devices/pci/0000:03:10.0/driver -> ../../../bus/pci/drivers/ixgbevf
/sys/devices/pci/0000:03:10.0/net/eth5/x = 1
/sys/bus/pci/devices/0000:03:10.2 -> ../../../devices/pci/0000:03:10.2
/sys/devices/pci/0000:03:10.2/vendor = 0x8086
/sys/devices/pci/0000:03:10.2/device = 0x10ed
/sys/class/net/eth2/mtu = 1500
/sys/class/net/eth5/device -> ../../../devices/pci/0000:03:10.0
/sys/devices/pci/0000:03:10.0/physfn -> ../0000:03:00.0
";

fn machine() -> (TempDir, Tree) {
    let dir = tempfile::tempdir().unwrap();
    unpack(MACHINE, dir.path());
    let tree = Tree::at(dir.path());
    (dir, tree)
}

fn wanted(count: u32) -> Create {
    Create {
        interface: "eth1".into(),
        count,
        yes: true,
        dry_run: false,
    }
}

fn number(tree: &Tree) -> u32 {
    tree.value("/sys/class/net/eth1/device/sriov_numvfs")
        .unwrap()
}

/// Writes as the kernel lets programs write: only from and to 0.
fn kernel(path: &Path, text: &str) -> Result<()> {
    let now = fs::read_to_string(path).unwrap();
    if now.trim() != "0" && text != "0" {
        return Err(Error::new(Kind::Busy, "write", "device busy"));
    }
    fs::write(path, text).unwrap();
    Ok(())
}

#[test]
fn functions_are_listed_with_their_drivers() {
    let (_dir, tree) = machine();
    insta::assert_snapshot!("list", list(&tree, None, false).unwrap());
    let json = list(&tree, Some("eth1"), true).unwrap();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["pci"], "0000:03:10.0");
    assert_eq!(first["interface"], "eth5");
}

#[test]
fn port_without_functions_has_a_reason() {
    let (_dir, tree) = machine();
    let errors = ["eth2", "eth5", "eth9"]
        .map(|name| list(&tree, Some(name), false).unwrap_err().to_string());
    insta::assert_snapshot!("no_functions", errors.join("\n"));
}

#[test]
fn number_changes_by_way_of_zero() {
    let (_dir, tree) = machine();
    create(&tree, &wanted(4), kernel).unwrap();
    assert_eq!(number(&tree), 4);
    let said = create(&tree, &wanted(4), kernel).unwrap();
    assert!(said.starts_with("nothing to do"), "{said}");
    create(&tree, &wanted(0), kernel).unwrap();
    assert_eq!(number(&tree), 0);
}

#[test]
fn refused_number_leaves_the_old_one() {
    let (_dir, tree) = machine();
    let error = create(&tree, &wanted(4), |path, text| match text {
        "4" => Err(Error::new(Kind::Io, "write 4", "Cannot allocate memory")),
        text => kernel(path, text),
    })
    .unwrap_err();
    insta::assert_snapshot!("refused_number", error.to_string());
    assert_eq!(number(&tree), 2);
    assert_eq!(
        create(&tree, &wanted(64), kernel).unwrap_err().kind(),
        Kind::Usage
    );
}

#[test]
fn functions_in_use_are_not_replaced() {
    let (_dir, tree) = machine();
    let asked = Create {
        yes: false,
        ..wanted(4)
    };
    let error = create(&tree, &asked, kernel).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    insta::assert_snapshot!("functions_in_use", error.to_string());
    assert_eq!(number(&tree), 2);
}

#[test]
fn dry_run_writes_nothing() {
    let (dir, tree) = machine();
    let asked = Create {
        dry_run: true,
        ..wanted(4)
    };
    let said = create(&tree, &asked, kernel).unwrap();
    let folder = dir.path().display().to_string();
    insta::assert_snapshot!("dry_run", said.replace(&folder, "[FOLDER]"));
    assert_eq!(number(&tree), 2);
}

#[test]
fn trust_of_a_port_without_functions_is_refused() {
    let done = Command::new(env!("CARGO_BIN_EXE_hpcapctl"))
        .args(["vf", "trust", "lo", "0", "on"])
        .output()
        .unwrap();
    let text = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{text}");
    insta::assert_snapshot!("trust_refused", text);
}
