//! Compiles the loops of `hpcap-bench ring` with the headers of `kmod/core/`.

fn main() {
    // The build script of hpcap-sys passes this variable to the crates that depend on it.
    let include = std::env::var_os("DEP_HPCAP_CORE_INCLUDE").unwrap_or_default();
    let include: Vec<_> = std::env::split_paths(&include).collect();
    println!("cargo::rerun-if-changed=src/ring");
    for folder in &include {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    cc::Build::new()
        .files([
            "src/ring/ring.c",
            "src/ring/dedup.c",
            "src/ring/advrx/ring.c",
        ])
        .includes(&include)
        .opt_level(3)
        .flag("-std=gnu11")
        .warnings(true)
        .extra_warnings(true)
        .compile("hpcap_bench_ring");
}
