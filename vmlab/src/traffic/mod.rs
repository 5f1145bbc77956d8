//! Frames into a NIC: where from, how fast, and what became of each.
//!
//! | module | is |
//! |---|---|
//! | [`content`] | frames that can be had again, byte for byte, from a line of text |
//! | [`pace`] | when the next frame goes onto the wire |
//! | [`sender`] | the thread that does it |
//! | [`record`], [`runs`] | what became of every frame |
//! | [`proof`] | whether RAW files and their ledgers have every one of them |

pub mod content;
pub mod pace;
pub mod proof;
pub mod record;
pub mod runs;
pub mod sender;

pub use pace::Pace;
pub use record::{Amount, Record, Segment, Totals};
pub use runs::{Run, Runs};
pub use sender::{Nic, Sender};
