//! Compiles the producer and the stages of `kmod/core/`: the same files that the kernel module
//! uses.

fn main() {
    let kmod = std::path::Path::new("../kmod");
    let ours = ["src/ring/ring.c", "src/stages/stages.c"];
    for file in ours {
        println!("cargo::rerun-if-changed={file}");
    }
    for file in [
        "core/dedup.h",
        "core/filter.h",
        "core/frame.h",
        "core/port.h",
        "core/ring.h",
        "include/uapi/hpcap.h",
    ] {
        println!("cargo::rerun-if-changed={}", kmod.join(file).display());
    }
    cc::Build::new()
        .files(ours)
        .include(kmod.join("core"))
        .include(kmod.join("include/uapi"))
        .opt_level(3)
        .flag("-std=gnu11")
        .warnings(true)
        .extra_warnings(true)
        .compile("hpcap_ring");
}
