//! Compiles the loops of `hpcap-bench ring` with the headers of `kmod/core/` in them, as the
//! kernel module and the engine have them.

fn main() {
    let kmod = std::path::Path::new("../kmod");
    let ours = [
        "src/ring/advrx/ring.c",
        "src/ring/dedup.c",
        "src/ring/ring.c",
    ];
    for file in ours.into_iter().chain(["src/ring/bench.h"]) {
        println!("cargo::rerun-if-changed={file}");
    }
    for file in [
        "core/advrx.h",
        "core/dedup.h",
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
        .compile("hpcap_bench_ring");
}
