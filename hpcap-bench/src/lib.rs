//! Traffic for hpcap, and how well it copes.
//!
//! | module | is |
//! |---|---|
//! | [`send`] | `hpcap-bench send`: the frames of a source, out of an interface |
//! | [`verify`] | `hpcap-bench verify`: whether generated frames are all there, and whole |

pub mod report;
pub mod ring;
pub mod send;
pub mod verify;
