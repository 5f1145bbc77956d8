//! Compiles the producer and the stages.

mod kmod_core;

fn main() {
    kmod_core::compile("hpcap_ring", &["src/ring/ring.c", "src/stages/stages.c"]);
}
