//! The licences of the libraries in the programs, and what the packages say of them.

use std::fs;
use std::path::{Path, PathBuf};

use xtask::licences;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn list_names_the_linked_libraries() {
    let linked = licences::linked(&root()).unwrap();
    let list = fs::read_to_string(root().join(licences::FILE)).unwrap();
    assert_eq!(
        licences::overview_of(&list),
        licences::overview(&linked),
        "write the list again: cargo xtask licences"
    );
}

#[test]
fn rpm_names_the_licences_of_its_libraries() {
    let expression = licences::expression(&licences::linked(&root()).unwrap());
    let spec = fs::read_to_string(root().join("packaging/rpm/hpcap.spec")).unwrap();
    let line = spec.lines().find(|line| line.starts_with("License:"));
    let licence = line.and_then(|line| line.strip_prefix("License:"));
    assert_eq!(licence.map(str::trim), Some(expression.as_str()));
}

#[test]
fn deb_names_the_licences_of_its_libraries() {
    let linked = licences::linked(&root()).unwrap();
    let copyright = fs::read_to_string(root().join("packaging/debian/copyright")).unwrap();
    for licence in linked.iter().flat_map(|library| &library.licences) {
        // Debian's name of the licence that SPDX calls MIT.
        let name = licence.replace("MIT", "Expat");
        let text = format!("\nLicense: {name}\n ");
        assert!(copyright.contains(&text), "{name} has no paragraph");
    }
}
