//! Tests of the kernel module's char device: what it allows, what it refuses, and that it looks the
//! same as `hpcapd` to a listener.
//!
//! The tests need root and the modules `hpcap` and `hpcap_testnic`, so they run in a virtual
//! machine, with `HPCAP_TEST_PRODUCER=module`. Elsewhere they report that they were skipped.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod conversations;
mod mappings;
mod module;
mod rings;
mod waiting;
