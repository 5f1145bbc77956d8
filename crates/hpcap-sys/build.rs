//! Compiles `kmod/core/` for userspace, and passes the folders of its headers to the build scripts
//! of dependents.
//!
//! A dependent with C sources of its own reads `DEP_HPCAP_CORE_INCLUDE`: folders, separated as in
//! `PATH`.

use std::path::Path;

fn main() {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let kmod = Path::new(&package).join("../../kmod");
    let Ok(kmod) = kmod.canonicalize() else {
        panic!("{package}/../../kmod is missing: build inside a clone of the repository");
    };
    let includes = [kmod.join("core"), kmod.join("include/uapi")];
    for folder in &includes {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    println!("cargo::rerun-if-changed=src/c");
    match std::env::join_paths(&includes) {
        Ok(paths) => println!("cargo::metadata=include={}", paths.display()),
        Err(e) => panic!("{}: {e}", kmod.display()),
    }
    #[cfg(feature = "core")]
    cc::Build::new()
        .files([
            "src/c/advrx.c",
            "src/c/ring.c",
            "src/c/spread.c",
            "src/c/stages.c",
        ])
        .includes(&includes)
        .opt_level(3)
        .flag("-std=gnu11")
        .warnings(true)
        .extra_warnings(true)
        .compile("hpcap_core");
}
