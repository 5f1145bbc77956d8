//! Compiles the loops of `hpcap-bench ring` with the headers of `kmod/core/`, and names the compilers.

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
    name_the_compilers();
}

/// Passes the versions of both compilers on to the program, whose instructions depend on them.
fn name_the_compilers() {
    let rust = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let c = cc::Build::new().get_compiler();
    let version = |command: &mut std::process::Command| -> String {
        let output = command.arg("--version").output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().next().unwrap_or("unknown").to_owned()
    };
    println!(
        "cargo::rustc-env=HPCAP_BENCH_RUSTC={}",
        version(&mut std::process::Command::new(rust))
    );
    println!(
        "cargo::rustc-env=HPCAP_BENCH_CC={}",
        version(&mut c.to_command())
    );
}
