//! Tests of the RAW format: reader, writer, and the damage that both must withstand.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod chains;
mod check;
mod damage;
mod index;
mod integrity;
mod original;
mod repair;
mod round_trip;
