//! The software 82599 against a small driver: what reaches memory, what is counted, what fires.

#![allow(clippy::unwrap_used, reason = "tests")]

mod driver;
mod faults;
mod packet_buffer;
mod receive;
mod registers;
mod statistics;
mod survival;
mod transmit;
