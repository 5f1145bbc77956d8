//! Tests of the stages between a source and the ring: the capture filter and the duplicate filter.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod dedup_cases;
mod dedup_engine;
mod dedup_model;
mod dedup_tunnels;
mod filter;
#[path = "../harness/mod.rs"]
mod harness;
mod marks;
