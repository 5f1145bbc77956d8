//! Frames into a NIC: where from, how fast, and what became of each.
//!
//! | module | is |
//! |---|---|
//! | [`content`] | frames that can be had again, byte for byte, from a line of text |
//! | [`pace`] | when the next frame goes onto the wire |
//! | [`sender`] | the thread that does it |
//! | [`fault`], [`answer`] | what may go wrong; who is at the other end of the wire |
//! | [`lab`] | all of it, as a program in the guest asks for it |
//! | [`record`], [`runs`] | what became of every frame |
//! | [`proof`] | whether RAW files and their ledgers have every one of them |

pub mod answer;
pub mod content;
pub mod fault;
pub mod lab;
pub mod pace;
pub mod proof;
pub mod record;
pub mod runs;
pub mod sender;

pub use fault::{Device, Fault};
pub use lab::Lab;
pub use pace::Pace;
pub use record::{Amount, Record, Segment, Totals};
pub use runs::{Run, Runs};
pub use sender::{Nic, Sender};
