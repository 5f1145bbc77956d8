//! Compiles the loops of `hpcap-bench ring` with `kmod/core/ring.h` in them, as the kernel
//! module and the engine have it.

fn main() {
    let kmod = std::path::Path::new("../kmod");
    println!("cargo::rerun-if-changed=src/ring/ring.c");
    for file in ["core/frame.h", "core/ring.h", "core/port.h", "include/uapi/hpcap.h"] {
        println!("cargo::rerun-if-changed={}", kmod.join(file).display());
    }
    cc::Build::new()
        .file("src/ring/ring.c")
        .include(kmod.join("core"))
        .include(kmod.join("include/uapi"))
        .opt_level(3)
        .flag("-std=gnu11")
        .warnings(true)
        .extra_warnings(true)
        .compile("hpcap_bench_ring");
}
