//! Tests of the software 82599 with a minimal driver: data in memory, counters, and interrupts.

#![expect(clippy::unwrap_used, reason = "tests")]

mod driver;
mod faults;
mod packet_buffer;
mod receive;
mod registers;
mod statistics;
mod survival;
mod transmit;
