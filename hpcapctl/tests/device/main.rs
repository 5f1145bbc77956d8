//! The kernel module's char device: what it allows, what it refuses, and that a listener cannot
//! tell it from `hpcapd`.
//!
//! Needs root and the modules `hpcap` and `hpcap_testnic`, so it runs in a virtual machine, with
//! `HPCAP_TEST_PRODUCER=module`. Anywhere else it says that it was skipped.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod conversations;
mod mappings;
mod module;
mod rings;
mod waiting;
