//! The documents of this repository.

use std::path::Path;

#[test]
fn documents_name_the_options_of_their_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let differences = xtask::documents::compare_all(&root).unwrap();
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(lines, [""; 0]);
}
