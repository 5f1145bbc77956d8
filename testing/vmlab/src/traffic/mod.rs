//! Frames into a NIC: their source, their pace, and the outcome of each.
//!
//! | module | contents |
//! |---|---|
//! | [`content`] | frames that can be generated again, byte for byte, from a line of text |
//! | [`pace`] | the time at which the next frame is sent |
//! | [`sender`] | the thread that sends frames |
//! | [`fault`], [`answer`] | faults of NIC and link; the station at the other end of the wire |
//! | [`lab`] | the NICs of a machine, as a program in the guest controls them |
//! | [`record`], [`runs`] | the outcome of every frame |
//! | [`proof`] | the proof that RAW files and their ledgers account for every frame |

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
