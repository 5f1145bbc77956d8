//! Finds the commit that is built, and tells it to the crate as `HPCAP_BUILD`.

#[path = "src/commit.rs"]
mod commit;

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=HPCAP_COMMIT");
    println!("cargo:rerun-if-changed=COMMIT");
    println!("cargo:rerun-if-changed=src/commit.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let folder = variable("CARGO_MANIFEST_DIR");
    // This crate is in crates/ of the repository.
    let root = Path::new(&folder)
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("."));
    let archive = std::fs::read_to_string("COMMIT").unwrap_or_default();
    let given = variable("HPCAP_COMMIT");
    // Every commit would rebuild every tool of a developer, whose builds are of no commit anyway.
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
