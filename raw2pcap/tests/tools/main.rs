//! Tests that run the two tools as users do.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod checkraw;
mod comments;
mod content;
mod damage;
mod live;
mod merge;
mod messages;
mod other_readers;
mod output;
mod range;
mod recordings;
mod safety;
mod samples;
mod selection;
mod statistics;
mod transcript;
mod usage;
