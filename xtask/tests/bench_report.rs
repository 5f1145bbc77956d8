//! Tests that docs/performance.md shows only figures that a command writes.

use std::path::Path;

use xtask::bench_report::{PAGE, complaints};

#[test]
fn figures_are_written_by_their_commands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join(PAGE)).unwrap();
    assert_eq!(complaints(&page), [""; 0]);
}
