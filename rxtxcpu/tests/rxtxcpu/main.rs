//! Tests of the built program, under each of its names, in network namespaces of their own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod counts;
mod faults;
mod files;
mod lab;
mod queues;
mod repeats;
mod steer;
mod usage;
mod xdp;
