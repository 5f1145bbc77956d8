//! Attacks on a capture: by damaged files, by the disk, by the clock, and by readers of the
//! programs' outputs. Each attack takes some seconds here and longer in `make attack`
//! ([`hpcap_e2e::attack`]).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod clock_steps;
mod mutated_files;
mod stuck_outputs;
mod vanishing_files;
