//! Compiles C with the headers of `kmod/core/` in it: the same files that the kernel module uses.
//! The build scripts of `hpcap-engine` and `hpcap-bench` have this file in common.

use std::path::Path;

/// Makes a library of the C files in `files`, relative to the package; its headers are named there,
/// too, and compiled with them.
pub(crate) fn compile(library: &str, files: &[&str]) {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    // The packages stand at different depths below the folder that has kmod/.
    let kmod = Path::new(&package)
        .ancestors()
        .map(|folder| folder.join("kmod"))
        .find(|folder| folder.join("core").is_dir());
    let Some(kmod) = kmod else {
        panic!("no folder above {package} has kmod/core: build inside a clone of the repository");
    };
    let folders = [kmod.join("core"), kmod.join("include/uapi")];
    let all = files.iter().map(Path::new);
    // A folder stands for what is in it: a header that is added there is noticed, too.
    for path in all.chain(folders.iter().map(AsRef::as_ref)) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    cc::Build::new()
        .files(files.iter().filter(|file| file.ends_with(".c")))
        .includes(&folders)
        .opt_level(3)
        .flag("-std=gnu11")
        .warnings(true)
        .extra_warnings(true)
        .compile(library);
}
