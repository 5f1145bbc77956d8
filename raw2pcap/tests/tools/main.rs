//! Tests that run the two tools as users do.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod checkraw;
mod content;
mod convert;
mod live;
mod messages;
mod other_readers;
mod range;
mod recordings;
mod safety;
mod samples;
mod statistics;
