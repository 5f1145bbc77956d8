//! Attacks on a capture: by files, by the disk, by the clock, by whoever reads what the
//! programs print. Each goes on for some seconds here and for long in `make attack`
//! ([`hpcap_e2e::attack`]).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod clock_steps;
mod mutated_files;
mod stuck_outputs;
mod vanishing_files;
