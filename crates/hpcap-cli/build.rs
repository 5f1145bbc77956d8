//! Finds the commit of the sources and passes it to the crate as `HPCAP_BUILD`.

#[path = "src/commit.rs"]
mod commit;

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=HPCAP_COMMIT");
    println!("cargo:rerun-if-changed=COMMIT");
    println!("cargo:rerun-if-changed=src/commit.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let folder = variable("CARGO_MANIFEST_DIR");
    // The repository is two folders up: this crate is in crates/.
    let root = Path::new(&folder)
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("."));
    let archive = std::fs::read_to_string("COMMIT").unwrap_or_default();
    let given = variable("HPCAP_COMMIT");
    // Debug builds do not name the commit; otherwise each commit would rebuild every tool of a
    // developer.
    let build = if given.is_empty() && variable("PROFILE") == "debug" {
        "development build".to_owned()
    } else {
        for path in commit::files_that_decide(root) {
            println!("cargo:rerun-if-changed={}", path.display());
        }
        commit::find(&given, &archive, root).unwrap_or_else(|| "commit unknown".to_owned())
    };
    println!("cargo:rustc-env=HPCAP_BUILD={build}");
}
