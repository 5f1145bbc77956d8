//! Compiles the loops of `hpcap-bench ring`.

#[path = "../crates/hpcap-engine/kmod_core.rs"]
mod kmod_core;

fn main() {
    kmod_core::compile(
        "hpcap_bench_ring",
        &[
            "src/ring/bench.h",
            "src/ring/ring.c",
            "src/ring/dedup.c",
            "src/ring/advrx/ring.c",
        ],
    );
}
