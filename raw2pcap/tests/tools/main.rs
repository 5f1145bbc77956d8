//! The two tools as people run them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod checkraw;
mod convert;
mod made;
mod others;
mod recordings;
